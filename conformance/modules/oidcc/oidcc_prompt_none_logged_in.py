"""oidcc-prompt-none-logged-in: prompt=none in a session that lives.

[F] Silent success: consent is remembered per user, client and scopes, the session cookie survives; `sub` and auth_time
are identical.
"""

from harness.check import Check
from harness.flow import NEEDS_A_PERSON, Flow


def run(t: Check) -> None:
    flow = Flow(t)
    first = flow.sign_in(max_age="15000")
    answer = flow.code(prompt="none", max_age="15000")
    flow.saw_nothing(answer, "prompt=none")
    second = flow.exchange(answer)
    for claim in ("sub", "auth_time", "sid"):
        t.fail_unless(second.claims.get(claim) == first.claims.get(claim), f"{claim} is identical", second.claims.get(claim))
    other = Flow(t, t.world.applications["pkce"], browser=flow.browser, person=t.world.people["ana"])
    answer = other.ask(prompt="none", response_mode=t.response_mode)
    t.fail_unless(
        answer.arrived and (answer.params.get("error") in NEEDS_A_PERSON or "code" in answer.params),
        "Another application's prompt=none is answered by redirect, with an error where consent is missing", answer.params,
    )
