"""rp-initiated-logout-expired-id-token-hint (ours; the suite has no module for it).

[F] The hint must be accepted although it expired (RP-Initiated Logout 1.0 §4). `run` gives ID tokens a life of one minute.
"""

import time

from harness import signing_out
from harness.application import state
from harness.check import Check

SECONDS = 63


def run(t: Check) -> None:
    flow, tokens = signing_out.start(t)
    left = tokens.claims["exp"] - time.time()
    if t.fast or left > 90:
        t.skip(f"the ID token lives for another {left:.0f} s")
    time.sleep(max(0.0, left) + 1.5)
    sent, back = state(), flow.application.post_logout_redirect_uri
    landing = signing_out.go(flow, id_token_hint=tokens.id_token, post_logout_redirect_uri=back, state=sent)
    signing_out.came_back(t, flow, landing, sent)
    signing_out.is_signed_out(t, flow)
