"""The command line of the checker: ``scripts/check_history.py FILE…``.

Exit codes: 0 nothing was refuted, 1 something was, 2 the input cannot be used.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from idling_ws.proof.checker import Checker
from idling_ws.proof.checking import check, verdict_on
from idling_ws.proof.findings import Promise
from idling_ws.proof.reading import UnusableError

REFUTED = 1
UNUSABLE = 2


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--database-url", help="Also compare with the tables of the log, in this PostgreSQL.")
@click.option("--partial", is_flag=True, help="Check files that break off without an end.")
@click.option("--show", default=50, show_default=True, help="Print so many offending operations.")
def main(files: tuple[Path, ...], database_url: str | None, *, partial: bool, show: int) -> None:
    """Prove or refute the protocol's promises on the histories that load_test.py recorded."""
    try:
        checker = check(files, database_url, partial=partial)
    except UnusableError as error:
        click.echo(f"unusable: {error}", err=True)
        sys.exit(UNUSABLE)
    print_findings(checker, show, with_rows=database_url is not None)
    sys.exit(0 if checker.findings.clean else REFUTED)


def print_findings(checker: Checker, show: int, *, with_rows: bool) -> None:
    """Print what was found, promise by promise."""
    findings = checker.findings
    click.echo(f"{checker.records:,} records, {checker.devices:,} devices, {len(checker.users):,} users")
    for promise in Promise:
        tried = findings.proven[promise]
        verdict = verdict_on(promise, findings)
        if verdict == "not tried" and promise is Promise.P1 and not with_rows:
            verdict += ": give --database-url"
        click.echo(f"\n{promise.name}  {promise.value}: {verdict}")
        for words, number in sorted(tried.items()):
            click.echo(f"      {number:>12,}  {words}")
    if findings.unproven:
        click.echo("\nNeither proven nor refuted:")
        for words, number in sorted(findings.unproven.items()):
            click.echo(f"      {number:>12,}  {words}")
    if findings.violations:
        total = sum(findings.refuted.values())
        click.echo(f"\nThe first {min(show, total):,} of {total:,} offending operations:")
        for violation in findings.violations[:show]:
            click.echo(f"  {violation}")
