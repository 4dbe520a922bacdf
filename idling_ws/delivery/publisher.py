"""The publisher: tells Redis what was committed, in one round trip for all that is ready.

If the process dies before it could, or Redis is away, the outbox row that was written
in the same transaction remains, and the sweeper of any instance goes by that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from idling_ws.delivery.fanout import Fanout
from idling_ws.delivery.redis_line import Command
from idling_ws.domain.errors import UnavailableError
from idling_ws.store.cache_drops import Drops
from idling_ws.store.log import Tails
from idling_ws.store.outbox import Outbox
from idling_ws.store.redis import Keys
from idling_ws.tasks import Tasks

log = logging.getLogger(__name__)

# Beyond this the entries are left to the sweeper: a queue must not grow with an outage.
MAX_PENDING = 5000
MAX_PER_FLUSH = 500
# Beyond this, what is cached of somebody else ends by its own time after a long outage.
MAX_OWED = 100_000
MARK_EVERY_S = 0.25


class Publisher:
    """Owns what was committed here and not yet announced."""

    def __init__(self, fanout: Fanout, tails: Tails, keys: Keys, outbox: Outbox, drops: Drops) -> None:
        self._fanout = fanout
        self._tails = tails
        self._keys = keys
        self._outbox = outbox
        self._drops = drops
        self._pending: list[tuple[int, int, bytes]] = []
        self._extra: list[Command] = []
        self._announced: dict[int, int] = {}
        # Streams of which an entry was left to the sweeper: before anything later of them is told, and
        # the sweeper finds nothing any more, everything that is cached of them is dropped.
        self._owed: dict[int, int] = {}
        self._wake = asyncio.Event()
        self._tasks = Tasks()
        self.published = 0
        self.left_to_sweeper = 0

    def start(self) -> None:
        """Start announcing."""
        self._tasks.start(self._run(), "publisher")
        self._tasks.start(self._run_marks(), "publisher-marks")

    async def stop(self) -> None:
        """Stop, with everything announced that is ready; what cannot be is left to the other instances."""
        await self._tasks.stop()
        while self._pending:
            await self._flush()
        await self._flush_marks()

    @property
    def waiting(self) -> int:
        """Entries and messages that Redis was not told of yet."""
        return len(self._pending) + len(self._extra)

    @property
    def owed(self) -> int:
        """Streams of which an entry was left to the sweeper, and whose cached values are still to be dropped."""
        return len(self._owed)

    def publish(self, user_id: int, seq: int, frame: bytes) -> None:
        """Queue one committed entry."""
        if len(self._pending) >= MAX_PENDING:
            self._leave(user_id, seq)
            return
        self._pending.append((user_id, seq, frame))
        self._wake.set()

    def send(self, channel: bytes, message: bytes) -> None:
        """Queue an ephemeral message to all instances; lost when Redis is away."""
        if len(self._extra) < MAX_PENDING:
            self._extra.append(("PUBLISH", channel, message))
            self._wake.set()

    async def announce_heads(self, heads: Iterable[tuple[int, int]]) -> None:
        """Tell everybody how far these streams are, and clear their outbox rows.

        Raises ``UnavailableError``.
        """
        listed = list(heads)
        commands = [command for user_id, seq in listed for command in self._drops.commands_for_all(user_id, seq)]
        first = len(commands)
        commands.extend(("PUBLISH", self._keys.stream(user_id), str(seq).encode()) for user_id, seq in listed)
        replies = await self._fanout.send(commands)
        for (user_id, seq), reply in zip(listed, replies[first:], strict=True):
            if self._note_announced(user_id, seq, reply) and self._owed.get(user_id, 0) <= seq:
                self._owed.pop(user_id, None)

    def _note_announced(self, user_id: int, seq: int, reply: object) -> bool:
        """Note an entry as announced, unless Redis answered its ``PUBLISH`` with an error."""
        if isinstance(reply, Exception):
            return False
        self._announced[user_id] = max(seq, self._announced.get(user_id, 0))
        return True

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending or self._extra:
                await self._flush()

    async def _flush(self) -> None:
        batch, self._pending = self._pending[:MAX_PER_FLUSH], self._pending[MAX_PER_FLUSH:]
        commands, self._extra = self._extra, []
        # What an entry makes old goes before anybody is told of the entry.
        owed = {user_id: self._owed.pop(user_id) for user_id, _, _ in batch if user_id in self._owed}
        for user_id, seq in owed.items():
            commands.extend(self._drops.commands_for_all(user_id, seq))
        for user_id, seq, frame in batch:
            commands.extend(self._drops.commands(user_id, seq, frame))
        first = len(commands)
        touched: set[int] = set()
        for user_id, seq, frame in batch:
            commands.append(self._tails.append_command(user_id, seq, frame))
            commands.append(("PUBLISH", self._keys.stream(user_id), b"%d %b" % (seq, frame)))
            touched.add(user_id)
        commands.extend(self._tails.expire_command(user_id) for user_id in touched)
        if not commands:
            return
        try:
            replies = await self._fanout.send(commands)
        except UnavailableError:
            for user_id, seq, _ in batch:
                self._leave(user_id, seq)
            return
        if any(isinstance(reply, Exception) for reply in replies[:first]):
            for user_id, seq, _ in batch:
                self._owe(user_id, seq)
        for (user_id, seq, _), reply in zip(batch, replies[first + 1 :: 2], strict=False):
            if self._note_announced(user_id, seq, reply):
                self.published += 1
            else:
                self._leave(user_id, seq)

    def _leave(self, user_id: int, seq: int) -> None:
        """Leave an entry to the sweeper."""
        self.left_to_sweeper += 1
        self._owe(user_id, seq)

    def _owe(self, user_id: int, seq: int) -> None:
        if user_id in self._owed or len(self._owed) < MAX_OWED:
            self._owed[user_id] = max(seq, self._owed.get(user_id, 0))

    async def _run_marks(self) -> None:
        while True:
            await asyncio.sleep(MARK_EVERY_S)
            await self._flush_marks()

    async def _flush_marks(self) -> None:
        marks, self._announced = self._announced, {}
        if not marks:
            return
        try:
            await self._outbox.clear(marks)
        except UnavailableError:
            # The sweeper finds the rows again and announces them once more; that harms nobody.
            log.debug("%d outbox rows stay", len(marks))
