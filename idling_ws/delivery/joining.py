"""Joining a stream: from a cursor, or none, to a recipient that misses nothing.

    subscribe -> attach to the hub -> read the database -> hand over the past -> admit

The order is the point. A recipient is attached before the head is read, with no await
in between that could lose an entry: whatever comes meanwhile waits in its backlog.

The past comes in pages, each read when the one before has been taken: what a client
missed may be larger than what a server wants to hold for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

from idling_ws.delivery.fanout import Fanout
from idling_ws.delivery.hub import Hub, Recipient
from idling_ws.delivery.parcel import Parcel
from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import InvalidError
from idling_ws.domain.ids import ALL
from idling_ws.store.log import LoggedEntry, Position, StreamLog
from idling_ws.store.redis import Keys
from idling_ws.wire.cursor import Cursor, parse_cursor

# Entries read at once. A few tens of KiB usually, six MiB if every one were as large as a frame may be.
PAGE = 200


class GoneError(Exception):
    """What was promised as missed is not there any more: the recipient needs a fresh state."""


@dataclass(slots=True)
class Joined:
    """Where a recipient starts. ``resumed``: ``missed``, the first page, brings it from its cursor to
    ``reached``, and ``pages`` from there to ``head``; else ``position.state`` is a fresh state at
    ``reached`` and ``reason`` says why.
    """

    position: Position
    reached: Cursor
    resumed: bool
    reason: str | None = None
    missed: list[Parcel] = field(default_factory=list)

    @property
    def head(self) -> Cursor:
        """The head of both streams as it was read."""
        return Cursor(self.position.epoch, self.position.user_seq, self.position.all_seq)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to be read."""
        return self.reached == self.head

    def span(self, stream: int) -> tuple[int, int]:
        """Return how far a stream was reached, and its head."""
        if stream == ALL:
            return self.reached.all_seq, self.position.all_seq
        return self.reached.user_seq, self.position.user_seq

    def streams_behind(self, user_id: int) -> list[int]:
        """Return the streams of which something is left to be read."""
        return [stream for stream in (ALL, user_id) if self.span(stream)[0] < self.span(stream)[1]]

    def advance(self, stream: int, entries: list[LoggedEntry]) -> list[Parcel]:
        """Count ``entries`` as reached; return them as parcels."""
        if stream == ALL:
            self.reached = replace(self.reached, all_seq=entries[-1].seq)
        else:
            self.reached = replace(self.reached, user_seq=entries[-1].seq)
        return [Parcel(entry.seq, entry.frame, is_shared=stream == ALL) for entry in entries]


class Joining:
    """Brings recipients up to date."""

    def __init__(
        self,
        hub: Hub,
        fanout: Fanout,
        keys: Keys,
        stream_log: StreamLog,
        clock: Clock,
        *,
        retention_s: float,
        replay_limit: int,
    ) -> None:
        self._hub = hub
        self._fanout = fanout
        self._keys = keys
        self._log = stream_log
        self._clock = clock
        self._retention = timedelta(seconds=retention_s)
        self._replay_limit = replay_limit
        self.replays = 0
        self.snapshots = 0

    async def join(
        self, user_id: int, recipient: Recipient, cursor: object | None, login_id: str | None = None
    ) -> Joined:
        """Attach ``recipient`` and return its past; ``admit`` it when that was handed over.

        Raises ``UnavailableError`` or ``AuthError``, the recipient detached again.
        """
        recipient.backlog = []
        self._hub.attach(user_id, recipient)
        try:
            await self._fanout.subscribe(self._keys.stream(user_id))
            return await self._read(user_id, cursor, login_id)
        except BaseException:
            self._hub.detach(user_id, recipient)
            raise

    async def catch_up(self, user_id: int, cursor: Cursor) -> Joined:
        """Return what lies behind ``cursor`` for a recipient that is attached already."""
        return await self._read(user_id, str(cursor), None)

    async def _read(self, user_id: int, cursor: object | None, login_id: str | None) -> Joined:
        if cursor is None:
            return await self._fresh(user_id, login_id, "new")
        try:
            wanted = parse_cursor(cursor)
        except InvalidError:
            return await self._fresh(user_id, login_id, "bad_cursor")
        position = await self._log.position(user_id, login_id)
        if wanted.epoch != position.epoch:
            return await self._fresh(user_id, login_id, "epoch_changed")
        if wanted.user_seq > position.user_seq or wanted.all_seq > position.all_seq:
            return await self._fresh(user_id, login_id, "bad_cursor")
        behind = position.user_seq - wanted.user_seq + position.all_seq - wanted.all_seq
        if behind > self._replay_limit:
            return await self._fresh(user_id, login_id, "too_far")
        joined = Joined(position, wanted, resumed=True)
        oldest = self._clock.now() - self._retention
        # The first entry behind the cursor is the oldest of its stream: that it is there and
        # young enough says so of all that follow.
        for stream in joined.streams_behind(user_id):
            entries = await self._page(stream, joined)
            if entries is None or (entries[0].at is not None and entries[0].at < oldest):
                return await self._fresh(user_id, login_id, "expired")
            if not joined.missed:
                joined.missed = joined.advance(stream, entries)
        self.replays += bool(joined.missed)
        return joined

    async def pages(self, user_id: int, joined: Joined) -> AsyncIterator[list[Parcel]]:
        """Read on behind ``joined.missed``; ``joined.reached`` moves with each page.

        Raises ``UnavailableError``, ``GoneError``.
        """
        while not joined.is_complete:
            stream = joined.streams_behind(user_id)[0]
            entries = await self._page(stream, joined)
            if entries is None:
                raise GoneError
            yield joined.advance(stream, entries)

    async def _page(self, stream: int, joined: Joined) -> list[LoggedEntry] | None:
        """Return the next entries of a stream, or None when one of them is gone."""
        behind, head = joined.span(stream)
        count = min(PAGE, head - behind)
        entries = await self._log.after(stream, behind, count)
        if len(entries) < count or entries[0].seq != behind + 1 or entries[-1].seq != behind + count:
            return None
        return entries

    async def _fresh(self, user_id: int, login_id: str | None, reason: str) -> Joined:
        position = await self._log.snapshot(user_id, login_id)
        self.snapshots += 1
        return Joined(
            position, Cursor(position.epoch, position.user_seq, position.all_seq), resumed=False, reason=reason
        )
