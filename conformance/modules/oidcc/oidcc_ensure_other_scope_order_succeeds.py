"""oidcc-ensure-other-scope-order-succeeds.

[F] `openid` need not come first among the scopes.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t)
    flow.userinfo(flow.sign_in(scope="email openid"))
