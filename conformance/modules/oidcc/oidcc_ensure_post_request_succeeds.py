"""oidcc-ensure-post-request-succeeds: the authorization request as a POST.

[F] It succeeds. The session cookie is SameSite=Lax, so it is absent on a cross-site POST: that is no failure either.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t)
    flow.userinfo(flow.sign_in(method="POST"))
    lax = [c.name for c in flow.browser.jar.cookies if c.same_site not in ("lax", "strict") or not c.http_only]
    t.fail_unless(not lax, "Every cookie is SameSite=Lax (or Strict) and HttpOnly", lax)
    flow.userinfo(flow.sign_in(method="POST"))
