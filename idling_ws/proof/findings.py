"""Findings: what was refuted, what was proven, and on how much."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum

from idling_ws.proof.reading import Place


class Promise(Enum):
    """The promises of the protocol that a history can refute, in its own words."""

    P1 = "what was confirmed is committed"
    P2 = "one mid has one effect and one verdict"
    P3 = "effects and verdict are one entry"
    P4 = "every stream arrives in order, without gaps, the same on every device, and with nobody else"
    P5 = "a client that returns gets exactly what it missed, or is told so"
    P9 = "a state patched along equals a fresh one"


@dataclass(frozen=True, slots=True)
class Violation:
    """One operation that breaks a promise."""

    promise: Promise
    what: str
    place: Place | None

    def __str__(self) -> str:
        where = f"  ({self.place})" if self.place is not None else ""
        return f"{self.promise.name}: {self.what}{where}"


class Findings:
    """Collects violations, keeping the first of each promise whole and counting the rest."""

    def __init__(self, keep: int = 1000) -> None:
        self._keep = keep
        self.violations: list[Violation] = []
        self.refuted: Counter[Promise] = Counter()
        # How much each promise was tried on, and what could not be tried, by the words for it.
        self.proven: dict[Promise, Counter[str]] = {promise: Counter() for promise in Promise}
        self.unproven: Counter[str] = Counter()

    def refute(self, promise: Promise, what: str, place: Place | None = None) -> None:
        """Note an operation that breaks ``promise``."""
        self.refuted[promise] += 1
        if self.refuted[promise] <= self._keep:
            self.violations.append(Violation(promise, what, place))

    def count(self, promise: Promise, words: str, number: int = 1) -> None:
        """Note what ``promise`` was tried on."""
        self.proven[promise][words] += number

    def leave_open(self, words: str, number: int = 1) -> None:
        """Note what this history can neither prove nor refute."""
        if number:
            self.unproven[words] += number

    @property
    def clean(self) -> bool:
        """Whether nothing was refuted."""
        return not self.refuted
