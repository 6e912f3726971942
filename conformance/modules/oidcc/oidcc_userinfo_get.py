"""oidcc-userinfo-get: GET with the token in the header.

[F] Userinfo answers a GET with the token in the header.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t)
    flow.userinfo(flow.sign_in(), "get")
