"""B17: one kind of token where another is wanted (ASVS 9.2.2).

[F] ID token as access token, access token as id_token_hint or client assertion, logout token as hint, refresh token as
bearer: 401 or refused. The types at+jwt and logout+jwt stand in the headers.
"""

from harness import jose, signing_out, wire
from harness.application import ASSERTION
from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t)
    tokens = flow.sign_in(scope="openid offline_access")
    typ = str(jose.read(tokens.access).header.get("typ", "")).lower().removeprefix("application/")
    t.fail_unless(typ == "at+jwt", "The access token's typ is at+jwt (RFC 9068 §2.1)", typ)
    t.fail_unless(str(tokens.header.get("typ", "JWT")).upper() == "JWT", "The ID token's typ is JWT, or absent", tokens.header)
    logout_token = _logout_token(t, flow)
    for what, token in {"ID token": tokens.id_token, "refresh token": tokens.refresh or "x", "logout token": logout_token}.items():
        answer = t.application.userinfo(token)
        t.fail_unless(answer.status in (400, 401), f"The {what} as a bearer token is refused", answer.status)
        challenge = answer.header("www-authenticate") or ""
        t.fail_unless(challenge.lower().startswith("bearer"), "A 401 says WWW-Authenticate: Bearer", challenge)
        said = t.application.introspect(token).json_or_empty()
        inactive = said == {"active": False} or (what == "refresh token" and said.get("active") is True)
        t.fail_unless(inactive, f"The {what} isn't an active access token", said)
    back = t.application.post_logout_redirect_uri
    for what, token in {"access token": tokens.access, "logout token": logout_token}.items():
        landing = signing_out.go(flow, confirm=False, id_token_hint=token, post_logout_redirect_uri=back)
        signing_out.stays_here(t, landing, f"The {what} as id_token_hint")
    for what, token in {"access token": tokens.access, "ID token": tokens.id_token, "logout token": logout_token}.items():
        fields = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": token}
        response = wire.post_form(t.world.endpoint("token_endpoint"), fields)
        refused = response.status in (400, 401) and response.json_or_empty().get("error") == "invalid_client"
        t.fail_unless(refused, f"The {what} as a client assertion is invalid_client", f"{response.status} {response.text[:120]}")
    signing_out.is_signed_in(t, flow, "After tokens of the wrong kind as hints")


def _logout_token(t: Check, flow: Flow) -> str:
    """A real logout token, of another session of the same person's."""
    other = Flow(t)
    sid = other.sign_in().claims.get("sid")
    signing_out.go(other)
    path = t.application.registered["backchannel_logout_uri"].removeprefix(t.world.listener.url)
    told = t.world.listener.wait_for(lambda d: d.path == path and jose.read(dict(d.form())["logout_token"]).claims.get("sid") == sid, 10)
    t.stop_unless(told is not None, "A sign-out brings a logout token")
    assert told is not None
    return dict(told.form())["logout_token"]
