"""oidcc-rp-initiated-logout-bad-id-token-hint: a hint signed by the relying party, with its client secret and with a key
of its own.

[F] No redirect; a page is shown [R].
"""

from harness import jose, signing_out
from harness.application import state
from harness.check import Check


def run(t: Check) -> None:
    flow, tokens = signing_out.start(t)
    back = flow.application.post_logout_redirect_uri
    own = jose.SigningKey.generate(str(tokens.header["kid"]), "RS256")
    hints = {"the client secret": jose.hs256(tokens.claims, flow.application.secret.encode()), "a foreign key": own.sign(tokens.claims)}
    for what, hint in hints.items():
        landing = signing_out.go(flow, confirm=False, id_token_hint=hint, post_logout_redirect_uri=back, state=state())
        signing_out.stays_here(t, landing, f"An id_token_hint signed with {what}")
    signing_out.is_signed_in(t, flow, "After hints that can't be trusted, nothing having been confirmed")
