"""Sends the same SCIM requests to several servers and prints one table.

    load.py [--seconds N] [--requests N] [--callers N] [--members N] NAME,URL,TOKEN[,PID]...

Each server first gets so many users and a group of all of them, over SCIM. Then the servers take turns with each
operation, so that a loud minute of the machine hits all alike. An answer that is not as expected ends the run: a server
that refuses quickly is not a fast server. With a process id the server's CPU time a request stands in the table, too.

Nothing but the standard library is needed. Only addresses of the loopback are asked.
"""

import argparse
import asyncio
import ipaddress
import itertools
import json
import os
import random
import secrets
import time
from urllib.parse import quote, urlsplit

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")
PATIENCE = 30


class Connection:
    """One connection, kept alive where the server does, opened anew where it doesn't."""

    def __init__(self, server):
        self.server, self.reader, self.writer = server, None, None

    async def send(self, method, path, body=None, expected=(200, 201, 204), text=""):
        """One request; the answer's body, after its status and a text in it were checked."""
        status, answer = await asyncio.wait_for(self.exchange(method, path, body), PATIENCE)
        if status not in expected or text.encode() not in answer:
            raise SystemExit(f"{self.server.name}: {method} {path}: {status} {answer[:300]!r}")
        return answer

    async def exchange(self, method, path, body):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(self.server.host, self.server.port)
        payload = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
        head = f"{method} {self.server.base}{path} HTTP/1.1\r\n{self.server.head}"
        if body is not None:
            head += f"Content-Type: application/scim+json\r\nContent-Length: {len(payload)}\r\n"
        self.writer.write(head.encode() + b"\r\n" + payload)
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        answer = await self.body(status, headers)
        if lines[0].startswith("HTTP/1.0") or headers.get("connection", "").lower() == "close":
            self.close()
        return status, answer

    async def body(self, status, headers):
        if status in (204, 304):
            return b""
        if "chunked" in headers.get("transfer-encoding", "").lower():
            parts = []
            while size := int((await self.reader.readline()).split(b";")[0], 16):
                parts.append(await self.reader.readexactly(size))
                await self.reader.readexactly(2)
            await self.reader.readline()
            return b"".join(parts)
        length = headers.get("content-length")
        return await (self.reader.read() if length is None else self.reader.readexactly(int(length)))

    def close(self):
        if self.writer is not None:
            self.writer.close()
            self.reader = self.writer = None


