"""Checking whole files: from histories, and a database if there is one, to what was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from idling_ws.proof.checker import Checker
from idling_ws.proof.findings import Findings, Promise
from idling_ws.proof.reading import read


def check(paths: Sequence[Path], database_url: str | None = None, *, partial: bool = False) -> Checker:
    """Return a checker that has judged all of it. Raises ``UnusableError``.

    ``partial`` forgives files that break off.
    """
    checker = Checker()
    for path in paths:
        for record, place in read(path, partial=partial):
            checker.take(record, place)
    if database_url is not None:
        from idling_ws.proof.database import check_rows

        check_rows(checker, database_url)
    checker.finish()
    return checker


def verdict_on(promise: Promise, findings: Findings) -> str:
    """Return in a word or two what became of a promise."""
    if findings.refuted[promise]:
        return f"REFUTED {findings.refuted[promise]:,} times"
    return "held" if findings.proven[promise] else "not tried"
