"""oidcc-id-token-hint: prompt=none with the ID token of the session.

[F] Silent success with the same subject. [F] With somebody else's ID token there is an error, never the wrong person's code.
"""

from harness.check import Check
from harness.flow import NEEDS_A_PERSON, Flow


def run(t: Check) -> None:
    flow = Flow(t)
    first = flow.sign_in()
    answer = flow.code(prompt="none", id_token_hint=first.id_token)
    flow.saw_nothing(answer, "prompt=none with id_token_hint")
    second = flow.exchange(answer)
    t.fail_unless(second.claims["sub"] == first.claims["sub"], "The subject is the same")
    other = Flow(t, person=t.world.people["bo"]).sign_in()
    flow.error(*NEEDS_A_PERSON, prompt="none", id_token_hint=other.id_token)
