"""oidcc-redirect-uri-query-OK: a redirect URI registered with a query.

[F] The query is kept in the answer, in a refusal as well (`?dummy1=lorem&dummy2=ipsum`).
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t, t.world.applications["second"])
    flow.userinfo(flow.sign_in())
    flow.error("access_denied", prompt="consent", consent="deny")
