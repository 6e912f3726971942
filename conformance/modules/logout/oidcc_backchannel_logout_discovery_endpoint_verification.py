"""oidcc-backchannel-logout-discovery-endpoint-verification.

[F] end_session_endpoint is https; backchannel_logout_supported and backchannel_logout_session_supported are true.
"""

from harness import wire
from harness.check import Check
from harness.rules import metadata


def run(t: Check) -> None:
    response = wire.get(t.world.metadata_url)
    t.hold_all(metadata.BACK_CHANNEL_LOGOUT, metadata.Published(response, t.world.metadata_url, response.json()))
