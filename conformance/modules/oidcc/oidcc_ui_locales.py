"""oidcc-ui-locales.

[F] ui_locales ("se" among them) is never an error.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t)
    flow.userinfo(flow.sign_in(ui_locales="se"))
    flow.code(ui_locales="se fr-CA x-none")
