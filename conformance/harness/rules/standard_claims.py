"""The standard claims of OpenID Connect Core §5.1: their types, and which scope brings which."""

from __future__ import annotations

import re
from typing import Any

SCOPES: dict[str, tuple[str, ...]] = {
    "profile": (
        "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website",
        "gender", "birthdate", "zoneinfo", "locale", "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}
BOOLEANS = ("email_verified", "phone_number_verified")
ADDRESS = ("formatted", "street_address", "locality", "region", "postal_code", "country")
BIRTHDATE = re.compile(r"(?:\d{4}|0000-\d{2}-\d{2}|\d{4}-\d{2}-\d{2})\Z")
ALL = tuple(name for names in SCOPES.values() for name in names)


def of(scopes: str) -> list[str]:
    """The claims that scopes ask for."""
    return [claim for scope in scopes.split() for claim in SCOPES.get(scope, ())]


def faults(claims: dict[str, Any]) -> list[str]:
    """What is wrong with the standard claims among these: null, empty, or of the wrong type."""
    wrong: list[str] = []
    for name, value in claims.items():
        if value is None:
            wrong.append(f"{name} is null")
        elif value == "":
            wrong.append(f"{name} is an empty string")
        elif name in BOOLEANS and not isinstance(value, bool):
            wrong.append(f"{name} isn't a boolean")
        elif name == "updated_at" and (isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 4_102_444_800):
            wrong.append(f"updated_at isn't a number of seconds: {value!r}")
        elif name == "address":
            wrong.extend(_address(value))
        elif name == "birthdate" and not (isinstance(value, str) and BIRTHDATE.match(value)):
            wrong.append(f"birthdate isn't YYYY-MM-DD or YYYY: {value!r}")
        elif name in ALL and name not in (*BOOLEANS, "updated_at", "address") and not isinstance(value, str):
            wrong.append(f"{name} isn't a string")
    return wrong


def _address(value: object) -> list[str]:
    if not isinstance(value, dict):
        return ["address isn't an object"]
    return [f"address.{k} isn't a text" for k, v in value.items() if k in ADDRESS and not (isinstance(v, str) and v)]
