"""Registering applications through the command line, for the checks of what a registration must refuse.

`muster plan` runs the same steps as `muster apply` and writes nothing, so the world stays as it is.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from .check import Check

GOOD: dict[str, Any] = {
    "client_id": "conformance-registration", "name": "Registration", "organisation": "acme", "auth_method": "client_secret_basic",
    "redirect_uris": ["https://rp.conformance.test/callback"], "grant_types": ["authorization_code"], "scopes": ["openid"],
}


def plan(t: Check, **members: Any) -> subprocess.CompletedProcess[str]:
    """What `muster plan` says of a file with one application."""
    binary = os.environ.get("MUSTER_BIN")
    if not binary:
        t.skip("MUSTER_BIN isn't set, so nothing can be registered")
    lines = [f"{name} = {_toml(value)}" for name, value in {**GOOD, **members}.items()]
    with tempfile.TemporaryDirectory(prefix="registration-") as folder:
        path = Path(folder, "application.toml")
        path.write_text("[[application]]\n" + "\n".join(lines) + "\n")
        return subprocess.run([str(binary), "plan", str(path)], capture_output=True, text=True, timeout=60, check=False)


def refused(t: Check, why: str, **members: Any) -> None:
    """A registration that must be refused, with a reason and without a panic."""
    done = plan(t, **members)
    said = (done.stderr + done.stdout).strip()
    t.fail_unless(done.returncode != 0, f"A registration with {why} is refused", f"it answered: {said[-200:]!r}")
    t.fail_unless("panicked" not in said, f"A registration with {why} is refused in words", said[-200:])


def accepted(t: Check, why: str, **members: Any) -> None:
    """A registration that must be accepted, so that the refusals mean something."""
    done = plan(t, **members)
    t.fail_unless(done.returncode == 0, f"A registration with {why} is accepted", (done.stderr + done.stdout)[-300:])


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=True)
