"""Reading histories back, line by line, with the doubts that a file deserves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from idling_ws.proof.history import FORMAT

Record = dict[str, Any]

# What must be there, and of which type, for the checker to go on.
FIELDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "run": {"format": str},
    "device": {"d": str, "user": int},
    "connect": {"d": str, "via": str},
    "welcome": {"d": str, "head": str, "resumed": bool},
    "send": {"d": str, "mid": str, "name": str, "request": str},
    "entry": {"d": str, "stream": str, "seq": int, "digest": str, "outcome": str},
    "verdict": {"d": str, "mid": str, "status": str, "verdict": str},
    "error": {"d": str, "code": str},
    "resume": {"d": str, "cursor": str},
    "close": {"d": str, "code": int},
    "fault": {},
    "snapshot": {"user": int, "cursor": str, "state": str},
    "final": {"d": str, "cursor": (str, type(None)), "state": str, "unsettled": list},
    "end": {"lines": int},
}


class UnusableError(Exception):
    """The input is no history, or not a whole one: nothing can be said about the server."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands, for people who want to look."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


def read(path: Path, *, partial: bool = False) -> Iterator[tuple[Record, Place]]:
    """Yield the records of one file. Raises ``UnusableError``.

    ``partial`` forgives a file that breaks off; what is there is still checked.
    """
    name = str(path)
    try:
        file = path.open("rb")
    except OSError as error:
        raise UnusableError(f"{name}: {error.strerror}") from error
    ended = False
    number = 0
    with file:
        for number, line in enumerate(file, 1):
            place = Place(name, number)
            if ended:
                raise UnusableError(f"{place}: there is more after the end")
            if not line.endswith(b"\n") and partial:
                break
            record = _record(line, place)
            if number == 1:
                _check_header(record, place)
            if record["op"] == "end":
                ended = True
                if record["lines"] != number - 1:
                    raise UnusableError(f"{place}: {record['lines']} lines were written, {number - 1} are here")
            yield record, place
    if number == 0:
        raise UnusableError(f"{name}: empty")
    if not ended and not partial:
        raise UnusableError(f"{name}: breaks off after line {number} without an end; --partial checks what is there")


def _record(line: bytes, place: Place) -> Record:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise UnusableError(f"{place}: no JSON: {error}") from error
    if not isinstance(record, dict):
        raise UnusableError(f"{place}: no object")
    fields = FIELDS.get(record.get("op", ""))
    if fields is None:
        raise UnusableError(f"{place}: unknown op {record.get('op')!r:.40}")
    for name, kind in fields.items():
        if not isinstance(record.get(name), kind):
            raise UnusableError(f"{place}: {record['op']} without a proper {name!r}")
    return record


def _check_header(record: Record, place: Place) -> None:
    if record["op"] != "run" or record["format"] != FORMAT:
        raise UnusableError(f"{place}: not a history ({FORMAT} expected)")
