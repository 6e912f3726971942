"""oidcc-rp-initiated-logout-bad-post-logout-redirect-uri: one that isn't registered.

[F] No redirect; a page is shown [R]. Byte for byte, as with redirect_uri.
"""

from harness import signing_out
from harness.application import state
from harness.check import Check


def run(t: Check) -> None:
    good = t.application.post_logout_redirect_uri
    flow, tokens = signing_out.start(t)
    for bad in (good + "/other", good[:-1], good.upper(), good + "#", good.replace("rp.", "rp@evil."), t.application.redirect_uri):
        landing = signing_out.go(
            flow, confirm=False, id_token_hint=tokens.id_token, post_logout_redirect_uri=bad, state=state()
        )
        signing_out.stays_here(t, landing, f"post_logout_redirect_uri {bad}")
    landing = signing_out.go(flow, id_token_hint=tokens.id_token, post_logout_redirect_uri=good + "/other", state=state())
    signing_out.stays_here(t, landing, "A post_logout_redirect_uri that isn't registered, after the confirmation")
