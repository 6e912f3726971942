"""A1: userinfo, `@`, backslash and control characters that two URL parsers read differently (CVE-2026-7504).

[F] HTML 400, no Location at all. Whatever a parser makes of it, the bytes aren't the registered ones.
"""

from harness.check import Check
from harness.flow import Flow

BAD = (
    "https://rp.conformance.test@x@evil.test/callback", "https://rp.conformance.test@evil.test/callback",
    "https://rp.conformance.test\\@evil.test/callback", "https://rp.conformance.test%40evil.test/callback",
    "https://rp.conformance.test:443@evil.test/callback",
    "https://rp.conformance.test/callback\t", "https://rp.conformance.test/call\nback",
    "https://rp.conformance.test/callback\0", "https://rp.conformance.test/callback\r\nLocation: https://evil.test/",
    "https:rp.conformance.test/callback", "https:///rp.conformance.test/callback", "//rp.conformance.test/callback",
    "https://evil.test/https://rp.conformance.test/callback", "https://rp.conformance.test.evil.test/callback",
    "https://rp.conformance.test:443/callback", "HTTPS://rp.conformance.test/callback", "https://RP.conformance.test/callback",
    "http://rp.conformance.test/callback", "javascript:alert(1)//https://rp.conformance.test/callback",
    " https://rp.conformance.test/callback", "https://rp.conformance.test/callback/", "https://rp.conformance.test/a/../callback",
    "https://rp.conformance.test/callback;x", "https://rp.conformance.test/%63allback",
    "https://rp.conformance.test\u3002evil.test/callback",
)


def run(t: Check) -> None:
    flow = Flow(t)
    for bad in BAD:
        flow.refused(f"redirect_uri {bad!r}", redirect_uri=bad)
    flow.code()
