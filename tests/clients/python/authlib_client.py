"""An unmodified Authlib against a running Muster: discovery, the code flow with PKCE through the real pages, verified
ID and access tokens, roles, userinfo, refresh, introspection, client credentials, revocation, log-out.

It authenticates with client_secret_post, or with private_key_jwt when PRIVATE_KEY_FILE is set. `--new-key FILE` makes
such a key instead and prints the JWK set to register. tests/clients/README.md lists the settings and the facts.
"""

import json
import os
import sys
from urllib.parse import parse_qs, urlsplit

from authlib.integrations.base_client import OAuthError
from authlib.integrations.base_client.sync_app import BaseApp, OAuth2Mixin
from authlib.integrations.base_client.sync_openid import OpenIDMixin
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc.jwk import ECKey, KeySet
from plain_browser import Arrival, PlainBrowser, sign_in
from steps import required, step

SCOPE = os.environ.get("SCOPE") or "openid profile email roles offline_access"


class Application(OAuth2Mixin, OpenIDMixin, BaseApp):
    """Authlib's own application without a web framework around it."""

    client_cls = OAuth2Session


class ResourceServer(JWTBearerTokenValidator):
    """Authlib's own check of a JWT access token (RFC 9068 §4)."""

    def __init__(self, issuer, audience, jwks):
        super().__init__(issuer, audience)
        self.jwks = jwks

    def get_jwks(self):
        return KeySet.import_key_set(self.jwks)

    def claims(self, access_token, scopes=()):
        token = self.authenticate_token(access_token)
        self.validate_token(token, list(scopes), None)
        return token


def new_key(path):
    """Writes a private P-256 key to `path` and answers the JWK set that an application registers."""
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"})
    key.ensure_kid()
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(key.as_dict(private=True), file)
    return {"keys": [key.as_dict(private=False)]}


def credentials():
    """The secret, how Authlib is told to use it, and its plug-ins for that."""
    key_file = os.environ.get("PRIVATE_KEY_FILE")
    if not key_file:
        return required("CLIENT_SECRET"), "client_secret_post", []
    with open(key_file, encoding="utf-8") as file:
        return ECKey.import_key(json.load(file)), "private_key_jwt", [PrivateKeyJWT(alg="ES256")]


def application(issuer):
    """Authlib as a web application uses it: the code flow and the ID token."""
    secret, method, plug_ins = credentials()
    return Application(
        None,
        client_id=required("CLIENT_ID"),
        client_secret=secret,
        client_kwargs={
            "scope": SCOPE,
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": method,
            "default_timeout": 20,
        },
        client_auth_methods=plug_ins,
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
    )


def session(metadata, **settings):
    """Authlib as a script uses it: everything after the sign-in."""
    secret, method, plug_ins = credentials()
    made = OAuth2Session(
        required("CLIENT_ID"),
        secret,
        token_endpoint=metadata["token_endpoint"],
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        default_timeout=20,
        **settings,
    )
    for plug_in in plug_ins:
        made.register_client_auth_method(plug_in)
    return made


def has_expected_roles(claims, where):
    if "roles" not in SCOPE.split():
        assert "org_roles" not in claims, f"{where} names roles that nobody asked for"
        return
    org_roles, projects = os.environ.get("EXPECT_ORG_ROLES"), os.environ.get("EXPECT_PROJECT_ROLES")
    assert claims["org_id"].startswith("org_"), f"{where} names no organisation"
    if org_roles:
        assert sorted(claims["org_roles"]) == sorted(json.loads(org_roles)), f"{where}: {claims['org_roles']}"
    if projects:
        given = {key: sorted(roles) for key, roles in claims["project_roles"].items()}
        assert given == {key: sorted(roles) for key, roles in json.loads(projects).items()}, f"{where}: {given}"


def refused(code, call):
    try:
        call()
    except OAuthError as error:
        assert error.error == code, f"refused with {error}, not {code}"
        return
    raise AssertionError(f"answered, but must be refused with {code}")


