"""Checking the audit trail: walk every chain once and say where it does not hold.

Two sorted streams, rows and chain ends, are read side by side from one snapshot, so any
number of rows needs a few kilobytes, and the server may go on writing meanwhile.

It finds rows that were altered, deleted, inserted or reordered, and an end that was cut
off. It cannot find a chain that somebody rewrote from some row to its end, the end in
``streams`` included: that takes the rights of the tables' owner.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg2

from idling_ws.domain.errors import UnavailableError
from idling_ws.store.audit import AuditRow, link

ROWS_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where a chain does not hold. ``kind`` is altered, deleted, inserted, reordered or cut."""

    user_id: int
    n: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"user {self.user_id}, row {self.n}: {self.kind}: {self.text}"


@dataclass(slots=True)
class Tally:
    """How much was looked at so far."""

    rows: int = 0
    chains: int = 0


@dataclass(frozen=True, slots=True)
class _Linked:
    row: AuditRow
    prev_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class _End:
    """A chain as ``streams`` has it, and where it begins: behind ``n`` rows that were dropped with their month."""

    user_id: int
    n: int
    hash: bytes
    first_n: int
    first_hash: bytes


_ROWS = """
SELECT user_id, n, at, actor, action, outcome, mid, seq, trace_id, address, before, after, prev_hash, hash
FROM audit_log ORDER BY user_id, n, at"""

_ENDS = """
SELECT s.user_id, s.audit_n, s.audit_hash, coalesce(a.n, 0), coalesce(a.hash, '')
FROM streams s LEFT JOIN audit_anchors a ON a.user_id = s.user_id ORDER BY s.user_id"""


def check_trail(url: str, tally: Tally) -> Iterator[Finding]:
    """Yield every finding, chain by chain. Blocks: call it from a thread. Raises ``UnavailableError``."""
    try:
        with closing(psycopg2.connect(url, connect_timeout=5)) as connection:
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            with connection.cursor() as setup:
                # The hash covers the time as text, in UTC.
                setup.execute("SET LOCAL TIME ZONE 'UTC'")
            with connection.cursor("rows") as rows, connection.cursor("ends") as ends:
                rows.itersize = ends.itersize = ROWS_AT_ONCE
                rows.execute(_ROWS)
                ends.execute(_ENDS)
                yield from _walk(
                    (_Linked(AuditRow(*row[:12]), bytes(row[12]), bytes(row[13])) for row in rows),
                    (_End(row[0], row[1], bytes(row[2]), row[3], bytes(row[4])) for row in ends),
                    tally,
                )
    except psycopg2.OperationalError as exc:
        raise UnavailableError(message=f"The database cannot be read: {exc}") from exc


def _walk(rows: Iterator[_Linked], ends: Iterator[_End], tally: Tally) -> Iterator[Finding]:
    row = next(rows, None)
    for end in ends:
        while row is not None and row.row.user_id < end.user_id:
            yield _orphan(row)
            tally.rows += 1
            row = next(rows, None)
        chain = _Chain(end)
        while row is not None and row.row.user_id == end.user_id:
            yield from chain.take(row)
            tally.rows += 1
            row = next(rows, None)
        yield from chain.finish()
        tally.chains += 1
    while row is not None:
        yield _orphan(row)
        tally.rows += 1
        row = next(rows, None)


def _orphan(linked: _Linked) -> Finding:
    return Finding(linked.row.user_id, linked.row.n, "inserted", "there is no such user's chain")


class _Chain:
    """One chain on its way: the last number and hash that held."""

    def __init__(self, end: _End) -> None:
        self._end = end
        self._n = end.first_n
        self._hash = end.first_hash
        self._at: Any = None

    def take(self, linked: _Linked) -> Iterator[Finding]:
        row, user_id = linked.row, self._end.user_id
        if row.n <= self._n:
            yield Finding(user_id, row.n, "inserted", "there is another row of this number, or it was dropped before")
            return
        if row.n > self._n + 1:
            missing = f"{self._n + 1}" if row.n == self._n + 2 else f"{self._n + 1} to {row.n - 1}"
            yield Finding(user_id, self._n + 1, "deleted", f"missing: {missing}")
        elif linked.prev_hash != self._hash:
            yield Finding(user_id, row.n, "altered", "it does not follow from the row before it")
        if link(linked.prev_hash, row) != linked.hash:
            yield Finding(user_id, row.n, "altered", "its hash is not that of its content")
        if self._at is not None and row.at < self._at:
            yield Finding(user_id, row.n, "reordered", "it is older than the row before it")
        if row.n > self._end.n:
            yield Finding(user_id, row.n, "inserted", f"the chain ends with row {self._end.n}")
        self._n, self._hash, self._at = row.n, linked.hash, row.at

    def finish(self) -> Iterator[Finding]:
        end = self._end
        if self._n < end.n:
            missing = f"{end.n}" if end.n == self._n + 1 else f"{self._n + 1} to {end.n}"
            yield Finding(end.user_id, self._n + 1, "cut", f"missing at the end: {missing}")
        elif self._n == end.n and self._hash != end.hash:
            yield Finding(end.user_id, end.n, "altered", "the chain does not end in the hash it was given")
