"""oidcc-codereuse: a code is used a second time, at once.

[W] A second use that answers 200. [F] Otherwise it is 400 invalid_grant.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t)
    answer = flow.code()
    flow.exchange(answer)
    again = t.application.exchange(answer.code)
    t.warn_unless(again.status != 200, "A code works once", again.status)
    if again.status != 200:
        flow.token_error(again, "A second use of a code", "invalid_grant")
