"""Operator notices as rows: which faults there are, and who has yet to be told.

All raise ``UnavailableError``. The clock is the database's, so that instances need not agree on the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from idling_ws.domain.errors import JsonObject
from idling_ws.domain.notices import Notice
from idling_ws.store.postgres import Database

# An instance says it again every few seconds: who was not heard of for so long is dead, and its faults with it.
FORGOTTEN_S = 30
KEPT_DAYS = 90


async def report(database: Database, instance: str, conditions: Sequence[tuple[str, float]]) -> None:
    """Make these, ``(kind, seconds since it began)``, the faults of an instance."""
    kinds = [kind for kind, _ in conditions]
    await database.run(
        "DELETE FROM operator_conditions WHERE instance = %s AND NOT kind = ANY(%s::text[]); "
        "INSERT INTO operator_conditions AS c (kind, instance, since, seen_at) "
        "SELECT v.kind, %s, now() - make_interval(secs => v.age_s), now() "
        "FROM unnest(%s::text[], %s::float8[]) AS v (kind, age_s) "
        "ON CONFLICT (kind, instance) DO UPDATE SET seen_at = EXCLUDED.seen_at",
        (instance, kinds, instance, kinds, [max(0.0, age_s) for _, age_s in conditions]),
    )


async def raise_and_end(database: Database, ids: Sequence[str], posted_already: Sequence[str]) -> None:
    """Raise a notice for each kind of fault that has none, under one of ``ids``; end those without a fault.

    ``posted_already`` are the kinds that whoever found them has posted when it found them.
    """
    await database.run(
        "WITH standing AS (SELECT kind, min(since) AS since, row_number() OVER (ORDER BY kind) AS n "
        f"FROM operator_conditions WHERE seen_at > now() - interval '{FORGOTTEN_S} seconds' GROUP BY kind), "
        "ended AS (UPDATE operator_notices o SET ended_at = now() "
        "WHERE ended_at IS NULL AND NOT EXISTS (SELECT FROM standing s WHERE s.kind = o.kind)) "
        "INSERT INTO operator_notices (id, kind, raised_at, raised_to_post) "
        "SELECT (%s::text[])[s.n], s.kind, s.since, NOT s.kind = ANY(%s::text[]) FROM standing s "
        "WHERE s.n <= cardinality(%s::text[]) "
        "AND NOT EXISTS (SELECT FROM operator_notices o WHERE o.kind = s.kind AND o.ended_at IS NULL) "
        "ON CONFLICT DO NOTHING",
        (list(ids), list(posted_already), list(ids)),
    )


@dataclass(frozen=True, slots=True)
class Pending:
    """Something that is to be told of a notice: ``state`` is ``raised`` or ``ended``; ``age_s`` since then."""

    notice: Notice
    state: str
    age_s: float


async def pending(database: Database, way: str, limit: int) -> list[Pending]:
    """Return what has yet to be told (``way``: ``tell``) or posted (``post``), the oldest first."""
    assert way in {"tell", "post"}  # noqa: S101 -- it becomes a column's name
    rows = await database.run(
        "SELECT id, kind, raised_at, ended_at, state, extract(epoch FROM now() - at)::float8 FROM ("
        f"SELECT *, 'raised' AS state, raised_at AS at FROM operator_notices WHERE raised_to_{way} UNION ALL "
        f"SELECT *, 'ended', ended_at FROM operator_notices WHERE ended_at IS NOT NULL AND ended_to_{way}"
        ") o ORDER BY id, state DESC LIMIT %s",
        (limit,),
    )
    return [Pending(Notice(row[0], row[1], row[2], row[3]), row[4], row[5]) for row in rows]


async def note_done(database: Database, one: Pending, way: str) -> None:
    """Note that it was told, or posted."""
    assert way in {"tell", "post"}  # noqa: S101 -- it becomes a column's name
    assert one.state in {"raised", "ended"}  # noqa: S101 -- likewise
    await database.run(f"UPDATE operator_notices SET {one.state}_to_{way} = false WHERE id = %s", (one.notice.id,))


async def drop_old(database: Database) -> None:
    """Forget notices that ended long ago, and faults of instances that are gone."""
    await database.run(
        f"DELETE FROM operator_notices WHERE ended_at < now() - interval '{KEPT_DAYS} days'; "
        "DELETE FROM operator_conditions WHERE seen_at < now() - interval '1 hour'"
    )


async def page_of(database: Database, *, after: str | None, limit: int) -> tuple[list[JsonObject], str | None]:
    """Return notices, the newest first, and where the next page begins."""
    rows = await database.run(
        "SELECT row_to_json(o)::text FROM operator_notices o WHERE %s IS NULL OR id < %s ORDER BY id DESC LIMIT %s",
        (after, after, limit + 1),
    )
    shown = [Notice.from_row(orjson.loads(row[0])).to_wire() for row in rows[:limit]]
    return shown, shown[-1]["id"] if len(rows) > limit else None


async def database_time(database: Database) -> datetime:
    """Return what time it is there."""
    moment: datetime = (await database.run("SELECT clock_timestamp()"))[0][0]
    return moment
