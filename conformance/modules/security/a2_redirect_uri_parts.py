"""A2: a redirect URI with userinfo, fragment, backslash or control character (CVE-2026-28512).

[F] Refused at registration and at the authorization endpoint.
"""

from harness import registration
from harness.check import Check
from harness.flow import Flow

BAD = {
    "userinfo": "https://user:pw@rp.conformance.test/callback", "an empty userinfo": "https://@rp.conformance.test/callback",
    "a fragment": "https://rp.conformance.test/callback#here", "an empty fragment": "https://rp.conformance.test/callback#",
    "a backslash": "https://rp.conformance.test\\callback", "a tab": "https://rp.conformance.test/call\tback",
    "a line feed": "https://rp.conformance.test/callback\n", "a space": "https://rp.conformance.test/call back",
}


def run(t: Check) -> None:
    registration.accepted(t, "an ordinary redirect URI")
    for what, uri in BAD.items():
        registration.refused(t, f"a redirect URI with {what}", redirect_uris=[uri])
        registration.refused(t, f"a post-logout redirect URI with {what}", post_logout_redirect_uris=[uri])
        Flow(t).refused(f"A redirect_uri with {what}", redirect_uri=uri)
