"""Rules on an ID token, for every module that gets one (OpenID Connect Core §2, §3.1.3.7, §5.1)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from .. import jose
from ..check import Rule, rule
from . import standard_claims

#: What an ID token may say without having been asked for it.
TOLERATED = {
    "iss", "sub", "aud", "exp", "iat", "nbf", "jti", "nonce", "auth_time", "acr", "amr", "azp", "sid", "at_hash", "c_hash",
    "s_hash", "txn", "sub_jwk",
}
#: What the scopes `roles` and `groups` add.
ACCESS = {"org_id", "org_slug", "org_roles", "project_roles", "roles", "acv", "project"}
FIFTY_YEARS = 50 * 365 * 86_400


@dataclass
class Received:
    """An ID token, and what the relying party knows about the request that it answers."""

    token: jose.Token
    issuer: str
    client_id: str
    alg: str
    jwks: dict[str, Any]
    request: dict[str, str]
    access_token: str | None = None
    code: str | None = None
    at: float = field(default_factory=time.time)

    @property
    def claims(self) -> dict[str, Any]:
        """Its claims."""
        return self.token.claims


@rule("F", "ValidateIdTokenSignature", "ValidateIdTokenSignatureUsingKid")
def is_signed_with_a_published_key(got: Received) -> str | None:
    """The ID token is signed with the key of the JWKS that its kid names, by the alg the client registered."""
    if got.token.header.get("alg") != got.alg:
        return f"alg is {got.token.header.get('alg')!r}, registered is {got.alg}"
    try:
        jose.verify(got.token, got.jwks)
    except jose.BadToken as fault:
        return str(fault)
    return None


@rule("F", "ValidateIdToken")
def iss_is_the_issuer(got: Received) -> str | None:
    """`iss` is exactly the issuer."""
    return None if got.claims.get("iss") == got.issuer else f"iss is {got.claims.get('iss')!r}"


@rule("F", "ValidateIdToken")
def aud_has_the_client(got: Received) -> str | None:
    """`aud` is the client id, or contains it."""
    aud = got.claims.get("aud")
    return None if aud == got.client_id or (isinstance(aud, list) and got.client_id in aud) else f"aud is {aud!r}"


@rule("F", "ValidateIdToken")
def azp_is_the_client(got: Received) -> str | None:
    """`azp`, if present, is the client id."""
    return None if got.claims.get("azp", got.client_id) == got.client_id else f"azp is {got.claims['azp']!r}"


@rule("F", "ValidateIdToken")
def exp_is_ahead(got: Received) -> str | None:
    """`exp` is a number, in the future, and less than fifty years away."""
    exp = got.claims.get("exp")
    fits = isinstance(exp, int) and not isinstance(exp, bool) and got.at < exp < got.at + FIFTY_YEARS
    return None if fits else f"exp is {exp!r} at {got.at:.0f}"


@rule("F", "ValidateIdToken")
def iat_is_now(got: Received) -> str | None:
    """`iat` is within five minutes of now."""
    iat = got.claims.get("iat")
    return None if isinstance(iat, int) and abs(got.at - iat) < 300 else f"iat is {iat!r} at {got.at:.0f}"


@rule("F", "ValidateIdToken")
def nbf_is_past(got: Received) -> str | None:
    """`nbf`, if present, has come."""
    nbf = got.claims.get("nbf", 0)
    return None if isinstance(nbf, int) and nbf <= got.at + 60 else f"nbf is {nbf!r}"


@rule("F", "CheckForSubjectInIdToken")
def sub_names_somebody(got: Received) -> str | None:
    """`sub` is a text of 1 to 255 ASCII characters."""
    sub = got.claims.get("sub")
    return None if isinstance(sub, str) and 0 < len(sub) <= 255 and sub.isascii() else f"sub is {sub!r}"


@rule("F", "ValidateIdTokenNonce")
def nonce_is_the_one_sent(got: Received) -> str | None:
    """`nonce` is identical to the one sent, and absent when none was sent."""
    sent, said = got.request.get("nonce"), got.claims.get("nonce")
    return None if said == sent else f"sent {sent!r}, got {said!r}"


@rule("F", "ValidateIdToken")
def acr_is_not_empty(got: Received) -> str | None:
    """`acr`, if present, is a text that isn't empty."""
    acr = got.claims.get("acr", "x")
    return None if isinstance(acr, str) and acr else f"acr is {acr!r}"


@rule("F", "ValidateIdToken")
def auth_time_is_a_past_number(got: Received) -> str | None:
    """`auth_time`, if present, is a number and not in the future."""
    at = got.claims.get("auth_time", 0)
    return None if isinstance(at, int) and not isinstance(at, bool) and at <= got.at + 5 else f"auth_time is {at!r}"


@rule("F", "CheckIdTokenAuthTimeClaimPresentDueToMaxAge")
def auth_time_answers_max_age(got: Received) -> str | None:
    """With `max_age` in the request, `auth_time` is mandatory."""
    return "auth_time is missing" if "max_age" in got.request and "auth_time" not in got.claims else None


@rule("F", "ValidateAtHash")
def at_hash_fits(got: Received) -> str | None:
    """`at_hash`, if present, is the half hash of the access token that came along."""
    said = got.claims.get("at_hash")
    if said is None or got.access_token is None:
        return None
    return None if said == jose.half_hash(got.access_token) else f"at_hash is {said!r}"


@rule("F", "ValidateCHash")
def c_hash_fits(got: Received) -> str | None:
    """`c_hash`, if present, is the half hash of the code."""
    said = got.claims.get("c_hash")
    return None if said is None or got.code is None or said == jose.half_hash(got.code) else f"c_hash is {said!r}"


@rule("F", "ValidateIdTokenStandardClaims", "EnsureIdTokenUpdatedAtValid")
def standard_claims_are_typed(got: Received) -> str | None:
    """Standard claims have their type: no null, no empty text, birthdate's format, `updated_at` a number,
    `address` an object, `*_verified` a boolean."""
    return "; ".join(standard_claims.faults(got.claims)) or None


@rule("W", "EnsureIdTokenDoesNotContainName")
def has_no_name(got: Received) -> str | None:
    """In the code flow profile claims stand in userinfo: the ID token carries no `name`."""
    return "the ID token has a name" if "name" in got.claims else None


@rule("W", "EnsureIdTokenDoesNotContainNonRequestedClaims")
def has_only_what_was_asked_for(got: Received) -> str | None:
    """The ID token carries no claim that wasn't requested."""
    scopes = got.request.get("scope", "").split()
    allowed = TOLERATED | (ACCESS if "roles" in scopes else set()) | ({"groups"} if "groups" in scopes else set())
    extra = sorted(set(got.claims) - allowed)
    return f"not asked for: {extra}" if extra else None


ALL: list[Rule] = [
    is_signed_with_a_published_key, iss_is_the_issuer, aud_has_the_client, azp_is_the_client, exp_is_ahead, iat_is_now,
    nbf_is_past, sub_names_somebody, nonce_is_the_one_sent, acr_is_not_empty, auth_time_is_a_past_number,
    auth_time_answers_max_age, at_hash_fits, c_hash_fits, standard_claims_are_typed, has_no_name, has_only_what_was_asked_for,
]
