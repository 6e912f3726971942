"""HTTP/1.1 as bytes: one request, one answer, no redirects followed, nothing added that the caller didn't ask for."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from dataclasses import dataclass
from typing import Any, Iterable
from urllib.parse import urlencode, urlsplit

FORM = "application/x-www-form-urlencoded"

#: What a run with TLS trusts; set once by the world.
trust: ssl.SSLContext | None = None


class WireError(Exception):
    """No answer, or one that can't be read as what it says it is."""


@dataclass(frozen=True)
class Response:
    """An answer as it came."""

    method: str
    url: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    seconds: float

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next(iter(self.all(name)), None)

    @property
    def media_type(self) -> str:
        """The media type, without its parameters, in small letters."""
        return (self.header("content-type") or "").split(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", errors="replace")

    def json(self) -> Any:
        """The body as JSON; a duplicate member is a fault."""

        def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            if len({key for key, _ in pairs}) != len(pairs):
                raise WireError(f"{self.url} answers JSON with a member that stands twice")
            return dict(pairs)

        try:
            return json.loads(self.body.decode("utf-8"), object_pairs_hook=once)
        except ValueError as fault:
            raise WireError(f"{self.method} {self.url} answered {self.status}, not JSON: {self.text[:200]!r}") from fault

    def json_or_empty(self) -> dict[str, Any]:
        """The body as a JSON object, or an empty one when it is something else."""
        try:
            value = self.json()
        except WireError:
            return {}
        return value if isinstance(value, dict) else {}


def request(
    method: str,
    url: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | None = None,
    *,
    connect_to: tuple[str, int] | None = None,
    timeout: float = 20.0,
) -> Response:
    """Sends one request. `connect_to` leads the connection elsewhere, in clear (a host that only exists in the tests)."""
    parts = urlsplit(url)
    tls = parts.scheme == "https" and connect_to is None
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if tls:
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(host, port, timeout=timeout, context=trust)
    else:
        connection = http.client.HTTPConnection(*(connect_to or (host, port)), timeout=timeout)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    started = time.monotonic()
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", parts.netloc.rpartition("@")[2])
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.putheader("Connection", "close")
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as fault:
        raise WireError(f"{method} {url.split('?')[0]}: {type(fault).__name__}: {fault}") from fault
    finally:
        connection.close()
    return Response(method, url, answer.status, tuple(answer.getheaders()), content, time.monotonic() - started)


def get(url: str, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """A plain GET."""
    return request("GET", url, headers)


def post_form(url: str, fields: Any, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """A form POST; `fields` is a mapping, a list of pairs, or bytes that are sent as they are."""
    body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
    return request("POST", url, [("Content-Type", FORM), ("Accept", "application/json"), *headers], body)


def origin(url: str) -> str:
    """Scheme, host and port of a URL, as a browser writes an origin."""
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, default) else "")
