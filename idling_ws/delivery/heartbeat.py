"""Heartbeats: each socket hears regularly how far its streams really are.

The heads are read from the database, for all sockets due in one query, and go to the
hub as well: an instance that missed something finds out here at the latest. When the
database does not answer, the beat carries what this process remembers, marked stale.
The reading is a task beside the wheel, which must turn on: it also closes who is silent.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Protocol

from idling_ws.delivery.hub import Hub
from idling_ws.delivery.wheel import Wheel
from idling_ws.domain.clock import Clock, rfc3339
from idling_ws.domain.errors import UnavailableError
from idling_ws.domain.ids import ALL
from idling_ws.store.log import StreamLog
from idling_ws.tasks import Tasks
from idling_ws.wire import frames
from idling_ws.wire.closing import Close
from idling_ws.wire.websocket import text_frame

log = logging.getLogger(__name__)

# A beat that is late is worse than one that is stale.
HEADS_TIMEOUT_S = 1.0


class Beating(Protocol):
    """A socket that hears heartbeats. Times are ``Clock.monotonic``."""

    user_id: int
    user_seq: int
    all_seq: int
    last_inbound: float
    next_beat: float
    hello_deadline: float | None
    expires_at: float | None

    def send_beat(self, framed: bytes) -> None:
        """Take a framed heartbeat."""

    def fail(self, code: Close) -> None:
        """Close it."""


class Heartbeats:
    """Beats for all sockets of this instance, and the end of those that went silent."""

    def __init__(self, clock: Clock, stream_log: StreamLog, hub: Hub, epoch: str, *, heartbeat_s: float) -> None:
        self._clock = clock
        self._log = stream_log
        self._hub = hub
        self._epoch = epoch
        self._heartbeat_s = heartbeat_s
        self._silence_s = 2 * heartbeat_s + 10
        # A tick of a second at the usual 25 s; finer when beats are.
        tick_s = min(1.0, heartbeat_s / 10)
        self._wheel: Wheel[Beating] = Wheel(clock, self._on_due, tick_s=tick_s, slots=256)
        self._due: list[Beating] = []
        self._is_due = asyncio.Event()
        self._tasks = Tasks()

    def start(self) -> None:
        """Start beating."""
        self._wheel.start()
        self._tasks.start(self._run(), "heartbeats")

    async def stop(self) -> None:
        """Stop beating."""
        await self._wheel.stop()
        await self._tasks.stop()

    def await_hello(self, socket: Beating, timeout_s: float) -> None:
        """Close ``socket`` with 4102 unless it says hello in time."""
        socket.hello_deadline = self._clock.monotonic() + timeout_s
        self._wheel.schedule(socket, timeout_s)

    def add(self, socket: Beating) -> None:
        """Beat for ``socket`` from now on; the first beat falls anywhere in the interval."""
        first_s = random.uniform(0, self._heartbeat_s)  # noqa: S311 -- spreads load, guards nothing
        socket.hello_deadline = None
        socket.next_beat = self._clock.monotonic() + first_s
        self._reschedule(socket)

    def expiry_changed(self, socket: Beating) -> None:
        """Look again when ``socket`` is due: its token was renewed."""
        self._reschedule(socket)

    def remove(self, socket: Beating) -> None:
        """Forget ``socket``."""
        self._wheel.forget(socket)

    def _reschedule(self, socket: Beating) -> None:
        now = self._clock.monotonic()
        due = min(socket.next_beat, socket.last_inbound + self._silence_s)
        if socket.expires_at is not None:
            due = min(due, socket.expires_at)
        self._wheel.schedule(socket, due - now)

    async def _on_due(self, due: list[Beating]) -> None:
        now = self._clock.monotonic()
        for socket in due:
            if socket.hello_deadline is not None:
                if now >= socket.hello_deadline:
                    socket.fail(Close.NO_HELLO)
                else:
                    self._wheel.schedule(socket, socket.hello_deadline - now)
            elif now - socket.last_inbound >= self._silence_s:
                socket.fail(Close.NO_HEARTBEAT)
            elif socket.expires_at is not None and now >= socket.expires_at:
                socket.fail(Close.TOKEN_EXPIRED)
            elif now >= socket.next_beat:
                self._due.append(socket)
                self._is_due.set()
                socket.next_beat = now + self._heartbeat_s
                self._reschedule(socket)
            else:
                self._reschedule(socket)

    async def _run(self) -> None:
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            sockets, self._due = self._due, []
            try:
                await self._beat(sockets)
            except Exception:
                log.exception("%d heartbeats failed", len(sockets))

    async def _beat(self, sockets: list[Beating]) -> None:
        try:
            async with asyncio.timeout(HEADS_TIMEOUT_S):
                heads = dict(await self._log.heads([ALL, *{socket.user_id for socket in sockets}]))
        except (UnavailableError, TimeoutError):
            heads = {}
        time = rfc3339(self._clock.now())
        all_head = heads.get(ALL)
        build = frames.stale_heartbeat if all_head is None else frames.heartbeat
        if all_head is not None:
            self._hub.notice_head(ALL, all_head)
        for socket in sockets:
            head = heads.get(socket.user_id)
            if head is not None:
                self._hub.notice_head(socket.user_id, head)
            cursor = f"{self._epoch}.{max(socket.user_seq, head or 0)}.{max(socket.all_seq, all_head or 0)}"
            socket.send_beat(text_frame(build(cursor, time)))
