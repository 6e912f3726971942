"""A4: prefixes and wildcards (Keycloak #48430, CVE-2026-41569).

[F] A registration with `*` is refused; redirect_uri and post_logout_redirect_uri are compared byte for byte.
"""

from harness import registration
from harness.check import Check
from harness.flow import Flow

WILD = (
    "https://rp.conformance.test*", "https://*.conformance.test/callback", "https://rp.conformance.test/*", "*",
    "https://rp.conformance.test/callback?*",
)
LONGER = ("/x", "x", ".evil.test", "%00", "?", "&", "//", "/..;/")


def run(t: Check) -> None:
    for wild in WILD:
        registration.refused(t, f"the redirect URI {wild}", redirect_uris=[wild])
        registration.refused(t, f"the post-logout redirect URI {wild}", post_logout_redirect_uris=[wild])
    flow = Flow(t)
    for tail in LONGER:
        flow.refused(f"The registered redirect_uri with {tail!r} behind it", redirect_uri=t.application.redirect_uri + tail)
    flow.refused("The registered origin with a longer host", redirect_uri="https://rp.conformance.test.evil.test/callback")
