"""What the SCIM testers found: reads their results, tells them, counts them. `conformance/scim` calls it.

A result is passed, failed, skipped (the tester had nothing to try) or a known difference: an opinion of the tester's that
Muster doesn't share, named in KNOWN with the reason. A warning fails.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

# What scim-sanity wants otherwise: (check, its message, why it is so here). The message must be this one exactly, so that
# another fault of the same check is not taken for it.
KNOWN = [
    (
        "PATCH /Groups/{id}",
        "Expected HTTP 200, got 204 (RFC 7644 §3.3); Response body is empty",
        "RFC 7644 §3.5.2 leaves the choice between 200 and 204: with a body, each PATCH of a large group would read all of "
        "its members. A connection can ask for bodies (--patch-answers-body true).",
    ),
    (
        "PATCH /Groups/{id} remove members",
        "Expected 200, got 204",
        "the same.",
    ),
    (
        "PATCH /Groups/{id} add member",
        "Expected 200, got 400",
        "it adds the member \"fake-member-id\", and nobody has this id. Whoever is put into a group gets its roles: an id that "
        "means nobody is told to the client instead of being dropped in silence.",
    ),
]
# So many results a tester has at least: one that stopped early has not passed.
LEAST = {"scim2-cli": 100, "scim-sanity": 25}
RESULT = re.compile(r"^(SUCCESS|COMPLIANT|ACCEPTABLE|DEVIATION|ERROR|CRITICAL|SKIPPED) (\w+)$")
LONGEST = 1500


@dataclass
class Result:
    """One check of a tester's."""

    check: str
    outcome: str
    about: str = ""


def of_scim2_cli(text: str) -> list[Result]:
    """What `scim2 test` printed: a line with a status and a check's name, and under it the reason."""
    results: list[Result] = []
    before: list[str] = []
    for line in text.splitlines():
        if match := RESULT.match(line):
            status, check = match.groups()
            results.append(Result(check, "passed" if status == "SUCCESS" else "failed", status))
        elif results:
            results[-1].about += "\n" + line.strip()
        else:
            before.append(line)
    if not results:
        results.append(Result("scim2 test", "failed", "\n".join(before)))
    return results


def of_scim_sanity(text: str) -> list[Result]:
    """What `scim-sanity probe --json-output` printed."""
    try:
        report = json.loads(text)
    except ValueError:
        return [Result("scim-sanity probe", "failed", text)]
    outcomes = {"pass": "passed", "skip": "skipped"}
    results = []
    for one in report["results"]:
        check, message = one["name"], one.get("message", "")
        outcome = outcomes.get(one["status"], "failed")
        if outcome == "failed" and any((check, message) == known[:2] for known in KNOWN):
            outcome = "known"
        results.append(Result(check, outcome, f"{one['status']}: {message}"))
    return results


def tell(tester: str, profile: str, results: list[Result], verbose: bool) -> Counter[str]:
    """Tells the results, those that are alike in one line; how many there are of each outcome."""
    counts = Counter(result.outcome for result in results)
    print(f"\n{tester}, profile {profile}: {counts['passed']} of {len(results)} passed")
    alike = Counter((result.check, result.outcome) for result in results)
    for (check, outcome), number in alike.items():
        print(f"  {outcome:<7} {check}" + (f" ({number})" if number > 1 else ""))
        for result in results:
            if (result.check, result.outcome) == (check, outcome) and (verbose or outcome in ("failed", "known")):
                about = result.about[:LONGEST].replace("\n", "\n          ")
                print(f"          {about}")
        if outcome == "known":
            print("          Known: " + next(why for name, _, why in KNOWN if name == check))
    if len(results) - counts["skipped"] < LEAST[tester]:
        print(f"  failed  {tester} stopped early: it has at least {LEAST[tester]} results")
        counts["failed"] += 1
    return counts


def main() -> int:
    """Reads, tells, counts."""
    parser = argparse.ArgumentParser(description="Counts what the SCIM testers found")
    parser.add_argument("--log", type=Path, required=True, help="the server's log, which must show no panic")
    parser.add_argument("--server-ended", action="store_true", help="the server did not outlive the testers")
    parser.add_argument("--verbose", action="store_true", help="tell also what is said of checks that passed")
    parser.add_argument("results", nargs="+", help="for each profile: its name, scim2-cli's text, scim-sanity's JSON")
    arguments = parser.parse_args()
    readers = {"scim2-cli": of_scim2_cli, "scim-sanity": of_scim_sanity}
    counts: Counter[str] = Counter()
    words = arguments.results
    for profile, *files in zip(words[::3], words[1::3], words[2::3], strict=True):
        for (tester, read), file in zip(readers.items(), files, strict=True):
            text = Path(file).read_text(encoding="utf-8", errors="replace")
            counts += tell(tester, profile, read(text), arguments.verbose)
    panicked = "panicked at" in arguments.log.read_text(encoding="utf-8", errors="replace")
    well = not panicked and not arguments.server_ended
    counts["passed" if well else "failed"] += 1
    print(f"\nThe server {'outlived it, without a panic' if well else 'panicked or ended: see its log'}.")
    print(f"{counts['known']} known differences, {counts['skipped']} with nothing to try")
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
