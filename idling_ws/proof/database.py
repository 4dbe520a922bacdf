"""The database's side: what was confirmed must stand there, as it was told, and nothing else may.

Rows come through a server-side cursor in the order of the streams, so memory does not
grow with the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import orjson
import psycopg2

from idling_ws.proof.checker import Checker
from idling_ws.proof.columns import SeqColumn, number_of
from idling_ws.proof.digests import digest_of
from idling_ws.proof.findings import Promise
from idling_ws.proof.reading import UnusableError
from idling_ws.proof.streams import EVERYBODY

FETCH_ROWS = 5000
CONNECT_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Row:
    """One entry as the database has it."""

    user: int
    seq: int
    mid: str | None
    frame: bytes


@dataclass(slots=True)
class _Stretch:
    """The rows of one stream: kept since ``first`` (retention may have taken older ones)."""

    first: int = 0
    last: int = 0


def check_rows(checker: Checker, database_url: str) -> None:
    """Hold a history against the tables of the log. Raises ``UnusableError`` when they cannot be read."""
    try:
        with closing(psycopg2.connect(database_url, connect_timeout=CONNECT_TIMEOUT_S)) as connection:
            # One snapshot for all, so that a server still at work is judged at one moment.
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            epoch = _epoch(connection)
            users = sorted(user for user, own in checker.users.items() if own == epoch)
            if len(users) < len(checker.users):
                checker.findings.leave_open("users whose epoch is not the database's", len(checker.users) - len(users))
            rows = _rows(
                connection,
                "SELECT user_id, seq, mid, frame FROM entries WHERE user_id = ANY(%s) ORDER BY user_id, seq",
                users,
            )
            Comparison(checker, epoch).run(rows, users)
            shared = _rows(connection, "SELECT 0, seq, NULL, frame FROM shared_entries ORDER BY seq", None)
            Comparison(checker, epoch).compare(shared)
    except psycopg2.Error as error:
        raise UnusableError(f"the database: {str(error).strip()}") from error


def _epoch(connection: psycopg2.extensions.connection) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT epoch FROM log_epoch")
        row = cursor.fetchone()
        if row is None:
            raise UnusableError("the database: its log has no epoch")
        return str(row[0])


def _rows(connection: psycopg2.extensions.connection, statement: str, users: list[int] | None) -> Iterator[Row]:
    with connection.cursor("history_rows") as cursor:
        cursor.itersize = FETCH_ROWS
        cursor.execute(statement, None if users is None else (users,))
        for user, seq, mid, frame in cursor:
            text = frame.encode() if isinstance(frame, str) else bytes(frame)
            yield Row(user, seq, mid, text)


def _owner(user: int) -> str:
    return "everybody" if user == EVERYBODY else f"user {user}"


class Comparison:
    """Compares rows with what devices saw and were told."""

    def __init__(self, checker: Checker, epoch: str) -> None:
        self._checker = checker
        self._findings = checker.findings
        self._epoch = epoch
        self._stretches: dict[int, _Stretch] = {}

    def run(self, rows: Iterator[Row], users: list[int]) -> None:
        """Compare the rows of ``users``, then look for what has none."""
        self.compare(rows)
        for user in users:
            stretch = self._stretches.get(user, _Stretch())
            for seq, _digest in self._checker.streams.log(user, self._epoch).column:
                if seq > stretch.last:
                    self._findings.refute(
                        Promise.P1, f"entry {seq} of user {user} was delivered, but its rows end at {stretch.last}"
                    )
        self._find_absent(set(users))

    def compare(self, rows: Iterator[Row]) -> None:
        """Compare row by row, in the order of the streams."""
        for row in rows:
            self._findings.count(Promise.P1, "rows read")
            stretch = self._stretches.setdefault(row.user, _Stretch(row.seq, row.seq - 1))
            if row.seq != stretch.last + 1:
                self._findings.refute(
                    Promise.P1, f"the rows of {_owner(row.user)} go from entry {stretch.last} to {row.seq}"
                )
            stretch.last = row.seq
            self._compare_frame(row, self._checker.streams.log(row.user, self._epoch).column)

    def _compare_frame(self, row: Row, column: SeqColumn) -> None:
        frame = orjson.loads(row.frame)
        seen = column.get(row.seq)
        if seen:
            self._findings.count(Promise.P1, "rows equal to what was delivered")
            if seen != number_of(digest_of(frame)):
                self._findings.refute(
                    Promise.P1, f"entry {row.seq} of {_owner(row.user)} was delivered other than its row says"
                )
        if row.mid is None:
            return
        verdict = frame["items"][-1] if frame["items"] else {}
        if verdict.get("kind") != "verdict" or verdict.get("mid") != row.mid:
            self._findings.refute(
                Promise.P3, f"the row of entry {row.seq} of user {row.user} has no verdict of {row.mid}"
            )
            return
        self._checker.ledger.in_row(row.mid, row.user, row.seq, verdict["status"])

    def _find_absent(self, users: set[int]) -> None:
        for line in self._checker.ledger:
            if line.user not in users or line.status == "no verdict" or not line.seq:
                continue
            if line.in_rows:
                self._findings.count(Promise.P1, f"{line.status} mutations found in the database")
            elif line.seq < self._stretches.get(line.user, _Stretch()).first:
                self._findings.leave_open("verdicts older than the rows that the database keeps")
            else:
                self._findings.refute(
                    Promise.P1,
                    f"mutation {line.mid} of user {line.user} was told {line.status} as entry {line.seq},"
                    " and has no row",
                )
