"""oidcc-ensure-client-assertion-with-iss-aud-succeeds: `aud` of a client assertion is the issuer.

[W] It is accepted, as the token endpoint's URL is. [F] Otherwise it is invalid_client.
"""

from harness import wire
from harness.application import ASSERTION
from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t, t.world.applications["jwt"])
    answer = flow.code()
    assertion = flow.application.assertion(claims={"aud": t.world.issuer})
    response = wire.post_form(t.world.endpoint("token_endpoint"), {
        "grant_type": "authorization_code", "code": answer.code, "redirect_uri": answer.request["redirect_uri"],
        "client_assertion_type": ASSERTION, "client_assertion": assertion,
    })
    t.warn_unless(response.status == 200, "The issuer is accepted as the assertion's audience", response.text[:160])
    if response.status == 200:
        flow.userinfo(flow.judged(response, answer))
    else:
        flow.token_error(response, "An assertion for the issuer", "invalid_client")
