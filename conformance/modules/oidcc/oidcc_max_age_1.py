"""oidcc-max-age-1: max_age=1, two seconds after the sign-in.

[F] The sign-in page is shown; auth_time is mandatory with max_age, strictly later and recent; the subject is the same.
max_age is compared in whole seconds: elapsed > max_age means signing in again.
"""

import time

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t)
    first = flow.sign_in(max_age="15000")
    time.sleep(2.1)
    answer = flow.code(max_age="1")
    flow.saw_sign_in(answer, "max_age=1 after two seconds")
    second = flow.exchange(answer)
    t.fail_unless(second.claims["sub"] == first.claims["sub"], "The subject is the same")
    before, after = first.claims.get("auth_time"), second.claims.get("auth_time")
    t.stop_unless(isinstance(before, int) and isinstance(after, int), "auth_time stands in both ID tokens", (before, after))
    t.fail_unless(after > before, "auth_time is strictly later", (before, after))
    t.fail_unless(abs(time.time() - after) < 60, "auth_time is recent", after)
