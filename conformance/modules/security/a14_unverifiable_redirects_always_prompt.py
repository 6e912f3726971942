"""A14: a public client that anybody on the machine could impersonate (CVE-2023-34246; RFC 8252 §8.6).

[F] A client with a loopback redirect URI asks for consent every time, after an earlier consent as well; its prompt=none
never succeeds silently.
"""

from harness.check import Check
from harness.flow import NEEDS_A_PERSON, Flow


def run(t: Check) -> None:
    flow = Flow(t, t.world.applications["native"])
    for visit in ("first", "second"):
        answer = flow.code(redirect_uri="http://127.0.0.1:49152/callback")
        t.fail_unless("consent" in answer.shown, f"The {visit} visit asks for consent", answer.shown)
    flow.error(*NEEDS_A_PERSON, prompt="none", redirect_uri="http://127.0.0.1:49152/callback")
