"""Mailboxes: the bounded line between the hub and one socket.

The hub must never wait for a slow browser. It drops a frame here and moves on; all
mailboxes that got something are emptied together at the end of the loop's turn, one
write each. While the network does not take more, frames stay here as references to
bytes that all recipients share, so a slow reader costs a list, not copies. What
exceeds the bound ends the socket: its client resumes and loses nothing.
"""

from __future__ import annotations

import asyncio
from typing import Protocol


class Sink(Protocol):
    """Where a mailbox empties itself."""

    def write(self, data: bytes) -> None:
        """Take bytes for the network; must not wait."""


class Mailbox:
    """Frames waiting for one socket. ``offer`` says False once ``max_bytes`` would be exceeded."""

    __slots__ = ("_bytes", "_frames", "_is_dirty", "_notices", "_postman", "_sink", "_waiter", "is_blocked")

    def __init__(self, sink: Sink, postman: Postman) -> None:
        self._sink = sink
        self._postman = postman
        self._frames: list[bytes] = []
        self._notices: dict[str, bytes] | None = None
        self._bytes = 0
        self._is_dirty = False
        self._waiter: asyncio.Future[None] | None = None
        self.is_blocked = False

    def offer(self, framed: bytes) -> bool:
        """Take a frame. False: the box is full and this one was not taken."""
        size = self._bytes + len(framed)
        if size > self._postman.max_bytes:
            return False
        self._bytes = size
        self._frames.append(framed)
        if not self._is_dirty and not self.is_blocked:
            self._is_dirty = True
            self._postman.add(self)
        return True

    def offer_notice(self, topic: str, framed: bytes) -> None:
        """Take an ephemeral frame: it replaces a former one of its topic that still waits."""
        if not self.is_blocked:
            self.offer(framed)
            return
        if self._notices is None:
            self._notices = {}
        self._notices[topic] = framed

    def block(self) -> None:
        """The network takes no more for now."""
        self.is_blocked = True
        self._postman.blocked.add(self)

    def unblock(self) -> None:
        """The network takes again."""
        self.is_blocked = False
        self._postman.blocked.discard(self)
        notices, self._notices = self._notices, None
        for framed in (notices or {}).values():
            self.offer(framed)
        self.empty()
        self._release()

    async def unblocked(self) -> None:
        """Wait until the network takes more, or all is thrown away. For one waiter at a time."""
        if self.is_blocked:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def _release(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def empty(self) -> None:
        """Write what is here in one go, unless the network is blocked."""
        self._is_dirty = False
        if self.is_blocked or not self._frames:
            return
        waiting, self._frames, self._bytes = self._frames, [], 0
        self._sink.write(waiting[0] if len(waiting) == 1 else b"".join(waiting))

    def clear(self) -> None:
        """Throw away what is here; for a socket that is gone."""
        self._postman.blocked.discard(self)
        self._frames, self._bytes, self._notices = [], 0, None
        self._release()

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait here."""
        return self._bytes


class Postman:
    """Empties all mailboxes that got something, once per turn of the loop."""

    def __init__(self, *, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.blocked: set[Mailbox] = set()
        """Those whose network takes no more. Only in these does anything wait longer than a turn of the loop."""
        self._dirty: list[Mailbox] = []

    @property
    def blocked_count(self) -> int:
        """How many are blocked."""
        return len(self.blocked)

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait in all of them."""
        return sum(mailbox.waiting_bytes for mailbox in self.blocked)

    @property
    def largest_bytes(self) -> int:
        """Bytes that wait in the fullest."""
        return max((mailbox.waiting_bytes for mailbox in self.blocked), default=0)

    def add(self, mailbox: Mailbox) -> None:
        """Empty ``mailbox`` at the end of this turn."""
        if not self._dirty:
            asyncio.get_running_loop().call_soon(self._go_round)
        self._dirty.append(mailbox)

    def _go_round(self) -> None:
        dirty, self._dirty = self._dirty, []
        for mailbox in dirty:
            mailbox.empty()
