"""C11: revocation that does nothing, or asks nobody who they are (CVE-2016-6582, CVE-2018-1000211; RFC 7009).

[F] A public client revokes its refresh token: it is dead, and what came of it too. Another application's token: 200, and no
effect. A confidential application must authenticate. An unknown token is 200.
"""

from harness import wire
from harness.application import Application
from harness.check import Check
from harness.flow import Flow, Tokens


def run(t: Check) -> None:
    for name in ("public", "basic"):
        for hint in (None, "refresh_token", "access_token"):
            flow = Flow(t, t.world.applications[name])
            tokens = flow.sign_in(scope="openid offline_access")
            if tokens.refresh is None:
                t.skip("no refresh token was issued")
            _ok(t, flow.application.revoke(tokens.refresh or "", hint), f"{name} revokes its refresh token, hint {hint}")
            _dead(t, flow, tokens, f"{name}, hint {hint}")
    flow = Flow(t)
    tokens = flow.sign_in(scope="openid offline_access")
    _ok(t, t.application.revoke(tokens.access), "An access token is revoked")
    t.fail_unless(t.application.userinfo(tokens.access).status == 401, "A revoked access token is refused by userinfo")
    t.fail_unless(t.application.introspect(tokens.access).json_or_empty() == {"active": False}, "A revoked access token is inactive")
    _others(t)
    _ok(t, t.application.revoke("mst_rt_unheard-of"), "An unknown token")
    missing = t.application.call("revocation_endpoint", {})
    t.fail_unless(missing.status == 400, "A revocation without a token is 400", missing.status)


def _others(t: Check) -> None:
    flow = Flow(t)
    tokens = flow.sign_in(scope="openid offline_access")
    for name in ("second", "post", "jwt", "public"):
        other: Application = t.world.applications[name]
        for what, token in {"refresh": tokens.refresh or "", "access": tokens.access}.items():
            _ok(t, other.revoke(token), f"{other.client_id} revokes A's {what} token")
    bare = wire.post_form(t.world.endpoint("revocation_endpoint"), {"token": tokens.refresh or ""})
    t.fail_unless(bare.status in (400, 401), "A revocation without a client is refused", bare.status)
    named = wire.post_form(t.world.endpoint("revocation_endpoint"), {"token": tokens.refresh or "", "client_id": t.application.client_id})
    t.fail_unless(named.status in (400, 401), "A confidential application must authenticate to revoke", named.status)
    t.fail_unless(t.application.userinfo(tokens.access).status == 200, "A's access token still works")
    response = t.application.refresh(tokens.refresh or "")
    t.fail_unless(response.status == 200, "A's refresh token still works", response.text[:160])


def _ok(t: Check, response: wire.Response, what: str) -> None:
    t.fail_unless(response.status == 200, f"{what}: 200", f"{response.status} {response.text[:120]}")


def _dead(t: Check, flow: Flow, tokens: Tokens, why: str) -> None:
    flow.token_error(flow.application.refresh(tokens.refresh or ""), f"A revoked refresh token ({why})", "invalid_grant")
    after = flow.application.userinfo(tokens.access)
    t.fail_unless(after.status == 401, f"The access token of a revoked family is refused ({why})", after.status)
