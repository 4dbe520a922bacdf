"""Announcements as rows: which have to start or to end, and who has yet to hear of them.

All raise ``UnavailableError``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from idling_ws.domain.announcements import EVERYONE, Announcement
from idling_ws.domain.errors import JsonObject
from idling_ws.domain.ids import ALL
from idling_ws.store.postgres import Database


@dataclass(frozen=True, slots=True)
class Pending:
    """An announcement that something is to be done about. ``stream``: where it starts and ends."""

    id: str
    audience: str
    published_by: int
    told_up_to: int | None

    @property
    def stream(self) -> int:
        """The stream that everybody shares, or that of who published it."""
        return ALL if self.audience == EVERYONE else self.published_by


_PENDING = "SELECT id, audience, published_by, told_up_to FROM announcements WHERE withdrawn_at IS NULL AND "


async def _pending(database: Database, condition: str, limit: int) -> list[Pending]:
    return [Pending(*row) for row in await database.run(f"{_PENDING}{condition} LIMIT %s", (limit,))]


async def to_start(database: Database, limit: int) -> list[Pending]:
    """Return those whose start has come."""
    return await _pending(database, "published_at IS NULL AND starts_at <= now() ORDER BY starts_at", limit)


async def to_end(database: Database, limit: int) -> list[Pending]:
    """Return those that stand although their time is over."""
    return await _pending(database, "published_at IS NOT NULL AND expires_at <= now() ORDER BY expires_at", limit)


async def to_tell(database: Database, limit: int) -> list[Pending]:
    """Return those of a narrower audience of which not everybody of it was told."""
    condition = f"published_at IS NOT NULL AND audience <> '{EVERYONE}' AND told_up_to IS NOT NULL ORDER BY id"
    return await _pending(database, condition, limit)


async def audience_after(database: Database, roles: Sequence[str], user_id: int, limit: int) -> list[int]:
    """Return the next users behind ``user_id`` who have one of these roles."""
    rows = await database.run(
        "SELECT DISTINCT user_id FROM roles WHERE role = ANY(%s::text[]) AND user_id > %s ORDER BY user_id LIMIT %s",
        (list(roles), user_id, limit),
    )
    return [row[0] for row in rows]


async def note_told(database: Database, id_: str, up_to: int | None) -> None:
    """Note how far the audience was told; None: all of it."""
    await database.run("UPDATE announcements SET told_up_to = %s WHERE id = %s", (up_to, id_))


async def still_shown_to(database: Database, id_: str, limit: int) -> list[int]:
    """Return users to whom it still shows as a notification."""
    rows = await database.run(
        "SELECT user_id FROM notifications WHERE kind = 'announcement' AND data ->> 'announcement' = %s "
        "AND NOT dismissed ORDER BY user_id LIMIT %s",
        (id_, limit),
    )
    return [row[0] for row in rows]


async def page_of(database: Database, *, after: str | None, limit: int) -> tuple[list[JsonObject], str | None]:
    """Return announcements as who publishes sees them, the newest first, and where the next page begins."""
    rows = await database.run(
        "SELECT row_to_json(a)::text FROM announcements a WHERE %s IS NULL OR id < %s ORDER BY id DESC LIMIT %s",
        (after, after, limit + 1),
    )
    shown = [Announcement.from_row(orjson.loads(row[0])).to_admin() for row in rows[:limit]]
    return shown, shown[-1]["id"] if len(rows) > limit else None
