"""idpyoidc as a relying party that takes back-channel logout: an application of its own, at which two people sign in.
Once its input says that one of them lost something, the library must find that one's session in a logout token that it
verifies, and not the other's.

It listens at the origin of REDIRECT_URI and prints a line of JSON when both are signed in. A line on its input then sets
it looking; the facts are the last line.
"""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from idpyoidc.client.oauth2.stand_alone_client import StandAloneClient, backchannel_logout
from plain_browser import PlainBrowser, sign_in
from steps import required, step

PATIENCE = 15


ISSUER, REDIRECT_URI = required("MUSTER_ISSUER"), required("REDIRECT_URI")
SERVICES = {
    name: {"class": f"idpyoidc.client.oidc.{module}"}
    for name, module in {
        "discovery": "provider_info_discovery.ProviderInfoDiscovery",
        "authorization": "authorization.Authorization",
        "access_token": "access_token.AccessToken",
        "userinfo": "userinfo.UserInfo",
    }.items()
}


def relying_party():
    """The library with what an administrator would write into its configuration."""
    config = {
        "issuer": ISSUER,
        "client_id": required("CLIENT_ID"),
        "client_secret": required("CLIENT_SECRET"),
        "client_type": "oidc",
        "redirect_uris": [REDIRECT_URI],
        "response_types_supported": ["code"],
        "scopes_supported": ["openid", "profile", "email"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "add_ons": {
            "pkce": {
                "function": "idpyoidc.client.oauth2.add_on.pkce.add_support",
                "kwargs": {"code_challenge_length": 64, "code_challenge_method": "S256"},
            }
        },
    }
    client = StandAloneClient(
        base_url=REDIRECT_URI.rsplit("/", 1)[0], config=config, services=SERVICES, client_type="oidc"
    )
    client.do_provider_info()
    client.do_client_registration()
    return client


class Application:
    """Who is signed in, by the library's key of a session."""

    def __init__(self, client):
        self.client, self.sessions, self.answers = client, {}, []

    def comes_in(self, username):
        url = self.client.init_authorization(req_args={"scope": ["openid", "profile", "email", "roles"]})
        browser = PlainBrowser([REDIRECT_URI])
        arrival, _ = sign_in(browser, url, username, required("PASSWORD"))
        answer = {name: values[0] for name, values in parse_qs(urlsplit(arrival.url).query).items()}
        self.client.finalize_auth(answer)
        token = self.client.get_access_and_id_token(state=answer["state"])
        id_token = token["id_token"]
        assert id_token["iss"] == ISSUER and id_token["sid"], id_token.to_dict()
        self.client.get_context().cstate.bind_key(id_token["sub"], answer["state"])
        self.sessions[answer["state"]] = id_token["sub"]
        return id_token["sub"]

    def logout(self, body):
        """The status of the answer. A session that is gone already is no fault."""
        try:
            state = backchannel_logout(self.client, request=body)
        except Exception as error:  # whatever the library finds wrong with the token
            print(f"refused: {error!r}", file=sys.stderr)
            return 400
        self.sessions.pop(state, None)
        return 200


def listen(application):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status = application.logout(body) if self.path == "/backchannel-logout" else 404
            self.send_response(status)
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Length", "0")
            self.end_headers()
            application.answers.append(status)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", urlsplit(REDIRECT_URI).port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def waits(application, sub):
    begun = time.monotonic()
    while sub in application.sessions.values():
        assert time.monotonic() - begun < PATIENCE, f"still signed in; the logout tokens were answered {application.answers}"
        time.sleep(0.02)
    return round((time.monotonic() - begun) * 1000)


def main():
    application = Application(step("the library reads discovery", relying_party))
    server = listen(application)
    out = step("who loses something signs in", lambda: application.comes_in(required("USERNAME")))
    stays = step("somebody else signs in", lambda: application.comes_in(required("OTHER_USERNAME")))
    print(json.dumps({"signed_in": [out, stays]}), flush=True)
    sys.stdin.readline()
    after = step("the one is out", lambda: waits(application, out))
    assert stays in application.sessions.values(), "the other is out, too"
    while not application.answers:
        time.sleep(0.02)
    server.shutdown()
    print(json.dumps({"client": "idpyoidc", "signed_out_after_ms": after, "answers": application.answers}))


if __name__ == "__main__":
    main()
