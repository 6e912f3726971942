"""I1: addresses that run (CVE-2026-9086, CVE-2024-21637).

[F] javascript:, data:, vbscript:, blob:, in any case and split by tabs, are refused at registration for every address.
"""

from harness import registration
from harness.check import Check

BAD = (
    "javascript:alert(1)", "JaVaScRiPt:alert(1)//https://x.test", "java\tscript:alert(1)", "data:text/html,x", "vbscript:x",
    "blob:https://x.test/1", "file:///etc/passwd", "nonsense",
)
LISTS = ("redirect_uris", "post_logout_redirect_uris")
SINGLE = ("logo_uri", "policy_uri", "tos_uri", "initiate_login_uri", "backchannel_logout_uri")


def run(t: Check) -> None:
    registration.accepted(t, "https addresses", **{name: "https://x.test/" for name in SINGLE})
    for bad in BAD:
        for name in LISTS:
            registration.refused(t, f"{name} {bad!r}", **{name: [bad]})
        for name in SINGLE:
            registration.refused(t, f"{name} {bad!r}", **{name: bad})
