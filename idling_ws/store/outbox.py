"""The outbox: streams whose newest entry nobody has announced yet, one row each.

Written in the mutation's own transaction, cleared when Redis has heard. ``at`` is when
the first of the unannounced entries came. What stays longer than a moment was left by
a process that died or by a Redis that is away.
"""

from __future__ import annotations

from idling_ws.store.postgres import Database


class Outbox:
    """Reads and clears outbox rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def clear(self, marks: dict[int, int]) -> None:
        """Clear the rows of these streams as far as ``{user_id: seq}``.

        A row that has gone further meanwhile stays, and counts as new from now on: else a stream
        that never rests would look left behind for ever. One that is being written right now is
        skipped, and cleared with the next mark.
        """
        await self._database.run(
            "WITH marked AS (SELECT o.user_id, o.seq > v.seq AS has_more FROM outbox o "
            "JOIN unnest(%s::bigint[], %s::bigint[]) AS v (user_id, seq) ON v.user_id = o.user_id "
            "FOR UPDATE OF o SKIP LOCKED), "
            "announced AS (DELETE FROM outbox o USING marked m WHERE o.user_id = m.user_id AND NOT m.has_more) "
            "UPDATE outbox o SET at = clock_timestamp() FROM marked m WHERE o.user_id = m.user_id AND m.has_more",
            (list(marks), list(marks.values())),
        )

    async def left_behind(self, older_than_s: float, limit: int) -> tuple[list[tuple[int, int]], bool]:
        """Return ``(user_id, seq)`` of rows older than that, the newest first, and whether changes are taken."""
        rows = await self._database.run(
            "SELECT o.user_id, o.seq, current_setting('transaction_read_only') = 'off' FROM (VALUES (1)) AS one (n) "
            "LEFT JOIN (SELECT user_id, seq, at FROM outbox WHERE at < clock_timestamp() - make_interval(secs => %s) "
            "ORDER BY at DESC LIMIT %s) o ON true ORDER BY o.at DESC",
            (older_than_s, limit),
        )
        takes_changes = rows[0][2] and not self._database.is_full
        return [(row[0], row[1]) for row in rows if row[0] is not None], takes_changes
