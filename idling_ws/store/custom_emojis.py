"""Custom emoji as rows: one's own, what waits for a moderator, and which files are still needed.

Two people may bring the same picture, which is stored once. Whoever deletes a file that
nothing refers to, and whoever has just begun to refer to one, take turns by an advisory
lock on its digest: the first looks for rows under the lock, the second looks for the file
after it. So no row is left without its file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson

from idling_ws.domain.custom_emojis import CustomEmoji
from idling_ws.domain.errors import JsonObject
from idling_ws.store.postgres import Database

# The lock of a digest: a constant that no other lock of ours has, and 32 bits of the digest.
_LOCK = "SELECT pg_advisory_xact_lock(4941012, hashtext(%s))"


class CustomEmojiRows:
    """Reads of custom emoji. All raise ``UnavailableError``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_user(self, user_id: int) -> list[CustomEmoji]:
        """Return somebody's own, the oldest first."""
        rows = await self._database.run(
            "SELECT row_to_json(c)::text FROM custom_emojis c WHERE user_id = %s AND deleted_at IS NULL ORDER BY id",
            (user_id,),
        )
        return [CustomEmoji.from_row(orjson.loads(row[0])) for row in rows]

    async def of_status(self, status: str, after: str | None, limit: int) -> tuple[list[JsonObject], str | None]:
        """Return a page of everybody's with that status, each with its ``user``, and where the next page begins."""
        rows = await self._database.run(
            "SELECT row_to_json(c)::text, u.id, u.name FROM custom_emojis c JOIN users u ON u.id = c.user_id "
            "WHERE c.status = %s AND c.deleted_at IS NULL AND (%s IS NULL OR c.id > %s) ORDER BY c.id LIMIT %s",
            (status, after, after, limit + 1),
        )
        shown = [
            {**CustomEmoji.from_row(orjson.loads(row)).to_state(), "user": {"id": user_id, "name": name}}
            for row, user_id, name in rows[:limit]
        ]
        return shown, shown[-1]["id"] if len(rows) > limit else None

    @asynccontextmanager
    async def file_unneeded(self, digest: str) -> AsyncIterator[bool]:
        """Tell whether no custom emoji refers to a file; nobody counts on it while the block runs."""
        async with self._database.transaction() as connection:
            await connection.run(_LOCK, (digest,))
            rows = await connection.run("SELECT EXISTS (SELECT FROM custom_emojis WHERE digest = %s)", (digest,))
            yield not rows[0][0]

    async def file_needed(self, digest: str) -> None:
        """Wait for whoever deletes that file just now; from now on nobody will, for a row refers to it."""
        await self._database.run(_LOCK, (digest,))
