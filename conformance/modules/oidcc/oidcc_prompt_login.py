"""oidcc-prompt-login: prompt=login in a session that lives.

[F] The second visit shows the sign-in page; auth_time is strictly later, and recent; the subject is the same.
[F] The request doesn't loop: one sign-in answers it, and the next request without prompt needs none.
"""

import time

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t)
    first = flow.sign_in(max_age="15000")
    time.sleep(1.1)
    answer = flow.code(prompt="login")
    flow.saw_sign_in(answer, "prompt=login")
    t.fail_unless(answer.shown.count("sign-in") == 1, "prompt=login is satisfied by one sign-in", answer.shown)
    second = flow.exchange(answer)
    t.fail_unless(second.claims["sub"] == first.claims["sub"], "The subject is the same")
    before, after = first.claims.get("auth_time"), second.claims.get("auth_time")
    t.stop_unless(isinstance(before, int) and isinstance(after, int), "auth_time stands in both ID tokens", (before, after))
    t.fail_unless(after > before, "auth_time is strictly later after prompt=login", (before, after))
    t.fail_unless(abs(time.time() - after) < 60, "auth_time is recent", after)
    flow.saw_nothing(flow.code(), "The next request, without prompt")
