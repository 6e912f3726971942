"""A8: a code of application A, posted by application B (CVE-2026-55672, CVE-2026-28513, CVE-2026-32245, CVE-2026-16089).

[F] invalid_grant, for a confidential B and for a public one; the code is burned, so that A's later use fails too.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    for thief in ("second", "post", "jwt", "public"):
        flow, other = Flow(t), t.world.applications[thief]
        answer = flow.code()
        stolen = other.exchange(answer.code, redirect_uri=answer.request["redirect_uri"])
        flow.token_error(stolen, f"A code of A, posted by {other.client_id}", "invalid_grant")
        later = flow.application.exchange(answer.code)
        flow.token_error(later, f"The code after {other.client_id} tried it", "invalid_grant")
    flow = Flow(t)
    answer = flow.code(scope="openid offline_access")
    tokens = flow.exchange(answer)
    used = t.world.applications["second"].exchange(answer.code, redirect_uri=answer.request["redirect_uri"])
    flow.token_error(used, "A code that was used, posted by another application", "invalid_grant")
    if tokens.refresh:
        stolen = t.world.applications["second"].refresh(tokens.refresh)
        flow.token_error(stolen, "A's refresh token, sent by B", "invalid_grant")
