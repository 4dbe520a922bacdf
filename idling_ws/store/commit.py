"""The mutation transaction: the one place where changes become durable.

One transaction carries a batch, one mutation per user, in two round trips:

1. ``open``: BEGIN, lock the streams in id order, then read, under the locks, heads,
   receipts and the facts that the rules asked for.
2. ``commit``: new heads, entries, outbox, audit and rows, and COMMIT.

Between the two run the rules, pure functions over the facts, so a business rejection
needs no savepoint: nothing was written yet. The row lock of a stream makes commit
order and ``seq`` order the same without any global lock. Locks are always taken in
id order, so two batches can wait for each other but never in a circle.

The lock is a statement of its own because at READ COMMITTED a statement that waited
for a lock still sees other tables as they were before the wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from idling_ws.domain.ids import ALL
from idling_ws.domain.writes import Write
from idling_ws.store.audit import AuditRow, link
from idling_ws.store.facts import FACTS, Facts, read_facts
from idling_ws.store.postgres import Connection, Database
from idling_ws.store.writers import WRITERS


@dataclass(slots=True)
class StreamHead:
    """A locked stream: how far it is, and the end of its audit chain."""

    seq: int
    audit_n: int
    audit_hash: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a ``mid`` that was seen before: the entry that carries its verdict."""

    seq: int
    args_hash: bytes
    frame: str


@dataclass(frozen=True, slots=True)
class Ask:
    """What one mutation of a batch wants to know. ``also`` are further users it touches."""

    user_id: int
    mid: str | None
    keys: dict[str, Any]
    facts: tuple[str, ...]
    also: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class NewEntry:
    """One entry to store: ``user_id`` is the stream, ``ALL`` the shared one."""

    user_id: int
    seq: int
    mid: str | None
    args_hash: bytes | None
    frame: bytes


@dataclass(slots=True)
class Change:
    """Everything a batch writes."""

    entries: list[NewEntry] = field(default_factory=list)
    audit: list[AuditRow] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Opened:
    """What ``open`` found: locked heads by user, and per mutation its receipt and facts.

    A user without a stream has no head: such a user does not exist.
    """

    heads: dict[int, StreamHead]
    found: list[tuple[Receipt | None, Facts]]


# Whom a mutation touches beside its sender, by its keys ``k.keys``. The answer must never change
# afterwards: it is looked up before anything is locked.
TOUCHED: dict[str, str] = {
    "owner_of_session": "(SELECT s.user_id FROM sessions s WHERE s.id = k.keys ->> 'session')",
    "owner_of_custom_emoji": "(SELECT c.user_id FROM custom_emojis c WHERE c.id = k.keys ->> 'id')",
    "named_user": "(SELECT u.id FROM users u WHERE u.id = (k.keys ->> 'user')::bigint)",
}


async def find_users(database: Database, asked: list[tuple[str, dict[str, Any]]]) -> list[int | None]:
    """Return the user that each ``(name in TOUCHED, keys)`` finds, or None. Raises ``UnavailableError``."""
    found: list[int | None] = [None] * len(asked)
    for name in sorted({name for name, _ in asked}):
        places = [place for place, (other, _) in enumerate(asked) if other == name]
        rows = await database.run(
            f"SELECT k.i, {TOUCHED[name]} FROM unnest(%s::json[]) WITH ORDINALITY AS k (keys, i)",
            ([orjson.dumps(asked[place][1]).decode() for place in places],),
        )
        for index, user_id in rows:
            found[places[index - 1]] = user_id
    return found


_LOAD = """
SELECT r.i, s.seq, s.audit_n, s.audit_hash, e.seq, e.args_hash, e.frame{facts}
FROM unnest(%s::bigint[], %s::text[], %s::json[]) WITH ORDINALITY AS r (user_id, mid, keys, i)
JOIN streams s ON s.user_id = r.user_id
LEFT JOIN entries e ON e.user_id = r.user_id AND e.mid = r.mid"""

_OPEN = "BEGIN; SELECT FROM streams WHERE user_id = ANY(%s) ORDER BY user_id FOR UPDATE;"

_load_statements: dict[tuple[str, ...], str] = {}


def _load_statement(names: tuple[str, ...]) -> str:
    statement = _load_statements.get(names)
    if statement is None:
        statement = _OPEN + _LOAD.format(facts="".join(f", {FACTS[name]} AS {name}" for name in names))
        _load_statements[names] = statement
    return statement


