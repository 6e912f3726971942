"""oidcc-ensure-request-with-unknown-parameter-succeeds.

[F] An unknown parameter is ignored.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t)
    flow.userinfo(flow.sign_in(extra="foobar"))
