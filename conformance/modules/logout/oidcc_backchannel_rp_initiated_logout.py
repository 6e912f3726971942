"""oidcc-backchannel-rp-initiated-logout: a sign-out tells every application of the session.

[F] POST of a form with logout_token: a JWT with iss, aud, iat, jti, `events` exactly, `sub` and `sid` matching the ID
token, no nonce; the ID token contains `sid`. It may arrive before or after the redirect; then prompt=none fails.
[W] Nothing but logout_token is posted; it arrives within two seconds, signed by the ID token's alg.
The second application of the same session is told as well, with its own audience.
"""

import time

from harness import jose, signing_out
from harness.application import Application, state
from harness.check import Check
from harness.flow import Flow, Tokens
from harness.rules import logout_token


def run(t: Check) -> None:
    flow, tokens = signing_out.start(t)
    t.stop_unless(tokens.claims.get("sid"), "The ID token contains sid")
    other = Flow(t, t.world.applications["second"], browser=flow.browser)
    others = other.sign_in()
    sent, back = state(128), flow.application.post_logout_redirect_uri
    started = time.time()
    landing = signing_out.go(flow, id_token_hint=tokens.id_token, post_logout_redirect_uri=back, state=sent)
    signing_out.came_back(t, flow, landing, sent)
    _told(t, flow.application, tokens, started)
    _told(t, other.application, others, started)
    signing_out.is_signed_out(t, flow)


def _told(t: Check, application: Application, tokens: Tokens, started: float) -> None:
    path = application.registered["backchannel_logout_uri"].removeprefix(t.world.listener.url)
    delivery = t.world.listener.wait_for(lambda d: d.path == path and _sid(d.form()) == tokens.claims["sid"], 10)
    told = f"{application.client_id} gets a logout token for the session"
    t.stop_unless(delivery is not None, told, f"visits: {t.world.listener.visits(path)}")
    assert delivery is not None
    t.warn_unless(delivery.at - started < 2, "The logout token arrives within two seconds", f"{delivery.at - started:.1f} s")
    token = jose.read(dict(delivery.form())["logout_token"])
    received = logout_token.Received(
        delivery, token, t.world.issuer, application.client_id, tokens.claims, t.world.jwks(token.header.get("kid"))
    )
    t.hold_all(logout_token.ALL, received)
    alg = application.registered.get("id_token_alg", "RS256")
    t.warn_unless(token.header.get("alg") == alg, "The logout token is signed by the ID token's alg", token.header)


def _sid(form: list[tuple[str, str]]) -> object:
    try:
        return jose.read(dict(form)["logout_token"]).claims.get("sid")
    except (jose.BadToken, KeyError):
        return None
