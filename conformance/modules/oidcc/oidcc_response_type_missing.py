"""oidcc-response-type-missing: a request without response_type.

[F] A redirect with invalid_request or unsupported_response_type in the query (or an error page); a response_mode=form_post
that was sent is honoured.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    Flow(t).error("invalid_request", "unsupported_response_type", response_type=None, page_will_do=True)
