"""oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri.

[F] A query added to a registered URI: no redirect; a page is shown [R].
"""

from harness import signing_out
from harness.application import state
from harness.check import Check


def run(t: Check) -> None:
    flow, tokens = signing_out.start(t)
    bad = t.application.post_logout_redirect_uri + "?foo=bar"
    landing = signing_out.go(flow, id_token_hint=tokens.id_token, post_logout_redirect_uri=bad, state=state())
    signing_out.stays_here(t, landing, "A query added to the post_logout_redirect_uri")
