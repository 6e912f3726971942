"""`python -m harness`: prepares a world, runs plans against a provider that is up, lists what there is.

`conformance/run` calls it; see the README beside it.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import time
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from .check import Check, Skipped, Stopped
from .plans import PLANS, Entry, entries
from .wire import WireError


def main() -> int:
    """Dispatches."""
    parser = argparse.ArgumentParser(prog="harness", description="Conformance plans for an OpenID provider")
    verbs = parser.add_subparsers(dest="verb", required=True)
    prepare = verbs.add_parser("prepare", help="write world.toml, secrets.json and env into a folder")
    prepare.add_argument("folder", type=Path)
    prepare.add_argument("issuer")
    prepare.add_argument("listener_port", type=int)
    prepare.add_argument("--tls", action="store_true")
    ports = verbs.add_parser("ports", help="print free ports of loopback")
    ports.add_argument("count", type=int)
    run = verbs.add_parser("run", help="run plans")
    run.add_argument("--folder", type=Path, required=True, help="what `prepare` wrote")
    run.add_argument("plans", nargs="*", metavar="PLAN", help=f"of {', '.join(PLANS)}; all when none is named")
    run.add_argument("--module", help="only the modules whose name contains this")
    run.add_argument("--jobs", type=int, default=4, help="modules at a time")
    run.add_argument("--fast", action="store_true", help="no long waits (a few rules are skipped)")
    run.add_argument("--strict", action="store_true", help="warnings fail, too")
    run.add_argument("--verbose", action="store_true", help="show the rules that were kept")
    run.add_argument("--server", type=int, help="the server's process: it must outlive the run")
    run.add_argument("--log", type=Path, help="the server's log: no panic may stand in it")
    verbs.add_parser("list", help="print every module and what it checks")
    said = parser.parse_args()
    if said.verb == "prepare":
        from .world import prepare as write

        write(said.folder, said.issuer, said.listener_port, tls=said.tls)
        return 0
    if said.verb == "ports":
        print(*_free_ports(said.count))
        return 0
    if said.verb == "list":
        return _list()
    unknown = [name for name in said.plans if name not in PLANS]
    if unknown:
        parser.error(f"no such plan: {', '.join(unknown)} (there are {', '.join(PLANS)})")
    return _run(said)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def _list() -> int:
    for plan in PLANS.values():
        print(f"\n{plan.name}: {plan.title}")
        for entry in (Entry(plan, module) for module in plan.modules):
            lines = (entry.load().__doc__ or "").strip().splitlines()
            print(f"  {entry.module}")
            print("\n".join(f"      {line}" for line in lines[1:] if line))
    return 0


def _one(entry: Entry, check: Check) -> tuple[str, float]:
    """Runs a module; gives `passed`, `failed` or `skipped: why`, and how long it took."""
    started = time.monotonic()
    outcome = ""
    try:
        entry.load().run(check)
    except Skipped as reason:
        outcome = f"skipped: {reason}"
    except Stopped:
        pass
    except (WireError, LookupError, ValueError, AttributeError, TypeError, KeyError, AssertionError) as fault:
        where = traceback.extract_tb(fault.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        check.fail_unless(False, "The module runs to its end", f"{type(fault).__name__}: {fault} ({place})")
    if check.failures:
        outcome = "failed"
    return outcome or ("passed" if check.findings else "skipped: nothing was checked"), time.monotonic() - started


def _run(said: argparse.Namespace) -> int:
    from .world import World

    world = World(said.folder)
    chosen = entries(said.plans, said.module)
    checks = {e: Check(world, world.applications[e.application], e.plan.response_mode, said.fast) for e in chosen}
    # Long waits begin first; what disturbs others (a key rotation) runs alone at the end.
    order = sorted(chosen, key=lambda e: -getattr(e.load(), "SECONDS", 0))
    last = [e for e in order if getattr(e.load(), "LAST", False)]
    counts = {"passed": 0, "failed": 0, "skipped": 0, "warnings": 0}
    pool = ThreadPoolExecutor(max(1, said.jobs))
    futures: dict[Entry, Future[tuple[str, float]]] = {e: pool.submit(_one, e, checks[e]) for e in order if e not in last}
    shown = ""
    for entry in [e for e in chosen if e not in last] + last:
        outcome, seconds = futures[entry].result() if entry in futures else _one(entry, checks[entry])
        if entry.plan.name != shown:
            shown = entry.plan.name
            print(f"\n{entry.plan.title}")
        check = checks[entry]
        if said.strict and check.warnings and outcome == "passed":
            outcome = "failed"
        counts[outcome.partition(":")[0]] += 1
        counts["warnings"] += len(check.warnings)
        _show(entry, check, outcome, seconds, verbose=said.verbose)
    pool.shutdown()
    world.listener.close()
    trouble = _health(said)
    counts["failed" if trouble else "passed"] += 1 if said.server else 0
    if said.server:
        print(f"\n  {'failed' if trouble else 'passed':8}the server outlives the run, and never panics")
        print("\n".join(f"          {line}" for line in trouble), end="\n" if trouble else "")
    print(f"\n{sum(len(c.findings) for c in checks.values())} rules held to, {counts['warnings']} warnings, {counts['skipped']} skipped")
    print(f"{counts['passed']} passed, {counts['failed']} failed", flush=True)
    return 1 if counts["failed"] or not counts["passed"] else 0


def _health(said: argparse.Namespace) -> list[str]:
    """What happened to the server meanwhile, if anything did."""
    trouble = []
    if said.server:
        try:
            os.kill(said.server, 0)
        except OSError:
            trouble.append("the server's process is gone")
    if said.log and said.log.exists():
        trouble += [line[:200] for line in said.log.read_text(errors="replace").splitlines() if "panicked" in line][:5]
    return trouble


def _show(entry: Entry, check: Check, outcome: str, seconds: float, *, verbose: bool) -> None:
    print(f"  {outcome.partition(':')[0]:8}{entry.module} ({len(check.findings)} rules, {seconds:.1f} s){outcome.partition(':')[2]}")
    for finding in check.findings:
        if not finding.kept:
            print(f"          [{finding.severity}] {finding.sentence}" + (f"\n              {finding.detail}" if finding.detail else ""))
        elif verbose:
            print(f"          [{finding.severity}] kept: {finding.sentence}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
