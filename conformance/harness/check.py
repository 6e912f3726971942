"""What a module is written with: it states rules, and each is kept or broken.

A rule has a severity, as in the OpenID Foundation's suite: `F` fails the module, `W` is a warning. A rule that is held
more than once in a module is reported once a breach.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from .application import Application
    from .world import World

#: A rule as a function: nothing (or True) when it is kept, a word on what is wrong when it is broken.
Rule = Callable[..., "str | bool | None"]


def rule(severity: str, *names: str) -> Callable[[Rule], Rule]:
    """Marks a function as a rule; its docstring is the rule's sentence, `names` are the suite's conditions."""

    def mark(function: Rule) -> Rule:
        function.severity, function.names = severity, names  # type: ignore[attr-defined]
        return function

    return mark


class Stopped(Exception):
    """A broken rule without which the module can't go on; it is already noted."""


class Skipped(Exception):
    """The module doesn't apply, and why."""


@dataclass(frozen=True)
class Finding:
    """One rule, kept or broken."""

    severity: str
    sentence: str
    kept: bool
    detail: str = ""


@dataclass
class Check:
    """One run of one module."""

    world: "World"
    application: "Application"
    response_mode: str | None = None
    fast: bool = False
    findings: list[Finding] = field(default_factory=list)

    def fail_unless(self, kept: object, sentence: str, detail: object = "") -> bool:
        """States a rule of severity F."""
        return self._note("F", sentence, bool(kept), detail)

    def warn_unless(self, kept: object, sentence: str, detail: object = "") -> bool:
        """States a rule of severity W."""
        return self._note("W", sentence, bool(kept), detail)

    def stop_unless(self, kept: object, sentence: str, detail: object = "") -> None:
        """States a rule of severity F that the rest of the module builds on."""
        if not self._note("F", sentence, bool(kept), detail):
            raise Stopped(sentence)

    def hold(self, function: Rule, *about: Any) -> bool:
        """Holds something to a rule that is a function."""
        said = function(*about)
        kept = said is None or said is True
        sentence = " ".join((function.__doc__ or function.__name__).split())
        names = ", ".join(getattr(function, "names", ()))
        return self._note(severity_of(function), f"{sentence} ({names})" if names else sentence, kept, "" if kept else said)

    def hold_all(self, functions: list[Rule], *about: Any) -> None:
        """Holds something to every rule of a list."""
        for function in functions:
            self.hold(function, *about)

    def skip(self, reason: str) -> None:
        """Ends the module as not applicable."""
        raise Skipped(reason)

    def _note(self, severity: str, sentence: str, kept: bool, detail: object) -> bool:
        self.findings.append(Finding(severity, sentence, kept, str(detail) if detail not in ("", None, False) else ""))
        return kept

    @property
    def failures(self) -> list[Finding]:
        """Broken rules of severity F."""
        return [f for f in self.findings if not f.kept and f.severity == "F"]

    @property
    def warnings(self) -> list[Finding]:
        """Broken rules of severity W."""
        return [f for f in self.findings if not f.kept and f.severity == "W"]


def severity_of(function: Rule) -> str:
    """The severity that a rule was marked with."""
    return str(getattr(function, "severity", "F"))
