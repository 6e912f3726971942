"""scim2-cli as it is, but for one thing: told to come back later (429), it waits as long as it was told, and comes back.

It sends as fast as it can, much of it deletions of what it has deleted before, and may so get ahead of what one connection
is allowed. `conformance/scim` calls it in the place of `scim2`, with the same arguments.
"""

from __future__ import annotations

import time
from typing import Any

import httpx2
from scim2_cli import cli

MOST_TRIES = 20
send = httpx2.Client.send


def patient(client: httpx2.Client, request: httpx2.Request, **options: Any) -> httpx2.Response:
    """Sends a request, and again while the answer is 429."""
    for _ in range(MOST_TRIES):
        response = send(client, request, **options)
        if response.status_code != 429:
            break
        time.sleep(int(response.headers["retry-after"]))
    return response


httpx2.Client.send = patient  # type: ignore[method-assign]
cli()
