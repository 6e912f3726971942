"""C12: a refresh token is used again (RFC 9700 §4.14, CVE-2026-56750).

[F] RT1, RT2, RT3, then RT1 again: RT3, every access token and the grant are dead. Within ten seconds, its successor unused,
a repeat gets the same answer's token (a lost response), and never a second family. After ten seconds it is reuse.
"""

import time

from harness.check import Check
from harness.flow import Flow, Tokens

SECONDS = 14


def run(t: Check) -> None:
    flow = Flow(t)
    first = _start(t, flow)
    second = _next(t, flow, first)
    repeat = _next(t, flow, first)
    t.fail_unless(repeat[0] == second[0], "A repeat within ten seconds gives the same refresh token", "another one")
    third = _next(t, flow, second[0])
    flow.token_error(t.application.refresh(first), "RT1 after RT2 was used", "invalid_grant")
    flow.token_error(t.application.refresh(third[0]), "RT3 after RT1 was replayed", "invalid_grant")
    for what, access in {"second": second[1], "third": third[1]}.items():
        after = t.application.userinfo(access)
        t.fail_unless(after.status == 401, f"The {what} access token after a replay is refused", after.status)
        t.fail_unless(t.application.introspect(access).json_or_empty() == {"active": False}, f"The {what} access token is inactive")
    stolen = _start(t, flow)
    _next(t, flow, stolen)
    answer = t.world.applications["second"].refresh(stolen)
    flow.token_error(answer, "A repeat by another application, within ten seconds", "invalid_grant")
    late = _start(t, flow)
    successor = _next(t, flow, late)
    if not t.fast:
        time.sleep(11)
        flow.token_error(t.application.refresh(late), "RT1 after more than ten seconds", "invalid_grant")
        flow.token_error(t.application.refresh(successor[0]), "RT2 after that", "invalid_grant")
        t.fail_unless(t.application.userinfo(successor[1]).status == 401, "Its access token after that is refused")


def _start(t: Check, flow: Flow) -> str:
    tokens: Tokens = flow.sign_in(scope="openid offline_access")
    if tokens.refresh is None:
        t.skip("no refresh token was issued")
    return str(tokens.refresh)


def _next(t: Check, flow: Flow, refresh: str) -> tuple[str, str]:
    response = flow.application.refresh(refresh)
    t.stop_unless(response.status == 200, "A refresh within its rights answers 200", f"{response.status} {response.text[:160]}")
    said = response.json()
    t.fail_unless(said.get("refresh_token") and said["refresh_token"].startswith("mst_rt_"), "A refresh rotates the token", sorted(said))
    return str(said.get("refresh_token")), str(said["access_token"])
