"""Rules on the provider's JWKS."""

from __future__ import annotations

from typing import Any

from .. import jose
from ..check import Rule, rule

Keys = list[dict[str, Any]]


@rule("F", "FetchServerKeys")
def has_keys(keys: Keys) -> str | None:
    """The JWKS has at least one key."""
    return None if keys else "no key"


@rule("F", "CheckForKeyIdInServerJWKs")
def every_key_has_a_kid(keys: Keys) -> str | None:
    """Every JWK has a kid."""
    bare = [k.get("kty") for k in keys if not isinstance(k.get("kid"), str) or not k["kid"]]
    return f"keys without a kid: {bare}" if bare else None


@rule("F", "CheckDistinctKeyIdValueInServerJWKs")
def kids_differ(keys: Keys) -> str | None:
    """No two keys share a kid, so that there is at most one key for a kid and an alg."""
    kids = [k.get("kid") for k in keys]
    return None if len(set(kids)) == len(kids) else f"kids: {kids}"


@rule("F", "EnsureServerJwksDoesNotContainPrivateOrSymmetricKeys")
def no_private_parts(keys: Keys) -> str | None:
    """The JWKS has no private parts and no symmetric (`oct`) key."""
    bad = [k.get("kid") for k in keys if k.get("kty") == "oct" or any(m in k for m in jose.PRIVATE_MEMBERS)]
    return f"keys with secrets: {bad}" if bad else None


@rule("F", "ValidateServerJWKs")
def members_are_base64url(keys: Keys) -> str | None:
    """Every binary member of a key is valid base64url without padding."""
    for key in keys:
        for member in ("n", "e", "x", "y"):
            if member in key:
                try:
                    jose.unb64(str(key[member]))
                except jose.BadToken as fault:
                    return f"{member} of {key.get('kid')}: {fault}"
    return None


@rule("W", "CheckServerKeysIsValid")
def every_key_is_usable(keys: Keys) -> str | None:
    """Every key can be read and used (RSA, P-256 or Ed25519)."""
    for key in keys:
        try:
            jose.public_key(key)
        except jose.BadToken as fault:
            return f"{key.get('kid')}: {fault}"
    return None


@rule("F", "CheckServerKeysIsValid")
def rsa_keys_are_long_enough(keys: Keys) -> str | None:
    """An RSA key has 2048 bits at least (RFC 7518 §3.3)."""
    for key in keys:
        if key.get("kty") == "RSA" and len(jose.unb64(str(key.get("n", "")))) < 256:
            return f"{key.get('kid')} is shorter"
    return None


@rule("W", "ValidateServerJWKs")
def keys_say_what_they_are_for(keys: Keys) -> str | None:
    """A key says `use` "sig" and the one `alg` it signs with."""
    bad = [k.get("kid") for k in keys if k.get("use") != "sig" or not k.get("alg")]
    return f"keys that don't say: {bad}" if bad else None


ALL: list[Rule] = [
    has_keys, every_key_has_a_kid, kids_differ, no_private_parts, members_are_base64url, every_key_is_usable,
    rsa_keys_are_long_enough, keys_say_what_they_are_for,
]
