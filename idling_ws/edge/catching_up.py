"""Bringing a socket up to date: what it missed, page after page, as fast as it reads.

One replay at a time, and none to a client that does not read the one before: so asking
often costs no memory.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from idling_ws.delivery.joining import GoneError, Joined, Joining
from idling_ws.delivery.mailbox import Mailbox
from idling_ws.delivery.parcel import Parcel
from idling_ws.domain.errors import IdlingError, UnavailableError
from idling_ws.wire.closing import Close
from idling_ws.wire.cursor import Cursor

if TYPE_CHECKING:
    from idling_ws.edge.socket import DeviceSocket

# How long a client may take nothing of a replay.
STALL_S = 10.0


class CatchingUp:
    """The replays of one socket."""

    __slots__ = ("_asked_from", "_is_busy", "_joining", "_mailbox", "_socket")

    def __init__(self, socket: DeviceSocket, joining: Joining, mailbox: Mailbox) -> None:
        self._socket = socket
        self._joining = joining
        self._mailbox = mailbox
        self._asked_from: Cursor | None = None
        self._is_busy = False

    def ask(self, cursor: Cursor) -> None:
        """Replay from ``cursor`` as soon as the client has read what it has; a later wish replaces an earlier one."""
        self._asked_from = cursor
        self.go_on()

    def go_on(self) -> None:
        """Begin with what was asked for, if it can begin now."""
        if self._asked_from is not None and not self._is_busy and not self._mailbox.is_blocked:
            cursor, self._asked_from = self._asked_from, None
            self._is_busy = True
            self._socket.spawn(self._resume(cursor))

    def begin(self, joined: Joined) -> None:
        """Hand over the first page of what was missed; go live if that was all."""
        self._hand_over(joined.missed)
        self._is_busy = True
        if joined.is_complete:
            self._arrive(joined)

    async def finish(self, joined: Joined) -> None:
        """Write what ``begin`` left, page after page, as fast as the client reads, then go live."""
        if joined.is_complete:
            return
        try:
            async for page in self._joining.pages(self._socket.user_id, joined):
                async with asyncio.timeout(STALL_S):
                    await self._mailbox.unblocked()
                if not self._socket.is_live:
                    return
                self._hand_over(page)
        except TimeoutError:
            self._socket.fail(Close.SLOW_CONSUMER)
        except GoneError:
            self._socket.fail(Close.POSITION_LOST)
        except UnavailableError:
            self._socket.send_away()
        else:
            self._arrive(joined)

    def _arrive(self, joined: Joined) -> None:
        self._is_busy = False
        if self._socket.is_live:
            self._socket.go_live(joined.reached)
            self.go_on()

    async def _resume(self, cursor: Cursor) -> None:
        # What comes from now on waits behind what is read: the client sees one stream in order,
        # with repeats that it drops.
        self._socket.backlog = []
        try:
            joined = await self._joining.catch_up(self._socket.user_id, cursor)
        except IdlingError as exc:
            self._is_busy = False
            if self._socket.is_live:
                self._socket.stay_live()
                self._socket.answer_error(exc, None)
            return
        if not self._socket.is_live:
            return
        if not joined.resumed:
            self._socket.fail(Close.POSITION_LOST)
            return
        self.begin(joined)
        await self.finish(joined)

    def _hand_over(self, missed: list[Parcel]) -> None:
        """Write a page of what was missed."""
        if missed:
            self._mailbox.empty()
            self._socket.write(b"".join([parcel.framed for parcel in missed]))
