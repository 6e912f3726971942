"""B1: algorithm confusion (CVE-2026-11800; "nonE", Auth0 2020), and empty HMAC keys (B2).

[F] HS256 keyed with a public key as PEM, DER or JWK, alg none in any spelling, empty or absent, ES256 with an RSA kid:
invalid_client for an assertion, 401 for a bearer token, and no sign-out for a hint.
"""

from typing import Any

from harness import jose, signing_out, wire
from harness.application import ASSERTION
from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    jwt = t.world.applications["jwt"]
    _assertions(t, forgeries(t, jwt.assertion_claims(), t.world.key.jwk(), {}))
    flow = Flow(t)
    tokens = flow.sign_in()
    rsa = next(k for k in t.world.jwks()["keys"] if k["kid"] == tokens.header["kid"])
    access = jose.read(tokens.access)
    keys = {k["kid"]: k for k in t.world.jwks(access.header.get("kid"))["keys"]}
    forged = forgeries(t, access.claims, keys[access.header["kid"]], {"typ": access.header.get("typ", "at+jwt")})
    for what, token in forged.items():
        answer = t.application.userinfo(token)
        t.fail_unless(answer.status == 401, f"A bearer token: {what}: is 401", f"{answer.status} {answer.text[:120]}")
        said = t.application.introspect(token).json_or_empty()
        t.fail_unless(said == {"active": False}, f"Introspection: {what}: is inactive", said)
    t.fail_unless(t.application.userinfo(tokens.access).status == 200, "The real token still works")
    for what, token in forgeries(t, tokens.claims, rsa, {}).items():
        landing = signing_out.go(flow, confirm=False, id_token_hint=token, post_logout_redirect_uri=t.application.post_logout_redirect_uri)
        signing_out.stays_here(t, landing, f"An id_token_hint: {what}")
    signing_out.is_signed_in(t, flow, "After forged hints")


def forgeries(t: Check, claims: dict[str, Any], key: dict[str, Any], header: dict[str, Any]) -> dict[str, str]:
    """The claims, signed in every way that must not be believed."""
    kid = key["kid"]
    rsa = next(k["kid"] for k in t.world.jwks()["keys"] if k["kty"] == "RSA")
    attacker = jose.SigningKey.generate(kid)
    made = jose.confused(claims, key, kid=kid, **header)
    for spelling in ("none", "None", "NONE", "nOnE", "", " none"):
        made[f"alg {spelling!r}"] = jose.unsigned(claims, alg=spelling, kid=kid, **header)
    made["alg absent"] = jose.unsigned(claims, alg=None, kid=kid, **header)
    made["alg a number"] = jose.unsigned(claims, alg=256, kid=kid, **header)
    made["another key under the same kid"] = attacker.sign(claims, **header)
    made["ES256 with the kid of an RSA key"] = attacker.sign(claims, **{**header, "kid": rsa})
    made["an unknown kid"] = attacker.sign(claims, **{**header, "kid": "unheard-of"})
    made["an unknown crit"] = attacker.sign(claims, **{**header, "crit": ["b64"], "b64": False})
    return made


def _assertions(t: Check, forged: dict[str, str]) -> None:
    jwt = t.world.applications["jwt"]
    forged["with another application's secret as HMAC key"] = jose.hs256(jwt.assertion_claims(), t.application.secret.encode())
    forged["one bit of the signature turned"] = jose.flip_signature(jwt.assertion())
    for what, assertion in forged.items():
        fields = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": assertion}
        response = wire.post_form(t.world.endpoint("token_endpoint"), fields)
        said = response.json_or_empty().get("error")
        fine = response.status in (400, 401) and said == "invalid_client"
        t.fail_unless(fine, f"A client assertion: {what}: is invalid_client", f"{response.status} {response.text[:120]}")
    good = jwt.token(grant_type="client_credentials")
    t.fail_unless(good.status == 200, "A good assertion still works", good.text[:160])
