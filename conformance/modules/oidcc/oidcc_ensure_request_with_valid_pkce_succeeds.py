"""oidcc-ensure-request-with-valid-pkce-succeeds.

[F] A confidential client that needs no PKCE may send it, with S256; then it works.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    t.fail_unless("S256" in t.world.metadata.get("code_challenge_methods_supported", []), "code_challenge_methods_supported has S256")
    flow = Flow(t)
    flow.userinfo(flow.sign_in(pkce=True))
