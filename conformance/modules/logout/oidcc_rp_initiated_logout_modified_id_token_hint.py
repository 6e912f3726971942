"""oidcc-rp-initiated-logout-modified-id-token-hint: the hint is changed to alg none.

[F] No redirect; a page is shown [R]. So it is with one bit of the signature turned over.
"""

from harness import jose, signing_out
from harness.application import state
from harness.check import Check


def run(t: Check) -> None:
    flow, tokens = signing_out.start(t)
    back = flow.application.post_logout_redirect_uri
    hints = {"alg none": jose.unsigned(tokens.claims), "a turned bit": jose.flip_signature(tokens.id_token), "no JWT": "x.y.z"}
    for what, hint in hints.items():
        landing = signing_out.go(flow, confirm=False, id_token_hint=hint, post_logout_redirect_uri=back, state=state())
        signing_out.stays_here(t, landing, f"An id_token_hint with {what}")
    signing_out.is_signed_in(t, flow, "After hints that can't be trusted, nothing having been confirmed")
    landing = signing_out.go(flow, id_token_hint=hints["alg none"], post_logout_redirect_uri=back, state=state())
    signing_out.stays_here(t, landing, "An id_token_hint with alg none, after the confirmation")
