"""How far somebody's devices have come, over all instances: gathered here, written once a second.

Only the furthest counts: a notification that one device has shown needs no push. Redis
holds it, so it may be out of reach; then it is not known who has seen what, and whoever
asks is told so.
"""

from __future__ import annotations

import asyncio
import logging

from idling_ws.delivery.fanout import Fanout
from idling_ws.domain.errors import UnavailableError
from idling_ws.store.redis import Keys
from idling_ws.tasks import Tasks
from idling_ws.wire.cursor import Cursor

log = logging.getLogger(__name__)

EVERY_S = 1.0
# Longer than what is due waits at most for its last attempt.
KEPT_S = 900
# One sorted set a user, with one member: of two instances that write, the further one stays (Redis 6.2).
MEMBER = "seq"


class Acknowledged:
    """The newest ``seq`` that a device of each user has applied."""

    def __init__(self, fanout: Fanout, keys: Keys) -> None:
        self._fanout = fanout
        self._keys = keys
        self._newest: dict[int, int] = {}
        self._tasks = Tasks()

    def start(self) -> None:
        """Start writing."""
        self._tasks.start(self._run(), "acknowledged")

    async def stop(self) -> None:
        """Stop writing."""
        await self._tasks.stop()

    def saw(self, user_id: int, cursor: Cursor) -> None:
        """Note that a device of this user has applied everything up to ``cursor``; one of another life says nothing."""
        if cursor.epoch == self._keys.epoch:
            self._note(user_id, cursor.user_seq)

    def _note(self, user_id: int, seq: int) -> None:
        if seq > self._newest.get(user_id, -1):
            self._newest[user_id] = seq

    async def newest(self, user_ids: list[int]) -> tuple[dict[int, int], bool]:
        """Return what is known of these users, and whether that is all: without Redis it is not."""
        known: dict[int, int] = {}
        is_all = True
        try:
            replies = await self._fanout.send(
                [("ZSCORE", self._keys.acknowledged(user_id), MEMBER) for user_id in user_ids]
            )
        except UnavailableError:
            is_all, replies = False, [None] * len(user_ids)
        for user_id, reply in zip(user_ids, replies, strict=True):
            if isinstance(reply, bytes | int | str | float):
                known[user_id] = int(float(reply))
            elif reply is not None:
                is_all = False
        for user_id in user_ids:  # what this instance has not written yet
            if self._newest.get(user_id, -1) > known.get(user_id, -1):
                known[user_id] = self._newest[user_id]
        return known, is_all

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            newest, self._newest = self._newest, {}
            if not newest:
                continue
            try:
                await self._fanout.send(
                    [
                        command
                        for user_id, seq in newest.items()
                        for key in [self._keys.acknowledged(user_id)]
                        for command in (("ZADD", key, "GT", seq, MEMBER), ("EXPIRE", key, KEPT_S))
                    ]
                )
            except UnavailableError:
                log.debug("acknowledgements are not written")
                for user_id, seq in newest.items():
                    self._note(user_id, seq)
            except Exception:
                log.exception("acknowledgements could not be written")
