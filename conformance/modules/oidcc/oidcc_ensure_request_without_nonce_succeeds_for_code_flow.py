"""oidcc-ensure-request-without-nonce-succeeds-for-code-flow.

[F] In the code flow a request without nonce succeeds, and the ID token then has none.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t)
    flow.userinfo(flow.sign_in(nonce=None))
