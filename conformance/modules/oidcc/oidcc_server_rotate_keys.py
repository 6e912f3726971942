"""oidcc-server-rotate-keys: the provider's signing keys are rotated while it serves.

[F] A new kid with another modulus appears in the JWKS. [W] The old key is still published, the new one is there within a
second, and no ID token is ever signed with a key that the JWKS doesn't show.
"""

import os
import subprocess
import time

from harness import wire
from harness.check import Check
from harness.flow import Flow

LAST = True


def run(t: Check) -> None:
    binary = os.environ.get("MUSTER_BIN")
    if not binary:
        t.skip("MUSTER_BIN isn't set, so there is nothing to rotate with")
    before = wire.get(t.world.endpoint("jwks_uri")).json()["keys"]
    done = subprocess.run([str(binary), "keys", "rotate"], capture_output=True, text=True, timeout=60, check=False)
    t.stop_unless(done.returncode == 0, "`muster keys rotate` succeeds", done.stderr[-200:])
    started, after = time.monotonic(), before
    while time.monotonic() - started < 30 and not _new(before, after):
        time.sleep(0.2)
        after = wire.get(t.world.endpoint("jwks_uri")).json()["keys"]
    waited = time.monotonic() - started
    t.stop_unless(_new(before, after), "A new kid appears in the JWKS within thirty seconds")
    t.warn_unless(waited < 1.5, "The new key is published within a second", f"{waited:.1f} s")
    values = {k.get("n") or k.get("x") for k in before}
    t.fail_unless(all((k.get("n") or k.get("x")) not in values for k in _new(before, after)), "The new key is another key")
    kept = {k["kid"] for k in before} <= {k["kid"] for k in after}
    t.warn_unless(kept, "The old key is still published")
    flow = Flow(t)
    flow.userinfo(flow.sign_in())


def _new(before: list[dict[str, str]], after: list[dict[str, str]]) -> list[dict[str, str]]:
    known = {k["kid"] for k in before}
    return [k for k in after if k["kid"] not in known]
