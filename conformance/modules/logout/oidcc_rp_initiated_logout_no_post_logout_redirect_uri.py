"""oidcc-rp-initiated-logout-no-post-logout-redirect-uri: id_token_hint and state, no post_logout_redirect_uri.

[F] The user is signed out, after a confirmation if it asks for one, and the logged-out page is shown [R]; no redirect.
"""

from harness import signing_out
from harness.application import state
from harness.check import Check


def run(t: Check) -> None:
    flow, tokens = signing_out.start(t)
    landing = signing_out.go(flow, id_token_hint=tokens.id_token, state=state())
    signing_out.is_done(t, landing, "A sign-out with id_token_hint and state, no post_logout_redirect_uri")
    signing_out.is_signed_out(t, flow)
