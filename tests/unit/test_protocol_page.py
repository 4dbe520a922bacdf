"""docs/protocol.md says what the code does: its tables are held against it."""

from __future__ import annotations

import re
from pathlib import Path

from idling_ws.domain.errors import CODES
from idling_ws.mutations.table import MUTATIONS
from idling_ws.wire.closing import Close

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")


def test_every_error_code_stands_there_with_what_it_means() -> None:
    """Class, severity, whether to retry, status and words, one row each and no row more."""
    rows = {
        f"| `{code}` | {fault.error_class} | {fault.severity} | {'yes' if fault.retryable else 'no'} "
        f"| {fault.status} | {fault.message} |"
        for code, fault in CODES.items()
    }
    section = PAGE.split("\n## Errors\n")[1]
    assert rows == {line for line in section.splitlines() if line.startswith("| `")}


def test_every_close_code_stands_there() -> None:
    """A client author must find each code that this server sends."""
    listed = {(int(code), reason) for code, reason in re.findall(r"^\| (\d{4}) \| (\w+) \|", PAGE, re.MULTILINE)}
    assert listed == {(int(close), close.reason) for close in Close}


def test_every_public_mutation_stands_there() -> None:
    """And none that a client cannot ask for."""
    section = PAGE.split("\n## State and mutations\n")[1].split("\n## ")[0]
    listed = set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)`", section, re.MULTILINE))
    assert listed == {name for name, mutation in MUTATIONS.items() if mutation.public}


def test_every_argument_of_a_mutation_stands_in_its_row() -> None:
    """Names of arguments are what people get wrong first."""
    for name, mutation in MUTATIONS.items():
        if not mutation.public:
            continue
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}`"))
        for argument in mutation.schema.fields:
            assert f"`{argument}" in row, (name, argument)
