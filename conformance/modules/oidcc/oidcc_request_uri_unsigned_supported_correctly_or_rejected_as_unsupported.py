"""oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported.

[F] Where request_uri is announced as unsupported, it is refused with request_uri_not_supported: to ignore it is a fault.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    t.warn_unless(
        t.world.metadata.get("request_uri_parameter_supported") is False, "request_uri_parameter_supported is false in words",
        t.world.metadata.get("request_uri_parameter_supported"),
    )
    uri = "https://rp.conformance.test/requests/1#" + "a" * 43
    Flow(t).error("request_uri_not_supported", request_uri=uri, state=None, nonce=None, stateless=True)
    Flow(t).error("request_uri_not_supported", request_uri=uri)
