"""oidcc-max-age-10000: max_age=15000, then 10000, in one session.

[F] No second sign-in; both ID tokens have auth_time, and it is identical. [F] A max_age that is no number is invalid_request.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t)
    first = flow.sign_in(max_age="15000")
    answer = flow.code(max_age="10000")
    t.fail_unless("sign-in" not in answer.shown, "max_age=10000 in a young session asks nobody to sign in", answer.shown)
    second = flow.exchange(answer)
    before, after = first.claims.get("auth_time"), second.claims.get("auth_time")
    t.fail_unless(before is not None and before == after, "auth_time stands in both ID tokens and is identical", (before, after))
    flow.error("invalid_request", max_age="soon")
    flow.error("invalid_request", max_age="-1")
