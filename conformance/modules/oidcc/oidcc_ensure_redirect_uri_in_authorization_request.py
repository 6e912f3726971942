"""oidcc-ensure-redirect-uri-in-authorization-request: no redirect_uri in the request.

[F] With several registered (and, in OpenID Connect, with one as well: it is REQUIRED) an error page, never a redirect.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    Flow(t, t.world.applications["second"]).refused("No redirect_uri, several registered", redirect_uri=None)
    Flow(t).refused("No redirect_uri, one registered", redirect_uri=None)
    Flow(t).refused("An empty redirect_uri", redirect_uri="")
