"""B11: introspection that tells of other applications' tokens (CVE-2026-37979, CVE-2026-18208, CVE-2026-58425).

[F] B asks about A's token: exactly `{"active":false}`. Nobody asks without authenticating.
"""

from harness import wire
from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t)
    tokens = flow.sign_in(scope="openid profile offline_access")
    own = t.application.introspect(tokens.access)
    said = own.json_or_empty()
    t.fail_unless(own.status == 200 and said.get("active") is True, "A asks about its own token: active", own.text[:160])
    whose = said.get("sub") == tokens.claims["sub"] and said.get("client_id") == t.application.client_id
    t.fail_unless(whose, "and is told whose it is", said)
    t.fail_unless(own.media_type == "application/json" and "no-store" in (own.header("cache-control") or ""), "in JSON that isn't cached")
    for name in ("second", "post", "jwt", "machine"):
        other = t.world.applications[name]
        for what, token in {"access token": tokens.access, "refresh token": tokens.refresh or "x", "ID token": tokens.id_token}.items():
            answer = other.introspect(token)
            exact = answer.status == 200 and answer.json_or_empty() == {"active": False}
            why = f"{other.client_id} asks about A's {what}: exactly inactive"
            t.fail_unless(exact, why, f"{answer.status} {answer.text[:160]}")
    for junk in ("junk", "a.b.c", tokens.access[:-1], "", " "):
        answer = t.application.introspect(junk)
        fine = answer.json_or_empty() == {"active": False} or (answer.status == 400 and not junk.strip())
        t.fail_unless(fine, f"Introspection of {junk[:10]!r}: exactly inactive", f"{answer.status} {answer.text[:120]}")
    nobody = wire.post_form(t.world.endpoint("introspection_endpoint"), {"token": tokens.access})
    t.fail_unless(nobody.status in (400, 401), "Introspection without authentication is refused", nobody.status)
    public = t.world.applications["public"].introspect(tokens.access)
    t.fail_unless(public.json_or_empty().get("active") is not True, "A public client learns nothing", public.text[:160])
    by_get = wire.get(f"{t.world.endpoint('introspection_endpoint')}?token={tokens.access}")
    t.fail_unless(by_get.status in (400, 401, 404, 405), "Introspection by GET is refused", by_get.status)
