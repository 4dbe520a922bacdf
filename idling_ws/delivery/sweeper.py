"""The sweeper: finds what was committed and never announced, and tells.

Every instance looks every half second. What it finds it hands to its own devices at
once, straight from Postgres; so a Redis that is away delays other instances' entries
by two seconds at most. If Redis is there, it announces the heads and clears the rows.
An instance that does not hear Redis itself compares all its streams with the database
instead, for as long as that lasts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from idling_ws.delivery.fanout import Fanout
from idling_ws.delivery.hub import Hub
from idling_ws.delivery.publisher import Publisher
from idling_ws.domain.errors import UnavailableError
from idling_ws.store.cache_drops import Drops
from idling_ws.store.outbox import Outbox
from idling_ws.tasks import Tasks

log = logging.getLogger(__name__)

EVERY_S = 0.5
# A row younger than this is on its way: it was written just now, and its mark comes every 0.25 s.
OLDER_THAN_S = 0.7
LIMIT = 2000


class Sweeper:
    """Owns the sweep of one instance."""

    def __init__(self, outbox: Outbox, hub: Hub, publisher: Publisher, fanout: Fanout, drops: Drops) -> None:
        self._outbox = outbox
        self._hub = hub
        self._publisher = publisher
        self._fanout = fanout
        self._drops = drops
        self._tasks = Tasks()
        self._wake = asyncio.Event()
        self._must_compare = False
        self.swept = 0
        self.database_answers = True
        """As of the last sweep: what is known without asking."""
        self.database_takes_changes = True
        """Likewise. A standby answers and takes none, nor does a primary without room."""

    def start(self) -> None:
        """Start sweeping."""
        self._tasks.start(self._run(), "sweeper")

    async def stop(self) -> None:
        """Stop sweeping."""
        await self._tasks.stop()

    def compare_soon(self) -> None:
        """Compare the heads of all streams here with the database, now, or as soon as that answers."""
        self._must_compare = True
        self._wake.set()

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self.sweep()
            except UnavailableError:
                self._must_compare = True  # rows may come and go while we cannot look
            except Exception:
                log.exception("a sweep failed")

    async def sweep(self) -> None:
        """Look once. Raises ``UnavailableError``."""
        try:
            found, self.database_takes_changes = await self._outbox.left_behind(OLDER_THAN_S, LIMIT)
        except UnavailableError:
            self.database_answers = self.database_takes_changes = False
            raise
        self.database_answers = True
        if self._must_compare or len(found) == LIMIT:
            self._must_compare = False
            try:
                await self._hub.compare_heads()
            except UnavailableError:
                self._must_compare = True
                raise
        elif not self._fanout.healthy:
            # While we are deaf others still hear: they announce, and clear the rows that we would go by. Of a
            # cluster some nodes are heard, and what they carry needs no looking after.
            await self._hub.compare_heads(
                [user_id for user_id in self._hub.users if not self._fanout.hears_stream(user_id)]
            )
        if not found:
            return
        self.swept += len(found)
        for user_id, seq in found:
            # What Redis has cached of them may be old, and nobody else has said so. Here at once, not when it is
            # announced: whoever reads past a Redis that is away must not read older values once it is back.
            self._drops.note_position(user_id, seq)
            self._hub.notice_head(user_id, seq)
        if self._fanout.hears_some:
            await self._publisher.announce_heads(found)
