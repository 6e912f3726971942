"""Rules on the userinfo endpoint's answer (OpenID Connect Core §5.3)."""

from __future__ import annotations

from typing import Any

from ..check import Rule, rule
from ..wire import Response
from . import standard_claims


@rule("F", "EnsureHttpStatusCodeIs200")
def is_200(response: Response, sub: str) -> str | None:
    """Userinfo answers 200."""
    return None if response.status == 200 else f"{response.status} {response.text[:160]}"


@rule("F", "EnsureUserInfoContentTypeIsJson")
def is_json(response: Response, sub: str) -> str | None:
    """Userinfo answers application/json."""
    return None if response.media_type == "application/json" else f"content type {response.header('content-type')!r}"


@rule("F", "EnsureUserInfoContainsSub", "VerifyUserInfoAndIdTokenSameSub")
def sub_is_the_id_tokens(response: Response, sub: str) -> str | None:
    """Userinfo's `sub` is the ID token's."""
    said = response.json_or_empty().get("sub")
    return None if said == sub else f"sub is {said!r}, the ID token's is {sub!r}"


@rule("F", "ValidateUserInfoStandardClaims", "EnsureUserInfoUpdatedAtValid", "EnsureUserInfoBirthDateValid")
def standard_claims_are_typed(response: Response, sub: str) -> str | None:
    """Standard claims have their type: no null, no empty text, birthdate's format, `updated_at` a number,
    `address` an object, `*_verified` a boolean."""
    return "; ".join(standard_claims.faults(response.json_or_empty())) or None


@rule("F")
def has_no_nonce(response: Response, sub: str) -> str | None:
    """Userinfo has no nonce in it."""
    return "there is a nonce" if "nonce" in response.json_or_empty() else None


ALL: list[Rule] = [is_200, is_json, sub_is_the_id_tokens, standard_claims_are_typed, has_no_nonce]


@rule("W", "VerifyScopesReturnedInUserInfoClaims")
def has_every_claim(said: dict[str, Any], wanted: list[str]) -> str | None:
    """Every claim of a scope that was granted stands in userinfo."""
    missing = [name for name in wanted if name not in said]
    return f"missing: {missing}" if missing else None


@rule("F", "EnsureUserInfoDoesNotContainNonRequestedClaims")
def has_no_other_claim(said: dict[str, Any], wanted: list[str]) -> str | None:
    """No claim of a scope that wasn't asked for stands in userinfo (`email` doesn't leak the name)."""
    extra = [name for name in said if name in standard_claims.ALL and name not in wanted]
    return f"leaked: {extra}" if extra else None
