"""oidcc-discovery-endpoint-verification: the discovery document says what it must, truthfully.

[F] HTTP 200 and application/json; the issuer is the URL without its suffix; every member has its type; RS256 is offered;
every endpoint and jwks_uri are https; the JWKS is valid.
[W] No unknown member; userinfo_endpoint, claims_supported and scopes_supported are there; locales are cased.
"""

from harness import wire
from harness.check import Check
from harness.rules import jwks, metadata


def run(t: Check) -> None:
    url = t.world.metadata_url
    response = wire.get(url)
    found = isinstance(response.json_or_empty().get("issuer"), str)
    t.stop_unless(found, "The discovery document is a JSON object with an issuer", response.status)
    published = metadata.Published(response, url, response.json())
    t.hold_all(metadata.CONFIG, published)
    keys = wire.get(published.document["jwks_uri"])
    t.stop_unless(keys.status == 200 and isinstance(keys.json_or_empty().get("keys"), list), "The JWKS answers 200 with keys", keys.status)
    t.hold_all(jwks.ALL, keys.json()["keys"])
    t.fail_unless(published.issuer == t.world.issuer, "The issuer is the one that was configured", published.issuer)
    other = wire.get(published.issuer.rstrip("/") + "/.well-known/oauth-authorization-server")
    t.warn_unless(
        other.status == 200 and other.json_or_empty() == published.document,
        "/.well-known/oauth-authorization-server (RFC 8414) is the same document", other.status,
    )
    for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint"):
        answer = wire.request("OPTIONS", published.document[name])
        t.fail_unless(answer.status < 500 and answer.status != 404, f"{name} exists", answer.status)
