"""oidcc-rp-initiated-logout-no-id-token-hint: post_logout_redirect_uri without id_token_hint.

[F] No redirect; a page is shown [R], before and after the confirmation.
"""

from harness import signing_out
from harness.application import state
from harness.check import Check


def run(t: Check) -> None:
    flow, _ = signing_out.start(t)
    back = flow.application.post_logout_redirect_uri
    landing = signing_out.go(flow, confirm=False, post_logout_redirect_uri=back, state=state())
    signing_out.stays_here(t, landing, "A post_logout_redirect_uri without id_token_hint")
    landing = signing_out.go(flow, post_logout_redirect_uri=back, state=state())
    signing_out.stays_here(t, landing, "A post_logout_redirect_uri without id_token_hint, after the confirmation")
