"""Leases: a job that only one instance may do, done by whoever holds its row.

A holder that dies loses it when the time is over; nobody has to clean up. The clock is
the database's, so instances need not agree on the time.
"""

from __future__ import annotations

from idling_ws.store.postgres import Database


class Leases:
    """Leases of one instance."""

    def __init__(self, database: Database, holder: str) -> None:
        self._database = database
        self._holder = holder

    async def take(self, name: str, for_s: float) -> bool:
        """Take or extend a lease. False while somebody else holds it."""
        rows = await self._database.run(
            "INSERT INTO leases (name, holder, until) VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s)) "
            "ON CONFLICT (name) DO UPDATE SET holder = EXCLUDED.holder, until = EXCLUDED.until "
            "WHERE leases.holder = EXCLUDED.holder OR leases.until < clock_timestamp() RETURNING 1",
            (name, self._holder, for_s),
        )
        return bool(rows)

    async def give_up(self) -> None:
        """Let every lease of this instance go."""
        await self._database.run("DELETE FROM leases WHERE holder = %s", (self._holder,))
