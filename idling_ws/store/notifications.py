"""Notifications as rows, for whoever reads them page by page."""

from __future__ import annotations

import orjson

from idling_ws.domain.errors import JsonObject
from idling_ws.domain.notifications import Notification
from idling_ws.store.postgres import Database


async def page_of(
    database: Database, user_id: int, *, unread_only: bool, after: str | None, limit: int
) -> tuple[list[JsonObject], int, str | None]:
    """Return what was not dismissed, the newest first; how many are unread; and where the next page begins.

    Raises ``UnavailableError``.
    """
    rows = await database.run(
        "SELECT row_to_json(n)::text FROM notifications n WHERE user_id = %s AND NOT dismissed "
        "AND (NOT %s OR NOT read) AND (%s IS NULL OR id < %s) ORDER BY id DESC LIMIT %s",
        (user_id, unread_only, after, after, limit + 1),
    )
    counted = await database.run(
        "SELECT count(*) FROM notifications WHERE user_id = %s AND NOT dismissed AND NOT read", (user_id,)
    )
    shown = [Notification.from_row(orjson.loads(row[0])).to_state() for row in rows[:limit]]
    return shown, counted[0][0], shown[-1]["id"] if len(rows) > limit else None
