"""oidcc-refresh-token: refresh with prompt=consent and offline_access, by two clients.

[F] `Cache-Control: no-store`, token_type Bearer; the refreshed ID token has the same iss, sub, aud, auth_time and azp, a
newer iat, and no nonce or the same; the other client's refresh token is invalid_grant; its characters are plain.
[W] grant_types_supported agrees with what is issued.
"""

import time

from harness.check import Check
from harness.flow import Flow, Tokens
from harness.rules.authorization_response import shannon

SAME = ("iss", "sub", "aud", "auth_time", "azp", "sid")


def run(t: Check) -> None:
    first, second = Flow(t), Flow(t, t.world.applications["second"])
    refreshed_first = _refresh(t, first)
    refreshed_second = _refresh(t, second)
    if refreshed_first is None or refreshed_second is None:
        t.skip("no refresh token was issued")
        return
    answer = first.application.refresh(str(refreshed_second.refresh))
    first.token_error(answer, "The second client's refresh token, sent by the first", "invalid_grant")


def _refresh(t: Check, flow: Flow) -> Tokens | None:
    offered = "offline_access" in t.world.metadata.get("scopes_supported", [])
    answer = flow.code(scope="openid offline_access" if offered else "openid", prompt="consent" if offered else None)
    if offered:
        t.warn_unless("consent" in answer.shown, "prompt=consent shows the consent page", answer.shown)
    old = flow.exchange(answer)
    announced = "refresh_token" in t.world.metadata.get("grant_types_supported", [])
    t.warn_unless(announced == (old.refresh is not None), "grant_types_supported agrees with what is issued")
    if old.refresh is None:
        return None
    time.sleep(1.1)
    response = flow.application.refresh(old.refresh)
    t.stop_unless(response.status == 200, "A refresh answers 200", f"{response.status} {response.text[:160]}")
    without_nonce = "nonce" not in (_claims(response) or {"nonce": ""})
    new = flow.judged(response, answer, nonce=not without_nonce)
    different = [name for name in SAME if old.claims.get(name) != new.claims.get(name)]
    t.fail_unless(not different, "The refreshed ID token has the same iss, sub, aud, auth_time, azp and sid", different)
    t.fail_unless(new.claims["iat"] > old.claims["iat"], "The refreshed ID token has a newer iat", (old.claims["iat"], new.claims["iat"]))
    t.warn_unless(new.access != old.access, "A refresh gives a new access token")
    t.fail_unless(len(new.refresh or "") * 6 >= 128 and shannon(new.refresh or "x") >= 96, "A refresh token has 128 bits at least")
    flow.userinfo(new)
    return new


def _claims(response: object) -> dict[str, object] | None:
    from harness import jose

    said = response.json_or_empty().get("id_token")  # type: ignore[attr-defined]
    return jose.read(said).claims if isinstance(said, str) else None
