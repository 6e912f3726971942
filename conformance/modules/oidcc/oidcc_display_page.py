"""oidcc-display-page.

[F] display=page is accepted.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t)
    flow.userinfo(flow.sign_in(display="page"))
