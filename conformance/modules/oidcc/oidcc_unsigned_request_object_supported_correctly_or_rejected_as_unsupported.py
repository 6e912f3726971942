"""oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported.

[F] Where request objects are announced as unsupported, one is refused with request_not_supported: to ignore it is a fault.
State and nonce stand only inside the object, so the answer can't have the state.
"""

from harness import jose
from harness.application import state
from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    request = t.application.request(state=state(), response_mode=t.response_mode)
    inside = jose.unsigned({**request, "iss": t.application.client_id, "aud": t.world.issuer})
    Flow(t).error("request_not_supported", request=inside, state=None, nonce=None, stateless=True)
    Flow(t).error("request_not_supported", request=inside)