async def open_batch(connection: Connection, asks: Sequence[Ask]) -> Opened:
    """Begin, lock and read. Raises ``UnavailableError``; the caller then discards the connection."""
    names = tuple(sorted({name for ask in asks for name in ask.facts}))
    users = sorted({user for ask in asks for user in (ask.user_id, *ask.also)})
    extra = [user for user in users if user not in {ask.user_id for ask in asks}]
    rows = await connection.run(
        _load_statement(names),
        (
            users,
            [ask.user_id for ask in asks] + extra,
            [ask.mid for ask in asks] + [None] * len(extra),
            [orjson.dumps(ask.keys).decode() for ask in asks] + ["{}"] * len(extra),
        ),
    )
    heads: dict[int, StreamHead] = {}
    found: list[tuple[Receipt | None, Facts]] = [(None, {}) for _ in asks]
    all_users = [ask.user_id for ask in asks] + extra
    for index, seq, audit_n, audit_hash, receipt_seq, args_hash, frame, *columns in rows:
        heads[all_users[index - 1]] = StreamHead(seq, audit_n, bytes(audit_hash))
        if index <= len(asks):
            receipt = None if receipt_seq is None else Receipt(receipt_seq, bytes(args_hash or b""), frame)
            found[index - 1] = (receipt, read_facts(names, tuple(columns)))
    return Opened(heads, found)


async def commit_batch(connection: Connection, heads: dict[int, StreamHead], change: Change, now: datetime) -> None:
    """Write everything and commit. Raises ``UniqueViolationError``, or ``UnavailableError`` with
    the outcome unknown: the entry may be there, and a repeated ``mid`` will tell.
    """
    statements: list[str] = []
    params: list[Any] = []

    def add(sql: str, row_shape: str, rows: Iterable[Sequence[Any]], tail: str = "") -> None:
        listed = list(rows)
        if listed:
            statements.append(sql + ", ".join([row_shape] * len(listed)) + tail)
            for row in listed:
                params.extend(row)

    own = [entry for entry in change.entries if entry.user_id != ALL]
    shared = [entry for entry in change.entries if entry.user_id == ALL]
    touched = sorted({entry.user_id for entry in change.entries} | {row.user_id for row in change.audit})
    audit_rows: list[Sequence[Any]] = []
    for row in change.audit:
        head = heads[row.user_id]
        prev_hash, head.audit_hash = head.audit_hash, link(head.audit_hash, row)
        audit_rows.append(
            (
                row.user_id, row.n, row.at, row.actor, row.action, row.outcome, row.mid, row.seq,
                row.trace_id, row.address, row.before, row.after, prev_hash, head.audit_hash,
            )
        )  # fmt: skip
    add(
        "UPDATE streams s SET seq = v.seq, audit_n = v.audit_n, audit_hash = v.audit_hash FROM (VALUES ",
        "(%s::bigint, %s::bigint, %s::bigint, %s::bytea)",
        [(user, heads[user].seq, heads[user].audit_n, heads[user].audit_hash) for user in touched],
        ") AS v (user_id, seq, audit_n, audit_hash) WHERE s.user_id = v.user_id",
    )
    add(
        "INSERT INTO entries (user_id, seq, mid, args_hash, frame, at) VALUES ",
        "(%s, %s, %s, %s, %s, %s)",
        [(entry.user_id, entry.seq, entry.mid, entry.args_hash, entry.frame.decode(), now) for entry in own],
    )
    add(
        "INSERT INTO shared_entries (seq, frame, at) VALUES ",
        "(%s, %s, %s)",
        [(entry.seq, entry.frame.decode(), now) for entry in shared],
    )
    latest = {entry.user_id: entry.seq for entry in change.entries}
    add(
        "INSERT INTO outbox (user_id, seq, at) VALUES ",
        "(%s, %s, clock_timestamp())",
        sorted(latest.items()),
        " ON CONFLICT (user_id) DO UPDATE SET seq = EXCLUDED.seq",
    )
    add(
        "INSERT INTO audit_log (user_id, n, at, actor, action, outcome, mid, seq, trace_id, address, before, after, "
        "prev_hash, hash) VALUES ",
        "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        audit_rows,
    )
    for write in change.writes:
        sql, values = WRITERS[type(write)](write)
        statements.append(sql)
        params.extend(values)
    statements.append("COMMIT")
    await connection.run("; ".join(statements), params)
