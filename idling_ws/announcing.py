"""Announcing: what starts, tells and ends announcements in time. One instance does it for all, whoever holds the lease.

Each step is a change of its own that is refused when it was made already, so that nothing is told
twice and what a dead instance left half done goes on with the next one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable

from idling_ws.domain.announcements import AUDIENCES
from idling_ws.domain.errors import IdlingError, RejectedError, UnavailableError
from idling_ws.mutations.pipeline import Pipeline
from idling_ws.store import announcements as rows
from idling_ws.store.leases import Leases
from idling_ws.store.postgres import Database

log = logging.getLogger(__name__)

EVERY_S = 2.0
AT_ONCE = 100
"""People told at once: a batch or two of the committer, so that nobody's changes wait behind an audience."""


class Announcing:
    """Brings announcements up to now."""

    def __init__(self, database: Database, leases: Leases, pipeline: Pipeline) -> None:
        self._database = database
        self._leases = leases
        self._pipeline = pipeline

    async def run(self) -> None:
        """Start what is to start, tell who is to be told, end what is over. Raises ``UnavailableError``."""
        if not await self._has_lease():
            return
        for one in await rows.to_start(self._database, AT_ONCE):
            await self._change(one.stream, "announcement.start", one.id)
        for one in await rows.to_end(self._database, AT_ONCE):
            if await self._untell(one):
                await self._change(one.stream, "announcement.expire", one.id)
        for one in await rows.to_tell(self._database, AT_ONCE):
            await self._tell(one)

    async def _has_lease(self) -> bool:
        return await self._leases.take("announcements", 5 * EVERY_S)

    async def _tell(self, one: rows.Pending) -> None:
        """Tell the audience, from where it was told up to."""
        up_to, roles = one.told_up_to or 0, AUDIENCES[one.audience]
        while await self._has_lease():
            users = await rows.audience_after(self._database, roles, up_to, AT_ONCE)
            await _all(self._change(user_id, "announcement.tell", one.id) for user_id in users)
            up_to = users[-1] if users else up_to
            is_all = len(users) < AT_ONCE
            await rows.note_told(self._database, one.id, None if is_all else up_to)
            if is_all:
                return

    async def _untell(self, one: rows.Pending) -> bool:
        """Take it back from whoever was told; True when nobody is left."""
        while users := await rows.still_shown_to(self._database, one.id, AT_ONCE):
            if not await self._has_lease():
                return False
            if not any(await _all(self._change(user_id, "announcement.untell", one.id) for user_id in users)):
                return False  # refused, all of them: look again later instead of turning here
        return True

    async def _change(self, user_id: int, name: str, id_: str) -> bool:
        """Make one change; False when it was made already, or is not to be made (any more)."""
        try:
            await self._pipeline.submit_own(user_id, name, {"id": id_})
        except RejectedError:
            return False
        except UnavailableError:
            raise
        except IdlingError as exc:
            log.warning("%s of %s for user %d failed: %s", name, id_, user_id, exc.code)
            return False
        return True


async def _all(changes: Iterable[Awaitable[bool]]) -> list[bool]:
    """Make these at once, so that they are committed together. Raises ``UnavailableError`` once all have ended."""
    results = await asyncio.gather(*changes, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result is True for result in results]