class Server:
    """A server, and what was made there."""

    def __init__(self, text):
        name, url, token, pid, *_ = [*text.split(","), "", "", ""]
        parts = urlsplit(url)
        if parts.scheme != "http" or not ipaddress.ip_address(parts.hostname).is_loopback:
            raise SystemExit(f"{name}: only http on a loopback address is asked, not {url}")
        self.name, self.host, self.port, self.base = name, parts.hostname, parts.port or 80, parts.path.rstrip("/")
        self.pid = int(pid) if pid else None
        self.head = (
            f"Host: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
            "Accept: application/scim+json\r\nUser-Agent: scim-peers\r\n"
        )
        self.mark, self.numbers = secrets.token_hex(4), itertools.count()
        self.people, self.group, self.results = [], "", {}

    def newcomer(self):
        name = f"{self.mark}-{next(self.numbers)}"
        return name, {
            "schemas": [USER],
            "externalId": f"ext-{name}",
            "userName": name,
            "name": {"givenName": "New", "familyName": name},
            "displayName": f"New {name}",
            "active": True,
            "emails": [{"value": f"{name}@peers.example", "type": "work", "primary": True}],
        }

    async def fill(self, members, callers):
        """So many users, and a group of them."""

        async def some(count):
            connection = Connection(self)
            for _ in range(count):
                name, body = self.newcomer()
                made = json.loads(await connection.send("POST", "/Users", body, (201,)))
                self.people.append((made["id"], name))
            connection.close()

        shares = [members // callers + (place < members % callers) for place in range(callers)]
        await asyncio.gather(*map(some, shares))
        connection = Connection(self)
        body = {
            "schemas": [GROUP],
            "displayName": f"Group {self.mark}",
            "members": [{"value": user} for user, _ in self.people],
        }
        self.group = json.loads(await connection.send("POST", "/Groups", body, (201,)))["id"]
        connection.close()

    def cpu_us(self):
        if self.pid is None:
            return None
        with open(f"/proc/{self.pid}/stat", encoding="utf-8") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_US


def patch(operation):
    return {"schemas": [PATCH], "Operations": [operation]}


# Each operation makes, for one caller, a function that does it once.


def create(server, connection, _):
    async def once():
        name, body = server.newcomer()
        await connection.send("POST", "/Users", body, (201,), name)

    return once


def by_filter(server, connection, _):
    async def once():
        _, name = random.choice(server.people)
        await connection.send("GET", "/Users?filter=" + quote(f'userName eq "{name}"'), None, (200,), f'"{name}"')

    return once


def active(server, connection, place):
    user, states = server.people[place][0], itertools.cycle([False, True])

    async def once():
        body = patch({"op": "replace", "path": "active", "value": next(states)})
        await connection.send("PATCH", f"/Users/{user}", body, (200, 204))

    return once


def member(server, connection, place):
    user = server.people[place][0]
    turns = itertools.cycle(
        [
            {"op": "remove", "path": f'members[value eq "{user}"]'},
            {"op": "add", "path": "members", "value": [{"value": user}]},
        ]
    )

    async def once():
        await connection.send("PATCH", f"/Groups/{server.group}", patch(next(turns)), (200, 204))

    return once


async def measure(server, operation, arguments):
    """So many callers, each asking again when it was answered, until the time or the count is over."""
    latencies, budget = [], itertools.count()
    deadline = time.perf_counter() + arguments.seconds

    async def caller(place):
        connection = Connection(server)
        once = operation(server, connection, place)
        while time.perf_counter() < deadline and next(budget) < arguments.requests:
            begun = time.perf_counter()
            await once()
            latencies.append(time.perf_counter() - begun)
        connection.close()

    before, begun = server.cpu_us(), time.perf_counter()
    await asyncio.gather(*map(caller, range(arguments.callers)))
    elapsed, after = time.perf_counter() - begun, server.cpu_us()
    latencies.sort()

    def permille(share):
        return latencies[max(0, -(-len(latencies) * share // 1000) - 1)] * 1e3

    cpu = None if before is None else (after - before) / len(latencies)
    return len(latencies) / elapsed, permille(500), permille(990), cpu


async def run(arguments):
    servers = [Server(text) for text in arguments.servers]
    for server in servers:
        await server.fill(arguments.members, arguments.callers)
    # What makes users comes last: it changes what the others are asked of.
    operations = {
        "get by filter": by_filter,
        "patch active": active,
        f"member of {arguments.members}": member,
        "create user": create,
    }
    print(f"{'operation':<18} {'server':<14} {'req/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'cpu µs':>8}")
    for title, operation in operations.items():
        for server in servers:
            rate, p50, p99, cpu = await measure(server, operation, arguments)
            cpu = "-" if cpu is None else f"{cpu:.0f}"
            print(f"{title:<18} {server.name:<14} {rate:>8.0f} {p50:>8.2f} {p99:>8.2f} {cpu:>8}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="The same SCIM requests to several servers, and one table.")
    parser.add_argument("--seconds", type=float, default=5, help="how long each operation is measured at each server")
    parser.add_argument("--requests", type=int, default=20_000, help="how often it is done at most")
    parser.add_argument("--callers", type=int, default=4, help="how many ask at once")
    parser.add_argument("--members", type=int, default=1_000, help="how many are in the group")
    parser.add_argument("servers", nargs="+", metavar="NAME,URL,TOKEN[,PID]")
    arguments = parser.parse_args()
    if not 1 <= arguments.callers <= 64 or arguments.members < arguments.callers:
        parser.error("1 to 64 callers, and no more than members")
    if arguments.seconds > 600 or arguments.requests > 1_000_000:
        parser.error("at most 600 seconds and 1,000,000 requests")
    asyncio.run(run(arguments))


if __name__ == "__main__":
    main()
