"""oidcc-rp-initiated-logout-no-params: no parameters at all.

[F] The user is signed out, after a confirmation if it asks for one, and the logged-out page is shown [R]; no redirect.
"""

from harness import signing_out
from harness.check import Check


def run(t: Check) -> None:
    flow, _ = signing_out.start(t)
    landing = signing_out.go(flow)
    signing_out.is_done(t, landing, "A sign-out with no parameters at all")
    signing_out.is_signed_out(t, flow)
