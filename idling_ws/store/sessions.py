"""Idle sessions as rows: history, who idles now, and who was heard of when."""

from __future__ import annotations

from datetime import datetime, timedelta

import orjson

from idling_ws.domain.errors import JsonObject
from idling_ws.domain.sessions import Session
from idling_ws.store.postgres import Database
from idling_ws.store.replicas import Reader

TOUCH_CHUNK = 1000
# Further apart than this, a time by the one clock means nothing by the other. Nearer, it is taken as it is: who was
# heard of last is told by milliseconds.
CLOCKS_AGREE_S = 2.0


class SessionStore:
    """Reads of sessions, and the batched heartbeat. ``at`` is where to read what may lag."""

    def __init__(self, database: Database, *, stale_s: float) -> None:
        self._database = database
        self._stale = timedelta(seconds=stale_s)

    async def active(self, user_id: int, *, at: Reader | None = None) -> Session | None:
        """Return the session of a user that runs or is paused."""
        rows = await (at or self._database).run(
            "SELECT row_to_json(s)::text FROM sessions s WHERE user_id = %s AND ended_at IS NULL", (user_id,)
        )
        return Session.from_row(orjson.loads(rows[0][0])) if rows else None

    async def meant(self, user_id: int, mid: str) -> str | None:
        """Return the id of the latest session, or of the one that was the latest when ``mid`` took effect."""
        rows = await self._database.run(
            "SELECT id FROM sessions WHERE user_id = %s AND started_at <= "
            "coalesce((SELECT e.at FROM entries e WHERE e.user_id = %s AND e.mid = %s), 'infinity') "
            "ORDER BY started_at DESC, id DESC LIMIT 1",
            (user_id, user_id, mid),
        )
        return str(rows[0][0]) if rows else None

    async def history(
        self, user_id: int, after: str | None, limit: int, *, at: Reader | None = None
    ) -> tuple[list[Session], str | None]:
        """Return a page of a user's sessions, the newest first, and where the next one begins."""
        rows = await (at or self._database).run(
            "SELECT row_to_json(s)::text FROM sessions s WHERE user_id = %s AND (%s IS NULL OR (started_at, id) < "
            "(SELECT a.started_at, a.id FROM sessions a WHERE a.id = %s AND a.user_id = %s)) "
            "ORDER BY started_at DESC, id DESC LIMIT %s",
            (user_id, after, after, user_id, limit + 1),
        )
        sessions = [Session.from_row(orjson.loads(row[0])) for row in rows[:limit]]
        return sessions, sessions[-1].id if len(rows) > limit else None

    async def lobby(
        self, after: str | None, limit: int, *, at: Reader | None = None
    ) -> tuple[int, list[JsonObject], str | None]:
        """Return how many idle and were heard of lately, a page of them (the newest first), and the next page."""
        rows = await (at or self._database).run(
            "WITH here AS MATERIALIZED (SELECT s.* FROM sessions s "
            "WHERE s.ended_at IS NULL AND s.last_seen_at > now() - %s) "
            "SELECT (SELECT count(*) FROM here), u.id, u.name, row_to_json(h)::text "
            "FROM (SELECT * FROM here WHERE %s IS NULL OR (started_at, id) < "
            "(SELECT a.started_at, a.id FROM sessions a WHERE a.id = %s) "
            "ORDER BY started_at DESC, id DESC LIMIT %s) h JOIN users u ON u.id = h.user_id "
            "ORDER BY h.started_at DESC, h.id DESC",
            (self._stale, after, after, limit + 1),
        )
        if not rows:
            return (await self.count(at=at) if after is not None else 0), [], None
        members: list[JsonObject] = [
            {"user": {"id": row[1], "name": row[2]}, "session": Session.from_row(orjson.loads(row[3])).to_state()}
            for row in rows[:limit]
        ]
        return rows[0][0], members, members[-1]["session"]["id"] if len(rows) > limit else None

    async def count(self, *, at: Reader | None = None) -> int:
        """Return how many idle and were heard of lately."""
        rows = await (at or self._database).run(
            "SELECT count(*) FROM sessions WHERE ended_at IS NULL AND last_seen_at > now() - %s", (self._stale,)
        )
        return int(rows[0][0])

    async def touch(self, seen: dict[int, datetime], as_of: datetime | None = None) -> None:
        """Write down when the owners of running sessions were heard of; never backwards.

        ``as_of`` is what time it is by the clock of ``seen``. Where that is not the database's time, by
        which silence is measured, the times are moved by the difference, and none into the future.

        A row that a mutation holds just now is passed over: waiting for it, with others held,
        could stop that mutation's whole batch, and the next sign of life comes soon.
        """
        listed = list(seen.items())
        for start in range(0, len(listed), TOUCH_CHUNK):
            chunk = listed[start : start + TOUCH_CHUNK]
            await self._database.run(
                "WITH clocks AS (SELECT clock_timestamp() AS now, clock_timestamp() - %s::timestamptz AS apart), "
                "due AS MATERIALIZED (SELECT s.id, v.at FROM (SELECT user_id, CASE "
                "WHEN abs(extract(epoch FROM apart)) > %s THEN least(now, said.at + apart) ELSE said.at END AS at "
                "FROM clocks, unnest(%s::bigint[], %s::timestamptz[]) AS said (user_id, at)) v "
                "JOIN sessions s ON s.user_id = v.user_id AND s.ended_at IS NULL AND s.last_seen_at < v.at "
                "FOR NO KEY UPDATE OF s SKIP LOCKED) "
                "UPDATE sessions s SET last_seen_at = due.at FROM due WHERE s.id = due.id",
                (as_of, CLOCKS_AGREE_S, [user_id for user_id, _ in chunk], [at for _, at in chunk]),
            )

    async def leave(self, user_ids: list[int]) -> None:
        """Let these users be away at once: they said goodbye on their last device."""
        await self._database.run(
            "UPDATE sessions SET last_seen_at = least(last_seen_at, now() - %s) "
            "WHERE user_id = ANY(%s) AND ended_at IS NULL",
            (self._stale, user_ids),
        )

    async def leave_unless_seen(self, seen: dict[int, datetime]) -> set[int]:
        """Let these users be away at once, but for those who were heard of later than that; return who is away."""
        rows = await self._database.run(
            "UPDATE sessions s SET last_seen_at = least(s.last_seen_at, now() - %s) "
            "FROM unnest(%s::bigint[], %s::timestamptz[]) AS v (user_id, at) "
            "WHERE s.user_id = v.user_id AND s.ended_at IS NULL AND s.last_seen_at <= v.at RETURNING s.user_id",
            (self._stale, list(seen), list(seen.values())),
        )
        return {row[0] for row in rows}

    async def silent(self, for_s: float, limit: int) -> list[tuple[int, str]]:
        """Return ``(user_id, session id)`` of running sessions whose owners were not heard of for so long."""
        rows = await self._database.run(
            "SELECT user_id, id FROM sessions "
            "WHERE ended_at IS NULL AND last_seen_at < now() - make_interval(secs => %s) "
            "ORDER BY last_seen_at LIMIT %s",
            (for_s, limit),
        )
        return [(row[0], row[1]) for row in rows]
