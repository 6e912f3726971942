"""oidcc-redirect-uri-query-mismatch: a redirect URI registered with a query is sent with another.

[F] An error page, never a redirect.
"""

from harness.check import Check
from harness.flow import Flow

OTHER = ("?dummy1=lorem", "?dummy1=lorem&dummy2=dolor", "?dummy2=ipsum&dummy1=lorem", "?dummy1=lorem&dummy2=ipsum&dummy3=", "")


def run(t: Check) -> None:
    flow = Flow(t, t.world.applications["second"])
    base = flow.application.redirect_uri.split("?")[0]
    for query in OTHER:
        flow.refused(f"The registered redirect_uri with {query or 'no query'}", redirect_uri=base + query)
