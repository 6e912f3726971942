"""A9: one artefact fed where another is wanted (CVE-2026-4282: a single-use store without kinds).

[F] Refresh token, access token, ID token, session cookie, client secret and set-up link as a code; the code as a refresh
token, a bearer token, a hint and a set-up link: all are rejected, and none makes the server stumble.
"""

import re

from harness import signing_out, wire
from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t)
    tokens = flow.sign_in(scope="openid offline_access")
    spare = flow.code()
    cookies = {f"the cookie {c.name}": c.value for c in flow.browser.jar.cookies}
    kinds = {
        "the access token": tokens.access, "the ID token": tokens.id_token, "the refresh token": tokens.refresh or "mst_rt_",
        "the client secret": t.application.secret, "sub": str(tokens.claims["sub"]), "sid": str(tokens.claims.get("sid", "x")), **cookies,
    }
    link = _set_up_token(t)
    if link:
        kinds["the set-up link"] = link
    for what, value in kinds.items():
        flow.token_error(t.application.exchange(value), f"{what} as a code", "invalid_grant", "invalid_request")
        if what != "the refresh token":
            flow.token_error(t.application.refresh(value), f"{what} as a refresh token", "invalid_grant", "invalid_request")
        if what != "the access token":
            answer = t.application.userinfo(value)
            t.fail_unless(answer.status in (400, 401), f"{what} as a bearer token is refused", answer.status)
    flow.token_error(t.application.refresh(spare.code), "A code as a refresh token", "invalid_grant")
    for what, value in {**kinds, "a code": spare.code}.items():
        if value == link:
            continue
        page = wire.get(f"{t.world.issuer.rstrip('/')}/setup/{value[:200]}")
        t.fail_unless(400 <= page.status < 500, f"{what} as a set-up link is refused", page.status)
    for what in ("the access token", "the refresh token", "the client secret"):
        landing = signing_out.go(
            flow, confirm=False, id_token_hint=kinds[what], post_logout_redirect_uri=t.application.post_logout_redirect_uri
        )
        signing_out.stays_here(t, landing, f"{what} as id_token_hint")
    flow.exchange(spare)


def _set_up_token(t: Check) -> str | None:
    """The token of the first operator's link, which the server prints at its start."""
    printed = t.world.folder / "serve.out"
    found = re.search(r"/setup/(\S+)", printed.read_text()) if printed.exists() else None
    return found[1] if found else None
