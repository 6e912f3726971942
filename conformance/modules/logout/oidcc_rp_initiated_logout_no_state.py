"""oidcc-rp-initiated-logout-no-state: id_token_hint and post_logout_redirect_uri, no state.

[F] The browser is sent back without state (CheckNoPostLogoutState); then prompt=none fails.
"""

from harness import signing_out
from harness.check import Check


def run(t: Check) -> None:
    flow, tokens = signing_out.start(t)
    landing = signing_out.go(
        flow, id_token_hint=tokens.id_token, post_logout_redirect_uri=flow.application.post_logout_redirect_uri
    )
    signing_out.came_back(t, flow, landing, None)
    signing_out.is_signed_out(t, flow)
