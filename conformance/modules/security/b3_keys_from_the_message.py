"""B3: the key is taken from the message (CVE-2026-9090).

[F] `jwk`, `jku`, `x5u`, `x5c`, and a `kid` with a path or SQL in it: rejected, and the canary host sees no request. The same
for an assertion with a wrong audience, subject, expiry, or none, and for a jti that is used twice (B9).
"""

import base64
import time
from typing import Any

from harness import jose, wire
from harness.application import ASSERTION
from harness.check import Check
from harness.flow import Flow

CANARY = "/canary/keys.json"


def run(t: Check) -> None:
    jwt, attacker = t.world.applications["jwt"], jose.SigningKey.generate("attacker")
    url = t.world.listener.url + CANARY
    headers: dict[str, dict[str, Any]] = {
        "jwk": {"jwk": attacker.jwk()}, "jwk and no kid": {"jwk": attacker.jwk(), "kid": None}, "jku": {"jku": url}, "x5u": {"x5u": url},
        "x5c": {"x5c": [base64.b64encode(b"certificate").decode()]}, "kid with a path": {"kid": "../../../../dev/null"},
        "kid with SQL": {"kid": "' OR '1'='1"}, "kid with a URL": {"kid": url}, "kid of a list": {"kid": ["conformance-1"]},
        "a long kid": {"kid": "k" * 5000}, "the real kid": {"kid": t.world.key.kid},
    }
    for what, header in headers.items():
        _refused(t, jwt.assertion(key=attacker, **header), f"An attacker's key, {what}")
    flow = Flow(t)
    tokens = flow.sign_in()
    real = jose.read(tokens.access)
    for what, header in headers.items():
        answer = t.application.userinfo(attacker.sign(real.claims, typ=real.header.get("typ"), **header))
        t.fail_unless(answer.status in (400, 401, 431), f"An access token signed by an attacker's key, {what}: is refused", answer.status)
    _claims(t)
    t.fail_unless(t.world.listener.visits(CANARY) == 0, "The canary host sees no request", t.world.listener.visits(CANARY))


def _claims(t: Check) -> None:
    jwt, now = t.world.applications["jwt"], int(time.time())
    wrong: dict[str, dict[str, Any]] = {
        "another audience": {"aud": "https://evil.test/token"}, "no audience": {"aud": None},
        "an audience with slashes": {"aud": t.world.issuer + "//"},
        "another subject": {"sub": "conformance-basic"}, "no subject": {"sub": None}, "another issuer": {"iss": "conformance-basic"},
        "no expiry": {"exp": None}, "expired": {"exp": now - 300, "iat": now - 400}, "far too long": {"exp": now + 10 * 365 * 86400},
        "not yet valid": {"nbf": now + 3600}, "issued in the future": {"iat": now + 3600},
        "no jti": {"jti": None}, "exp as a text": {"exp": "soon"},
    }
    for what, claims in wrong.items():
        _refused(t, jwt.assertion(claims=claims), f"An assertion with {what}")
    twice = jwt.assertion()
    first = _send(t, twice)
    t.fail_unless(first.status == 200, "A good assertion works", first.text[:160])
    _refused(t, twice, "The same assertion a second time")
    jti = "shared-" + twice[-12:]
    _refused(t, jose.flip_signature(jwt.assertion(claims={"jti": jti})), "An assertion with a bad signature")
    burned = _send(t, jwt.assertion(claims={"jti": jti}))
    t.fail_unless(burned.status == 200, "A bad signature doesn't use up the jti (B9)", burned.text[:160])


def _send(t: Check, assertion: str) -> wire.Response:
    fields = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": assertion}
    return wire.post_form(t.world.endpoint("token_endpoint"), fields)


def _refused(t: Check, assertion: str, what: str) -> None:
    response = _send(t, assertion)
    fine = response.status in (400, 401) and response.json_or_empty().get("error") == "invalid_client"
    t.fail_unless(fine, f"{what}: is invalid_client", f"{response.status} {response.text[:120]}")
