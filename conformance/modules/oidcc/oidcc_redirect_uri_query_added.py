"""oidcc-redirect-uri-query-added: a query is added to a registered redirect URI.

[F] An error page, never a redirect.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    Flow(t).refused("A query added to the redirect_uri", redirect_uri=t.application.redirect_uri + "?foo=bar")
