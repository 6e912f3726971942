"""A3: the loopback exception varies the port, and nothing else (CVE-2024-8883, RFC 8252 §7.3).

[F] `http://127.0.0.1:49152/callback` is fine where `http://127.0.0.1/callback` is registered; another host, path, scheme,
query or userinfo is a 400.
"""

from harness.check import Check
from harness.flow import Flow

GOOD = ("http://127.0.0.1/callback", "http://127.0.0.1:49152/callback", "http://127.0.0.1:1024/callback")
BAD = (
    "http://127.0.0.1.evil.test/callback", "http://localhost@evil.test/callback", "http://127.0.0.1@evil.test/callback",
    "http://127.0.0.1:49152/other", "http://127.0.0.1:49152/callback/", "http://127.0.0.1:49152/callback?x=1",
    "http://127.0.0.1:49152@evil.test/callback", "http://localhost:49152/callback", "http://[::1]:49152/callback",
    "https://127.0.0.1:49152/callback", "http://127.0.0.2/callback", "http://127.1/callback", "http://2130706433/callback",
    "http://127.0.0.1:99999/callback", "http://127.0.0.1:/callback", "http://127.0.0.1:4 9152/callback",
    "http://127.0.0.1:49152\\@evil.test/callback", "http://127.0.0.1:+80/callback", "http://127.0.0.1:080/callback#",
)


def run(t: Check) -> None:
    for good in GOOD:
        flow = Flow(t, t.world.applications["native"])
        flow.sign_in(redirect_uri=good)
    flow = Flow(t, t.world.applications["native"])
    for bad in BAD:
        flow.refused(f"redirect_uri {bad!r}", redirect_uri=bad)
    answer = flow.code(redirect_uri=GOOD[1])
    swapped = flow.application.exchange(answer.code, answer.verifier, GOOD[2])
    flow.token_error(swapped, "At the token endpoint, another port than in the request", "invalid_grant")
    basic = Flow(t)
    basic.refused("A port added to a redirect_uri that isn't on loopback", redirect_uri="https://rp.conformance.test:8443/callback")
