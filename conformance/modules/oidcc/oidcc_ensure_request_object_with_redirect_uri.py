"""oidcc-ensure-request-object-with-redirect-uri: a bogus redirect_uri outside a request object, a good one inside.

[F] The one inside is used, or the request is refused on a page; never is there a fall-back to a registered default.
"""

from harness import jose
from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    inside = jose.unsigned({**t.application.request(response_mode=t.response_mode), "iss": t.application.client_id, "aud": t.world.issuer})
    Flow(t).refused(
        "A bogus redirect_uri beside a request object", request=inside, redirect_uri=t.application.redirect_uri + "/bogus", state=None
    )
