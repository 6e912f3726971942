"""A relying party: how one application of the world asks, authenticates, exchanges, refreshes and signs out."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode

from . import jose, wire
from .wire import Response

if TYPE_CHECKING:
    from .world import World

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: Characters that a state may have (RFC 6749, appendix A.5) and that a careless page or redirect would spoil.
ODD = "<b>\"x'&amp;=%20+#;?/\\ {}|^`~!*()@,$:[]-._"


def state(length: int = 64) -> str:
    """A state with odd characters; it must come back to the byte."""
    return (secrets.token_urlsafe(length) + ODD)[-length:]


def verifier() -> str:
    """A PKCE verifier of 43 characters."""
    return secrets.token_urlsafe(32)


def challenge(text: str) -> str:
    """The S256 challenge of a verifier."""
    return jose.b64(hashlib.sha256(text.encode()).digest())


def basic(client_id: str, secret: str) -> tuple[str, str]:
    """An `Authorization: Basic` header, both parts form-encoded as RFC 6749 §2.3.1 says."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Authorization", "Basic " + base64.b64encode(pair.encode()).decode()


@dataclass
class Application:
    """One registered application, and the secret it holds."""

    world: "World"
    registered: dict[str, Any]
    secret: str

    @property
    def client_id(self) -> str:
        """Its client id."""
        return str(self.registered["client_id"])

    @property
    def auth_method(self) -> str:
        """How it authenticates at the token endpoint."""
        return str(self.registered["auth_method"])

    @property
    def redirect_uri(self) -> str:
        """The first registered redirect URI, or an empty text."""
        return str(next(iter(self.registered["redirect_uris"]), ""))

    @property
    def post_logout_redirect_uri(self) -> str:
        """The first registered post-logout redirect URI."""
        return str(self.registered["post_logout_redirect_uris"][0])

    @property
    def needs_pkce(self) -> bool:
        """Whether it must send a code challenge."""
        return self.auth_method == "none" or bool(self.registered.get("require_pkce", True))

    def request(self, **params: str | None) -> dict[str, str]:
        """The parameters of an authorization request; None leaves one out."""
        said: dict[str, str | None] = {
            "client_id": self.client_id, "response_type": "code", "redirect_uri": self.redirect_uri, "scope": "openid",
            "state": state(), "nonce": secrets.token_urlsafe(16), **params,
        }
        return {name: value for name, value in said.items() if value is not None}

    def authorize_url(self, request: dict[str, str] | list[tuple[str, str]]) -> str:
        """The URL that asks for it."""
        endpoint = self.world.endpoint("authorization_endpoint")
        return endpoint + ("&" if "?" in endpoint else "?") + urlencode(request)

    def assertion(self, *, key: jose.SigningKey | None = None, claims: dict[str, Any] | None = None, **header: Any) -> str:
        """A client assertion; claims may be replaced, or left out by giving None."""
        return (key or self.world.key).sign(self.assertion_claims(**(claims or {})), **header)

    def assertion_claims(self, **claims: Any) -> dict[str, Any]:
        """What a client assertion says."""
        now = int(time.time())
        said = {
            "iss": self.client_id, "sub": self.client_id, "aud": self.world.endpoint("token_endpoint"),
            "jti": secrets.token_urlsafe(16), "iat": now, "exp": now + 60, **claims,
        }
        return {k: v for k, v in said.items() if v is not None}

    def credentials(self) -> tuple[list[tuple[str, str]], dict[str, str]]:
        """Headers and form fields that authenticate the application as registered."""
        if self.auth_method == "client_secret_basic":
            return [basic(self.client_id, self.secret)], {}
        if self.auth_method == "client_secret_post":
            return [], {"client_id": self.client_id, "client_secret": self.secret}
        if self.auth_method == "private_key_jwt":
            return [], {"client_assertion_type": ASSERTION, "client_assertion": self.assertion()}
        return [], {"client_id": self.client_id}

    def call(self, endpoint: str, fields: dict[str, str]) -> Response:
        """A POST to one of the provider's endpoints, authenticated."""
        headers, credentials = self.credentials()
        return wire.post_form(self.world.endpoint(endpoint), {**fields, **credentials}, headers)

    def token(self, **fields: str | None) -> Response:
        """A token request."""
        return self.call("token_endpoint", {name: value for name, value in fields.items() if value is not None})

    def exchange(self, code: str, code_verifier: str | None = None, redirect_uri: str | None = None) -> Response:
        """Code for tokens."""
        return self.token(
            grant_type="authorization_code", code=code, redirect_uri=redirect_uri or self.redirect_uri, code_verifier=code_verifier
        )

    def refresh(self, refresh_token: str, scope: str | None = None) -> Response:
        """Refresh token for tokens."""
        return self.token(grant_type="refresh_token", refresh_token=refresh_token, scope=scope)

    def introspect(self, token: str) -> Response:
        """What the provider says of a token."""
        return self.call("introspection_endpoint", {"token": token})

    def revoke(self, token: str, hint: str | None = None) -> Response:
        """Asks for a token to die."""
        return self.call("revocation_endpoint", {"token": token, **({"token_type_hint": hint} if hint else {})})

    def userinfo(self, access_token: str, how: str = "get") -> Response:
        """Asks userinfo with a bearer token: `get`, `post-header` or `post-body`."""
        url, bearer = self.world.endpoint("userinfo_endpoint"), [("Authorization", f"Bearer {access_token}")]
        if how == "get":
            return wire.get(url, bearer)
        if how == "post-header":
            return wire.post_form(url, b"", bearer)
        return wire.post_form(url, {"access_token": access_token})

    def end_session_url(self, **params: str | None) -> str:
        """The URL that asks for a sign-out."""
        query = urlencode({name: value for name, value in params.items() if value is not None})
        return self.world.endpoint("end_session_endpoint") + (f"?{query}" if query else "")
