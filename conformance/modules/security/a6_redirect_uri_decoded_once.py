"""A6: a redirect URI decoded twice here and once there (Dex 7cb2317c).

[F] The authorization and the token endpoint compare the same bytes: `%2F`, `%252F` and `/` are three different things.
"""

from harness.check import Check
from harness.flow import Flow

REGISTERED = "https://rp.conformance.test/call%2Fback"
OTHERS = ("https://rp.conformance.test/call%252Fback", "https://rp.conformance.test/call/back", "https://rp.conformance.test/call%2fback")


def run(t: Check) -> None:
    flow = Flow(t, t.world.applications["second"])
    for other in OTHERS:
        flow.refused(f"redirect_uri {other}", redirect_uri=other)
    for other in OTHERS:
        answer = flow.code(redirect_uri=REGISTERED)
        response = flow.application.exchange(answer.code, redirect_uri=other)
        flow.token_error(response, f"redirect_uri {other} at the token endpoint", "invalid_grant")
    flow.sign_in(redirect_uri=REGISTERED)
