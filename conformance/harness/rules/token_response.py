"""Rules on the token endpoint's answers (RFC 6749 §5.1, §5.2)."""

from __future__ import annotations

import re

from ..check import Rule, rule
from ..wire import Response

VSCHAR = re.compile(r"[\x20-\x7e]+\Z")
CHARSET = re.compile(r"charset=\"?([^\";\s]+)", re.IGNORECASE)


@rule("F", "CheckTokenEndpointReturnedJsonContentType")
def is_json(response: Response) -> str | None:
    """The token endpoint answers application/json, in UTF-8 if it names a charset."""
    if response.media_type != "application/json":
        return f"content type {response.header('content-type')!r}"
    charset = CHARSET.search(response.header("content-type") or "")
    return None if charset is None or charset[1].lower() == "utf-8" else f"charset {charset[1]!r}"


@rule("F", "CheckTokenEndpointCacheHeaders")
def is_not_cached(response: Response) -> str | None:
    """The token endpoint answers `Cache-Control: no-store`."""
    said = (response.header("cache-control") or "").lower()
    return None if "no-store" in [word.strip() for word in said.split(",")] else f"Cache-Control is {said!r}"


@rule("F", "CheckTokenEndpointHttpStatus200")
def is_200(response: Response) -> str | None:
    """A success is 200."""
    return None if response.status == 200 else f"{response.status} {response.text[:200]}"


@rule("F", "CheckForAccessTokenValue", "EnsureAccessTokenContainsAllowedCharactersOnly")
def has_an_access_token(response: Response) -> str | None:
    """There is an access token, of printable ASCII."""
    said = response.json_or_empty().get("access_token")
    return None if isinstance(said, str) and VSCHAR.match(said) else f"access_token is {said!r}"


@rule("F", "CheckTokenTypeIsBearer")
def is_a_bearer_token(response: Response) -> str | None:
    """token_type is Bearer."""
    said = response.json_or_empty().get("token_type")
    return None if isinstance(said, str) and said.lower() == "bearer" else f"token_type is {said!r}"


@rule("W", "ExtractExpiresInFromTokenEndpointResponse")
def says_when_it_expires(response: Response) -> str | None:
    """expires_in is there."""
    return None if "expires_in" in response.json_or_empty() else "expires_in is missing"


@rule("F", "ValidateExpiresIn")
def expires_in_is_a_number(response: Response) -> str | None:
    """expires_in, if present, is a positive number."""
    said = response.json_or_empty().get("expires_in", 1)
    return None if isinstance(said, int) and not isinstance(said, bool) and said > 0 else f"expires_in is {said!r}"


@rule("F", "EnsureRefreshTokenContainsAllowedCharactersOnly")
def a_refresh_token_is_printable(response: Response) -> str | None:
    """A refresh token has only the characters of RFC 6749, appendix A.17."""
    said = response.json_or_empty().get("refresh_token", "x")
    return None if isinstance(said, str) and VSCHAR.match(said) else f"refresh_token is {said!r}"


@rule("F", "CheckTokenEndpointReturnedJsonContentType")
def an_error_is_400_or_401(response: Response) -> str | None:
    """An error is 400; 401 is allowed for invalid_client."""
    error = response.json_or_empty().get("error")
    allowed = (400, 401) if error == "invalid_client" else (400,)
    return None if response.status in allowed else f"{response.status} with error {error!r}"


@rule("F")
def an_error_has_a_word(response: Response) -> str | None:
    """An error is a JSON object with the text `error`, and no token."""
    said = response.json_or_empty()
    return None if isinstance(said.get("error"), str) and "access_token" not in said else f"{response.text[:200]!r}"


ON_SUCCESS: list[Rule] = [
    is_200, is_json, is_not_cached, has_an_access_token, is_a_bearer_token, says_when_it_expires, expires_in_is_a_number,
    a_refresh_token_is_printable,
]
ON_ERROR: list[Rule] = [an_error_is_400_or_401, is_json, is_not_cached, an_error_has_a_word]
