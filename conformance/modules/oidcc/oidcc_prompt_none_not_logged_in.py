"""oidcc-prompt-none-not-logged-in: prompt=none in a new browser.

[F] interaction_required, login_required, account_selection_required or consent_required, by redirect; no page is shown.
"""

from harness.check import Check
from harness.flow import NEEDS_A_PERSON, Flow


def run(t: Check) -> None:
    flow = Flow(t)
    answer = flow.error(*NEEDS_A_PERSON, prompt="none")
    flow.saw_nothing(answer, "prompt=none")
    flow.error("invalid_request", prompt="none login")
