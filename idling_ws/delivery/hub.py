"""The hub: hands every entry to every recipient of its stream, in order, exactly once.

One rule per stream: ``seq == last + 1`` goes on, ``seq <= last`` is known already, and
anything further ahead means that something was missed, so the gap is read from the
Redis tail or from Postgres before anything else of that stream goes out. The hub
never waits for a recipient: ``push`` puts the parcel into a mailbox and returns.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from idling_ws.delivery.parcel import Parcel
from idling_ws.domain.errors import UnavailableError
from idling_ws.domain.ids import ALL
from idling_ws.store.log import LoggedEntry, StreamLog, Tails
from idling_ws.wire.closing import Close

log = logging.getLogger(__name__)

FILL_CHUNK = 500
# Entries that may arrive while a recipient reads its history, before it counts as slow.
MAX_BACKLOG = 10_000
# Below every real position by more than one, so that no first entry can seem to join on to it.
UNKNOWN = -2


class Recipient(Protocol):
    """A device: a socket, an SSE stream, a long-poll. ``user_seq``/``all_seq`` are what it was handed.

    ``backlog`` holds what arrives while it reads its history; None once it is live.
    """

    user_seq: int
    all_seq: int
    backlog: list[Parcel] | None

    def push(self, parcel: Parcel) -> None:
        """Take one parcel. Must not wait and must not raise."""

    def fail(self, code: Close) -> None:
        """End this recipient; it comes back with its cursor."""


class Channel:
    """One stream with at least one recipient here. ``last`` is what was handed out, or ``UNKNOWN``."""

    __slots__ = ("filling", "last", "members", "seen", "user_id")

    def __init__(self, user_id: int) -> None:
        self.user_id = user_id
        self.last = UNKNOWN
        self.seen = 0
        self.members: list[Recipient] = []
        self.filling = False


class Hub:
    """All channels of this instance."""

    def __init__(self, stream_log: StreamLog, tails: Tails, *, fills_at_once: int = 4) -> None:
        self._log = stream_log
        self._tails = tails
        self._channels: dict[int, Channel] = {ALL: Channel(ALL)}
        self._all_members: dict[Recipient, None] = {}
        self._fill_slots = asyncio.Semaphore(fills_at_once)
        self._tasks: set[asyncio.Task[None]] = set()
        self.gaps_filled = 0
        self.delivered = 0
        self.retry_s = 0.3
        self.on_open: Callable[[int], None] = lambda user_id: None
        self.on_close: Callable[[int], None] = lambda user_id: None
        self.on_entry: Callable[[int, int, bytes], None] = lambda user_id, seq, frame: None
        """An entry goes out to devices here; it is told of before they get it."""
        self.on_position: Callable[[int, int], None] = lambda user_id, seq: None
        """A device here has everything up to there."""

    # -- recipients ----------------------------------------------------------------

    def attach(self, user_id: int, recipient: Recipient) -> None:
        """Register a recipient that is about to read its history. No await may stand between this
        and the caller's own registration: from here on nothing passes it by.
        """
        channel = self._channels.get(user_id)
        if channel is None:
            channel = self._channels[user_id] = Channel(user_id)
            self.on_open(user_id)
        channel.members.append(recipient)
        self._all_members[recipient] = None

    def detach(self, user_id: int, recipient: Recipient) -> None:
        """Forget a recipient; harmless when it is not there."""
        self._all_members.pop(recipient, None)
        channel = self._channels.get(user_id)
        if channel is None or recipient not in channel.members:
            return
        channel.members.remove(recipient)
        if not channel.members:
            del self._channels[user_id]
            self.on_close(user_id)

    def admit(self, user_id: int, recipient: Recipient, user_seq: int, all_seq: int) -> None:
        """Make a recipient live that has its history up to these positions."""
        recipient.user_seq, recipient.all_seq = user_seq, all_seq
        self.on_position(user_id, user_seq)
        backlog, recipient.backlog = recipient.backlog or [], None
        for parcel in backlog:
            # What does not join on is not lost: it comes again when the channel goes back for it.
            if parcel.is_shared:
                if parcel.seq == recipient.all_seq + 1:
                    _hand_shared(recipient, parcel)
            elif parcel.seq == recipient.user_seq + 1:
                _hand(recipient, parcel)
        self._go_on_from(user_id, recipient.user_seq)
        self._go_on_from(ALL, recipient.all_seq)

    def _go_on_from(self, user_id: int, seq: int) -> None:
        """Let a channel serve a recipient that has everything up to ``seq``.

        Of two that join a new stream at once the one that read less may be admitted last, behind
        what the other made known. The channel goes back then: who has an entry already drops it.
        """
        channel = self._channels.get(user_id)
        if channel is None:
            return
        channel.seen = max(channel.seen, seq, channel.last)
        if channel.last == UNKNOWN or seq < channel.last:
            channel.last = seq
        if channel.seen > channel.last:
            self._fill(channel)

    def recipients_of(self, user_id: int) -> list[Recipient]:
        """Return the devices of a user here."""
        channel = self._channels.get(user_id)
        return list(channel.members) if channel is not None else []

    @property
    def users(self) -> list[int]:
        """The streams with recipients here, ``ALL`` among them."""
        return list(self._channels)

    @property
    def recipient_count(self) -> int:
        """Devices attached here."""
        return len(self._all_members)

    def last(self, user_id: int) -> int:
        """Return the newest ``seq`` handed out of a stream, ``UNKNOWN`` when there is none."""
        channel = self._channels.get(user_id)
        return UNKNOWN if channel is None else channel.last

    # -- entries -------------------------------------------------------------------

    def deliver(self, user_id: int, seq: int, frame: bytes) -> None:
        """Take one committed entry from wherever it came: this process, Redis, a repeat."""
        channel = self._channels.get(user_id)
        if channel is None:
            return
        last = channel.last
        if seq <= last:
            return
        if seq > channel.seen:
            channel.seen = seq
        if seq == last + 1:
            channel.last = seq
            self._hand_out(channel, Parcel(seq, frame, is_shared=user_id == ALL))
        elif last != UNKNOWN:
            self._fill(channel)
        # Where the position is unknown, somebody is reading it now; ``admit`` fills from there.

    def notice_head(self, user_id: int, seq: int, *, known: bool = False) -> None:
        """Learn that a stream has come as far as ``seq``. ``known``: a recipient has it all already."""
        channel = self._channels.get(user_id)
        if channel is None:
            return
        channel.seen = max(channel.seen, seq)
        if channel.last == UNKNOWN:
            if not known:
                return
            channel.last = seq
        if channel.seen > channel.last:
            self._fill(channel)

    async def compare_heads(self, user_ids: Iterable[int] | None = None) -> None:
        """Read the heads of these streams (all that are here by default) and fill what is behind.

        Raises ``UnavailableError``.
        """
        users = self.users if user_ids is None else list(user_ids)
        for start in range(0, len(users), 5000):
            for user_id, seq in await self._log.heads(users[start : start + 5000]):
                self.notice_head(user_id, seq)

    def _hand_out(self, channel: Channel, parcel: Parcel) -> None:
        self.on_entry(channel.user_id, parcel.seq, parcel.frame)
        if parcel.is_shared:
            self.delivered += len(self._all_members)
            for recipient in tuple(self._all_members):  # a recipient may leave while it is handed something
                _hand_shared(recipient, parcel)
        else:
            self.delivered += len(channel.members)
            for recipient in tuple(channel.members):
                _hand(recipient, parcel)

    # -- gaps ----------------------------------------------------------------------

    def _fill(self, channel: Channel) -> None:
        if channel.filling:
            return
        channel.filling = True
        task = asyncio.create_task(self._run_fill(channel), name=f"fill-{channel.user_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_fill(self, channel: Channel) -> None:
        """Read what is missing until the channel is as far as anybody has seen it."""
        try:
            while channel.last < channel.seen and self._channels.get(channel.user_id) is channel:
                try:
                    async with self._fill_slots:
                        start, wanted = channel.last, channel.seen
                        entries = await self._read_gap(channel)
                except UnavailableError:
                    await asyncio.sleep(self.retry_s)
                    continue
                if channel.last < start:
                    continue  # it went back meanwhile: this is not what is missing
                if channel.last >= wanted:
                    continue  # it came another way; what was seen since then may be younger than this read
                if not entries or entries[0].seq > channel.last + 1:
                    self._lose(channel)
                    break
                self.gaps_filled += 1
                for entry in entries:
                    if entry.seq == channel.last + 1:
                        channel.last = entry.seq
                        self._hand_out(channel, Parcel(entry.seq, entry.frame, is_shared=channel.user_id == ALL))
        finally:
            channel.filling = False

    async def _read_gap(self, channel: Channel) -> list[LoggedEntry]:
        last = channel.last
        return await self._tails.after(channel.user_id, last) or await self._log.after(
            channel.user_id, last, FILL_CHUNK
        )

    def _lose(self, channel: Channel) -> None:
        """The gap cannot be filled any more: its recipients must start from a fresh state."""
        log.error("stream %d: nothing behind %d, though %d was seen", channel.user_id, channel.last, channel.seen)
        members = list(self._all_members) if channel.user_id == ALL else list(channel.members)
        # Whatever was seen is not to be had: the next one to join says where the stream really is.
        channel.last, channel.seen = UNKNOWN, 0
        for recipient in members:
            recipient.fail(Close.POSITION_LOST)

    def fail_all(self, code: Close) -> None:
        """End every recipient."""
        for recipient in tuple(self._all_members):
            recipient.fail(code)

    async def close(self) -> None:
        """Stop filling gaps."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _hand(recipient: Recipient, parcel: Parcel) -> None:
    if recipient.backlog is not None:
        _keep(recipient, parcel)
    elif parcel.seq == recipient.user_seq + 1:
        recipient.user_seq = parcel.seq
        recipient.push(parcel)
    elif parcel.seq > recipient.user_seq:
        recipient.fail(Close.POSITION_LOST)


def _hand_shared(recipient: Recipient, parcel: Parcel) -> None:
    if recipient.backlog is not None:
        _keep(recipient, parcel)
    elif parcel.seq == recipient.all_seq + 1:
        recipient.all_seq = parcel.seq
        recipient.push(parcel)
    elif parcel.seq > recipient.all_seq:
        recipient.fail(Close.POSITION_LOST)


def _keep(recipient: Recipient, parcel: Parcel) -> None:
    assert recipient.backlog is not None  # noqa: S101 -- for the type checker
    if len(recipient.backlog) >= MAX_BACKLOG:
        recipient.fail(Close.SLOW_CONSUMER)
    else:
        recipient.backlog.append(parcel)
