"""Rules on a back-channel logout request and its token (OpenID Connect Back-Channel Logout 1.0 §2.4, §2.5)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from .. import jose
from ..check import Rule, rule
from ..listener import Delivery
from ..wire import FORM

EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass
class Received:
    """A logout request, and the ID token of the session that it ends."""

    delivery: Delivery
    token: jose.Token
    issuer: str
    client_id: str
    id_token: dict[str, Any]
    jwks: dict[str, Any]

    @property
    def claims(self) -> dict[str, Any]:
        """What the logout token says."""
        return self.token.claims


@rule("F", "CheckForBackchannelLogoutRequest")
def is_a_form_post(got: Received) -> str | None:
    """The logout token comes by POST, form-encoded."""
    kind = (got.delivery.header("content-type") or "").split(";")[0]
    return None if got.delivery.method == "POST" and kind == FORM else f"{got.delivery.method} {kind!r}"


@rule("W", "CheckForUnexpectedParametersInBackchannelLogoutRequest")
def has_only_the_token(got: Received) -> str | None:
    """The form has only logout_token."""
    names = [name for name, _ in got.delivery.form()]
    return None if names == ["logout_token"] else f"parameters: {names}"


@rule("F", "ValidateLogoutTokenSignature")
def is_signed(got: Received) -> str | None:
    """The logout token is signed with a published key, by the ID token's alg."""
    try:
        jose.verify(got.token, got.jwks)
    except jose.BadToken as fault:
        return str(fault)
    return None


@rule("W")
def says_its_type(got: Received) -> str | None:
    """The logout token's `typ` is logout+jwt."""
    said = str(got.token.header.get("typ", "")).lower().removeprefix("application/")
    return None if said == "logout+jwt" else f"typ is {got.token.header.get('typ')!r}"


@rule("F", "ValidateLogoutTokenClaims")
def iss_is_the_issuer(got: Received) -> str | None:
    """`iss` is the issuer."""
    return None if got.claims.get("iss") == got.issuer else f"iss is {got.claims.get('iss')!r}"


@rule("F", "ValidateLogoutTokenClaims")
def aud_has_the_client(got: Received) -> str | None:
    """`aud` is the client id, or contains it."""
    aud = got.claims.get("aud")
    return None if aud == got.client_id or (isinstance(aud, list) and got.client_id in aud) else f"aud is {aud!r}"


@rule("F", "ValidateLogoutTokenClaims")
def iat_is_now(got: Received) -> str | None:
    """`iat` is there, and not in the future by more than five minutes."""
    iat = got.claims.get("iat")
    return None if isinstance(iat, int) and abs(iat - got.delivery.at) < 300 else f"iat is {iat!r}"


@rule("W")
def exp_is_short(got: Received) -> str | None:
    """`exp` is there, in the future and at most two minutes away."""
    exp = got.claims.get("exp")
    return None if isinstance(exp, int) and time.time() - 60 < exp <= got.delivery.at + 125 else f"exp is {exp!r}"


@rule("F", "ValidateLogoutTokenClaims")
def has_a_jti(got: Received) -> str | None:
    """`jti` is there."""
    return None if isinstance(got.claims.get("jti"), str) and got.claims["jti"] else "no jti"


@rule("F", "ValidateLogoutTokenClaims")
def events_is_exactly_this(got: Received) -> str | None:
    """`events` is exactly `{"http://schemas.openid.net/event/backchannel-logout":{}}`."""
    return None if got.claims.get("events") == {EVENT: {}} else f"events is {got.claims.get('events')!r}"


@rule("F", "CheckLogoutTokenHasSubOrSid")
def names_user_or_session(got: Received) -> str | None:
    """`sub` or `sid` is there."""
    return None if "sub" in got.claims or "sid" in got.claims else "neither sub nor sid"


@rule("F", "CheckIdTokenSubMatchesLogoutToken")
def sub_is_the_id_tokens(got: Received) -> str | None:
    """`sub`, if present, is the ID token's."""
    return None if got.claims.get("sub", got.id_token["sub"]) == got.id_token["sub"] else f"sub is {got.claims['sub']!r}"


@rule("F", "CheckIdTokenSidMatchesLogoutToken")
def sid_is_the_id_tokens(got: Received) -> str | None:
    """`sid` is the ID token's, when the client registered that it needs one."""
    said = got.claims.get("sid")
    return None if said == got.id_token.get("sid") else f"sid is {said!r}, the ID token's is {got.id_token.get('sid')!r}"


@rule("F", "CheckLogoutTokenNoNonce")
def has_no_nonce(got: Received) -> str | None:
    """A logout token has no nonce."""
    return "there is a nonce" if "nonce" in got.claims else None


ALL: list[Rule] = [
    is_a_form_post, has_only_the_token, is_signed, says_its_type, iss_is_the_issuer, aud_has_the_client, iat_is_now, exp_is_short,
    has_a_jti, events_is_exactly_this, names_user_or_session, sub_is_the_id_tokens, sid_is_the_id_tokens, has_no_nonce,
]
