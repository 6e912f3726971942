"""oidcc-ensure-registered-redirect-uri: a redirect URI that isn't registered.

[F] An error page, never a redirect (the suite wants a picture of it [R]).
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    Flow(t).refused("An unregistered redirect_uri", redirect_uri=t.application.redirect_uri + "/not-registered")
