"""oidcc-userinfo-post-body: POST with the token in the body.

[W] Userinfo answers a POST with the token in the body. [F] A token in the query is refused.
"""

from harness import wire
from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t)
    tokens = flow.sign_in()
    response = t.application.userinfo(tokens.access, "post-body")
    t.warn_unless(response.status == 200, "Userinfo takes a token in the body of a POST (RFC 6750 §2.2)", response.status)
    if response.status == 200:
        flow.userinfo(tokens, "post-body")
    in_query = wire.get(f"{t.world.endpoint('userinfo_endpoint')}?access_token={tokens.access}")
    t.fail_unless(in_query.status in (400, 401), "A token in the query is refused (OAuth 2.1 §5.1)", in_query.status)
