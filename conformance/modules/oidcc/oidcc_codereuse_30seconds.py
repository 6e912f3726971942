"""oidcc-codereuse-30seconds: a code is used a second time, thirty seconds later.

[F] 400 invalid_grant. [W] The access token from the first use is then refused (RFC 6749 §4.1.2), and (ours) the whole
family ends: its refresh token too.
"""

import time

from harness.check import Check
from harness.flow import Flow

SECONDS = 31


def run(t: Check) -> None:
    flow = Flow(t)
    answer = flow.code(scope="openid offline_access")
    tokens = flow.exchange(answer)
    time.sleep(1 if t.fast else 30)
    again = t.application.exchange(answer.code)
    t.fail_unless(again.status != 200, "A code works once", again.status)
    flow.token_error(again, "A second use of a code", "invalid_grant")
    after = t.application.userinfo(tokens.access)
    t.warn_unless(400 <= after.status < 500, "The first access token is refused after the code was used twice", after.status)
    if tokens.refresh:
        flow.token_error(t.application.refresh(tokens.refresh), "The first refresh token after the code was used twice", "invalid_grant")