class Story:
    """One sign-in from discovery to log-out; each method is a step that holds or raises."""

    def __init__(self):
        self.issuer = required("MUSTER_ISSUER")
        if self.issuer.startswith("http:"):
            os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
        self.redirect_uri = required("REDIRECT_URI")
        self.after_log_out = os.environ.get("POST_LOGOUT_REDIRECT_URI")
        self.browser = PlainBrowser([uri for uri in (self.redirect_uri, self.after_log_out) if uri])
        self.app = application(self.issuer)

    def discovers(self):
        self.metadata = self.app.load_server_metadata()
        OpenIDProviderMetadata(self.metadata).validate()
        assert self.metadata["issuer"] == self.issuer
        audience = os.environ.get("EXPECT_AUDIENCE") or self.issuer
        self.resource = ResourceServer(self.issuer, audience, self.app.fetch_jwk_set())
        self.client = session(self.metadata, scope=SCOPE)

    def authorizes(self, **parameters):
        """One authorization request through the pages; answers the parameters of the response and the request's data."""
        organization = os.environ.get("ORGANIZATION")
        if organization:
            parameters["organization"] = organization
        asked = self.app.create_authorization_url(self.redirect_uri, **parameters)
        person = (required("USERNAME"), required("PASSWORD"), organization)
        arrival, self.pages = sign_in(self.browser, asked["url"], *person)
        answer = {name: values[0] for name, values in parse_qs(urlsplit(arrival.url).query).items()}
        assert answer["state"] == asked["state"] and answer["iss"] == self.issuer, answer
        return answer, asked

    def signs_in(self):
        answer, asked = self.authorizes()
        assert "login-submit" in self.pages, self.pages
        self.exchange = {"code": answer["code"], "code_verifier": asked["code_verifier"]}
        self.token = self.app.fetch_access_token(self.redirect_uri, **self.exchange)
        self.id_token = self.app.parse_id_token(self.token, nonce=asked["nonce"])
        if (os.environ.get("EXPECT_ID_TOKEN_ROLES") or "true") == "true":
            has_expected_roles(self.id_token, "the ID token")
        assert "email" not in self.id_token, "profile claims belong in userinfo"

    def is_let_in_by_a_resource_server(self):
        self.access = self.resource.claims(self.token["access_token"], scopes=["openid"])
        assert self.access["sub"] == self.id_token["sub"]
        has_expected_roles(self.access, "the access token")

    def reads_userinfo(self):
        self.userinfo = self.app.userinfo(token=self.token)
        assert self.userinfo["sub"] == self.id_token["sub"]
        has_expected_roles(self.userinfo, "userinfo")

    def introspects(self, token, active):
        answer = self.client.introspect_token(self.metadata["introspection_endpoint"], token=token)
        assert answer.status_code == 200 and answer.json()["active"] is active, answer.text

    def refreshes(self):
        before = self.token["refresh_token"]
        self.token = self.client.refresh_token(refresh_token=before)
        assert self.token["refresh_token"] != before, "the refresh token was not rotated"
        has_expected_roles(self.resource.claims(self.token["access_token"]), "the refreshed access token")
        self.introspects(self.token["access_token"], True)

    def cannot_use_the_code_again(self):
        refused("invalid_grant", lambda: self.app.fetch_access_token(self.redirect_uri, **self.exchange))
        self.introspects(self.token["access_token"], False)
        refused("invalid_grant", lambda: self.client.refresh_token(refresh_token=self.token["refresh_token"]))

    def signs_in_silently(self):
        answer, asked = self.authorizes(prompt="none")
        assert self.pages == [], self.pages
        self.token = self.app.fetch_access_token(self.redirect_uri, code=answer["code"], code_verifier=asked["code_verifier"])
        again = self.app.parse_id_token(self.token, nonce=asked["nonce"])
        assert (again["sub"], again["auth_time"]) == (self.id_token["sub"], self.id_token["auth_time"])

    def gets_a_token_of_its_own(self):
        token = session(self.metadata).fetch_token(grant_type="client_credentials")
        claims = self.resource.claims(token["access_token"])
        assert claims["sub"] == required("CLIENT_ID") and "org_roles" not in claims, claims

    def revokes(self):
        answer = self.client.revoke_token(
            self.metadata["revocation_endpoint"], token=self.token["refresh_token"], token_type_hint="refresh_token"
        )
        assert answer.status_code == 200, answer.text
        refused("invalid_grant", lambda: self.client.refresh_token(refresh_token=self.token["refresh_token"]))
        self.introspects(self.token["access_token"], False)

    def logs_out(self):
        asked = self.app.create_logout_url(self.after_log_out, id_token_hint=self.token["id_token"])
        page = self.browser.open(asked["url"])
        if not isinstance(page, Arrival) and page.form_with("logout-confirm"):
            page = self.browser.press(page, "logout-confirm")
        if self.after_log_out:
            assert isinstance(page, Arrival) and page.url.startswith(self.after_log_out), f"log-out ended on {page}"
            assert parse_qs(urlsplit(page.url).query) == {"state": [asked["state"]]}, page.url
        else:
            assert "You have been signed out" in page.text, page
        answer, _ = self.authorizes(prompt="none")
        assert answer.get("error") == "login_required", answer


def main():
    if sys.argv[1:2] == ["--new-key"]:
        print(json.dumps(new_key(sys.argv[2])))
        return
    story = Story()
    step("discovers the issuer", story.discovers)
    step("signs in through the pages", story.signs_in)
    pages = story.pages
    step("is let in by a resource server", story.is_let_in_by_a_resource_server)
    step("reads userinfo", story.reads_userinfo)
    step("introspects its token", lambda: story.introspects(story.token["access_token"], True))
    step("refreshes", story.refreshes)
    step("cannot use the code again", story.cannot_use_the_code_again)
    step("signs in silently", story.signs_in_silently)
    step("gets a token of its own", story.gets_a_token_of_its_own)
    step("revokes its tokens", story.revokes)
    step("logs out", story.logs_out)
    named = ("sub", "org_id", "org_slug", "org_roles", "project_roles", "acv")
    facts = {"client": "Authlib", "auth_method": story.client.token_endpoint_auth_method, "pages": pages}
    facts |= {name: story.access.get(name) for name in named}
    print(json.dumps(facts | {"access_token_alg": story.access.header["alg"], "userinfo": story.userinfo}))


if __name__ == "__main__":
    main()
