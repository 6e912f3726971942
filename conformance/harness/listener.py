"""The relying party's own server on loopback: takes posted forms and logout tokens, and notices unwanted visits."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Callable
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Delivery:
    """One request that came in."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    at: float

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def form(self) -> list[tuple[str, str]]:
        """The body as form pairs."""
        return parse_qsl(self.body.decode("utf-8", errors="replace"), keep_blank_values=True)


class Listener:
    """Answers 200 to everything and remembers it."""

    def __init__(self, port: int) -> None:
        self.deliveries: list[Delivery] = []
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self.address = ("127.0.0.1", self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, name="listener", daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.address[0]}:{self.address[1]}"

    def record(self, delivery: Delivery) -> None:
        """Notes a request."""
        with self._changed:
            self.deliveries.append(delivery)
            self._changed.notify_all()

    def wait_for(self, wanted: Callable[[Delivery], bool], seconds: float) -> Delivery | None:
        """The first request that fits, waiting for it as long as `seconds`."""
        until = time.monotonic() + seconds
        with self._changed:
            while True:
                found = next((d for d in self.deliveries if wanted(d)), None)
                left = until - time.monotonic()
                if found is not None or left <= 0:
                    return found
                self._changed.wait(left)

    def visits(self, path: str) -> int:
        """How often a path was asked for."""
        with self._changed:
            return sum(1 for d in self.deliveries if urlsplit(d.path).path == path)

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _handler(listener: Listener) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            listener.record(Delivery(self.command, self.path, tuple(self.headers.items()), body, time.time()))
            self.send_response(200)
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_HEAD = do_PUT = _any

        def log_message(self, *_: object) -> None:
            """Nothing: the deliveries are the log."""

    return Handler
