"""What every instance has to hear of: ended logins, and users whose rights have changed.

Rows are written in the transaction that ends or changes something, and read by time
with an overlap: a row of a transaction that committed late is not stepped over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from idling_ws.store.postgres import Connection, Database


@dataclass(frozen=True, slots=True)
class RevocationRow:
    """``login_id`` is None when it is about the user; times are the database's."""

    id: int
    at: datetime
    user_id: int
    login_id: str | None
    reason: str
    until: datetime | None
    connection: str | None = None


async def revoked_since(
    database: Database, since: datetime | None, window_s: float
) -> tuple[list[RevocationRow], datetime]:
    """Return all since then, oldest first, and the time by the database's clock.

    Without a ``since``: all of the last ``window_s`` seconds.
    """
    rows = await database.run(
        "SELECT clock_timestamp(), id, at, user_id, login_id, reason, until, connection FROM (SELECT 1) AS always"
        " LEFT JOIN revocations ON at >= coalesce(%s, clock_timestamp() - %s * interval '1 second') ORDER BY id",
        (since, window_s),
    )
    return [RevocationRow(*row[1:]) for row in rows if row[1] is not None], rows[0][0]


async def suspended_users(database: Database) -> list[tuple[int, datetime]]:
    """Return who is suspended now, and until when."""
    rows = await database.run("SELECT id, suspended_until FROM users WHERE suspended_until > clock_timestamp()")
    return [(user_id, until) for user_id, until in rows]


async def tell(run: Connection | Database, user_id: int, reason: str, connection: str | None = None) -> None:
    """Let every instance hear of something about a user, or one connection, or with 0 about everybody."""
    await run.run(
        "INSERT INTO revocations (user_id, reason, connection) VALUES (%s, %s, %s)", (user_id, reason, connection)
    )


async def delete_before(run: Connection | Database, before: datetime, limit: int = 1000) -> int:
    """Drop up to ``limit`` rows that everybody has heard of; return how many."""
    rows = await run.run(
        "DELETE FROM revocations WHERE id IN (SELECT id FROM revocations WHERE at < %s ORDER BY id LIMIT %s)"
        " RETURNING id",
        (before, limit),
    )
    return len(rows)
