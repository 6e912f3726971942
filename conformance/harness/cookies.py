"""A cookie jar as browsers have it: host-only, path, Secure, SameSite, and the name prefixes of RFC 6265bis."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit


@dataclass
class Cookie:
    """One cookie of one host."""

    name: str
    value: str
    host: str
    path: str
    secure: bool
    http_only: bool
    same_site: str
    expires: float | None


class Jar:
    """The cookies of one browser."""

    def __init__(self) -> None:
        self.cookies: list[Cookie] = []
        self.refused: list[str] = []

    def take(self, url: str, lines: list[str]) -> None:
        """Keeps what the `Set-Cookie` lines of an answer say."""
        for line in lines:
            cookie = self._read(url, line)
            if cookie is None:
                self.refused.append(line)
                continue
            self.cookies = [c for c in self.cookies if (c.name, c.host, c.path) != (cookie.name, cookie.host, cookie.path)]
            if cookie.expires is None or cookie.expires > time.time():
                self.cookies.append(cookie)

    def give(self, url: str, *, same_site: bool, safe: bool) -> str | None:
        """The `Cookie` header for a top-level navigation: Lax goes along from another site only when the method is safe."""
        parts = urlsplit(url)
        path = parts.path or "/"
        fitting = [
            c for c in self.cookies
            if c.host == (parts.hostname or "")
            and (path == c.path or path.startswith(c.path.rstrip("/") + "/"))
            and (not c.secure or parts.scheme == "https")
            and (c.expires is None or c.expires > time.time())
            and (same_site or c.same_site == "none" or (c.same_site == "lax" and safe))
        ]
        return "; ".join(f"{c.name}={c.value}" for c in fitting) or None

    def value(self, *, containing: str) -> str | None:
        """The value of the first cookie whose name contains a word."""
        return next((c.value for c in self.cookies if containing in c.name), None)

    @staticmethod
    def _read(url: str, line: str) -> Cookie | None:
        parts = urlsplit(url)
        pair, *attributes = [piece.strip() for piece in line.split(";")]
        name, _, value = pair.partition("=")
        said = {key.strip().lower(): word.strip() for key, _, word in (a.partition("=") for a in attributes)}
        secure = "secure" in said
        path = said.get("path") or "/"
        domain = said.get("domain", "").lstrip(".").lower()
        if domain and domain != (parts.hostname or ""):
            return None
        if name.startswith("__Host-") and (not secure or path != "/" or "domain" in said):
            return None
        if (name.startswith("__Secure-") and not secure) or (secure and parts.scheme != "https"):
            return None
        same_site = said.get("samesite", "lax").lower()
        if same_site == "none" and not secure:
            return None
        expires: float | None = None
        if "max-age" in said:
            expires = time.time() + int(said["max-age"])
        elif "expires" in said:
            expires = parsedate_to_datetime(said["expires"]).timestamp()
        return Cookie(name, value, parts.hostname or "", path, secure, "httponly" in said, same_site, expires)
