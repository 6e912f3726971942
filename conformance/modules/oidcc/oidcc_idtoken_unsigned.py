"""oidcc-idtoken-unsigned: alg none.

[F] Where id_token_signing_alg_values_supported lacks none (as it should), no ID token is unsigned.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    offered = t.world.metadata.get("id_token_signing_alg_values_supported", [])
    t.fail_unless("none" not in offered, "none isn't offered", offered)
    header = Flow(t).sign_in().header
    t.fail_unless(str(header.get("alg", "none")).lower() != "none", "The ID token is signed", header)
