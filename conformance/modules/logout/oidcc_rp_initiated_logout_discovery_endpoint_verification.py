"""oidcc-rp-initiated-logout-discovery-endpoint-verification.

[F] end_session_endpoint is there, and https.
"""

from harness import wire
from harness.check import Check
from harness.rules import metadata


def run(t: Check) -> None:
    response = wire.get(t.world.metadata_url)
    t.hold_all(metadata.RP_INITIATED_LOGOUT, metadata.Published(response, t.world.metadata_url, response.json()))
