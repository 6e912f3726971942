"""oidcc-claims-locales.

[F] claims_locales ("se") is never an error.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t)
    flow.userinfo(flow.sign_in(claims_locales="se"))
