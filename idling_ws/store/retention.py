"""Retention: what is old enough goes, in small batches that nobody notices.

An entry without a verdict goes with the replay window; one that carries a verdict stays
longer, because its ``mid`` may still be sent again by a device that was away. The audit
trail goes by whole months, and remembers where its chains go on.
"""

from __future__ import annotations

from idling_ws.store.postgres import Database

BATCH = 2000
VERDICTS_S = 30 * 86400.0
# As long, so that who dismisses one late hears that it is gone, not that it never was.
DISMISSED_S = 30 * 86400.0
# A month of the audit trail is read once before it goes.
AUDIT_TIMEOUT_S = 60.0


class Retention:
    """Deletes old rows."""

    def __init__(
        self, database: Database, *, entries_s: float, audit_days: int, verdicts_s: float = VERDICTS_S
    ) -> None:
        self._database = database
        self._audit_days = audit_days
        self._entries_s = entries_s
        self._verdicts_s = max(verdicts_s, entries_s)

    async def run(self) -> int:
        """Delete everything that is over; return how many rows and months went. Raises ``UnavailableError``.

        The newest entry of a stream stays, so that a cursor at the head still joins on.
        """
        gone = 0
        for sql, age_s in (
            (
                "DELETE FROM entries WHERE (user_id, seq) IN (SELECT e.user_id, e.seq FROM entries e "
                "JOIN streams s ON s.user_id = e.user_id AND s.seq > e.seq WHERE e.mid IS NULL "
                "AND e.at < now() - make_interval(secs => %s) LIMIT %s)",
                self._entries_s,
            ),
            (
                "DELETE FROM entries WHERE (user_id, seq) IN (SELECT e.user_id, e.seq FROM entries e "
                "JOIN streams s ON s.user_id = e.user_id AND s.seq > e.seq "
                "WHERE e.at < now() - make_interval(secs => %s) LIMIT %s)",
                self._verdicts_s,
            ),
            (
                "DELETE FROM notifications WHERE id IN (SELECT n.id FROM notifications n WHERE n.dismissed "
                "AND n.created_at < now() - make_interval(secs => %s) LIMIT %s)",
                DISMISSED_S,
            ),
            (
                "DELETE FROM shared_entries WHERE seq IN (SELECT e.seq FROM shared_entries e "
                "WHERE e.at < now() - make_interval(secs => %s) "
                "AND e.seq < (SELECT s.seq FROM streams s WHERE s.user_id = 0) LIMIT %s)",
                self._entries_s,
            ),
        ):
            while True:
                async with self._database.connection() as connection:
                    await connection.run(sql, (age_s, BATCH))
                    deleted = connection.row_count
                gone += deleted
                if deleted < BATCH:
                    break
        return gone + await self._drop_audit_months()

    async def _drop_audit_months(self) -> int:
        async with self._database.transaction() as connection:
            await connection.run(f"SET LOCAL statement_timeout = {int(1000 * AUDIT_TIMEOUT_S)}")
            [(months,)] = await connection.run(
                "SELECT audit_log_drop_before(now() - make_interval(days => %s))",
                (self._audit_days,),
                timeout_s=AUDIT_TIMEOUT_S,
            )
        return int(months)
