"""The exchange: where the protocol core meets whichever line is open.

A line feeds frames in and asks for frames to send; the exchange turns what the core
says into calls of hooks, futures and waiters. One reader and one pump per client; a
mutation costs a dictionary entry, not a task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from idling_ws.client.events import (
    ByeArrived,
    EntryArrived,
    ErrorArrived,
    Event,
    LineSilent,
    NoticeArrived,
    Resuming,
    Settled,
    TokenAging,
    VerdictArrived,
    Welcomed,
)
from idling_ws.client.hooks import Hooks
from idling_ws.client.line import NEVER
from idling_ws.client.outbox import Mutation
from idling_ws.client.protocol import ClientProtocol
from idling_ws.client.reconnecting import Ending
from idling_ws.client.shapes import JsonObject, Verdict

Send = Callable[[list[JsonObject]], Awaitable[None]]
TokenSource = Callable[[], Awaitable[str]]


class Exchange:
    """What outlives a line: the core, its listeners, and who waits for what."""

    def __init__(self, core: ClientProtocol, hooks: Hooks, token_source: TokenSource | None) -> None:
        self.core = core
        self.topics: set[str] = set()
        # Closed while the client plays dead: it neither reads nor writes.
        self.awake = asyncio.Event()
        self.awake.set()
        self.cut_off = asyncio.Event()
        self._hooks = hooks
        self._token_source = token_source
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._asleep_until = 0.0
        self._futures: dict[str, asyncio.Future[Verdict]] = {}
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._transport = ""
        self._opened_at = 0.0
        self._welcomed = self._silent = self._token_aging = False
        self._bye: ByeArrived | None = None

    # --- a line opens, lives and ends -------------------------------------------------

    def opened(self, transport: str, *, token: str | None = None, hello: bool = True) -> None:
        """A line is open."""
        self._transport = transport
        self._opened_at = self._loop.time()
        self._welcomed = self._silent = self._token_aging = False
        self._bye = None
        self.cut_off.clear()
        self.core.opened(self._opened_at, token=token, hello=hello)

    def ending(self, code: int = 1006, reason: str = "", retry_ms: int | None = None) -> Ending:
        """Describe how the line ended; what the server said before it left counts for more."""
        if self._bye is not None:
            # A stream over HTTP, or a lost close frame, ends without a code of its own.
            code = self._bye.code if code < 4000 else code
            reason, retry_ms = reason or self._bye.reason, self._bye.retry_ms
        return Ending(code, reason, retry_ms, self._welcomed, self._loop.time() - self._opened_at)

    def lost(self, transport: str, ending: Ending) -> None:
        """The line is gone."""
        self.core.lost()
        self._hooks.ended(transport, ending)
        # The next line has its own time; until then this one's says nothing.
        self._welcomed, self._bye = False, None
        self._opened_at = self._loop.time()
        self._check_waiters()

    async def pump(self, send: Send) -> Ending:
        """Send what is due until the line must end."""
        while True:
            await self.awake.wait()
            now = self._loop.time()
            frames = self.core.take(now)
            if frames:
                self._note_sent(frames)
                await send(frames)
                continue
            await self._sleep_until(self.core.deadline(now))
            self._tell(self.core.tick(self._loop.time()))
            if self._silent:
                return self.ending(1006, "nothing came for too long")
            if self._token_aging and self._token_source is not None:
                self._token_aging = False
                self.core.say({"type": "refresh", "token": await self._token_source()})

    async def until_cut(self) -> Ending:
        """End the line when somebody pulls the plug."""
        await self.cut_off.wait()
        return self.ending(1006, "cut")

    async def _sleep_until(self, due: float) -> None:
        self._wake.clear()
        self._asleep_until = due
        try:
            async with asyncio.timeout_at(None if due == NEVER else due):
                await self._wake.wait()
        except TimeoutError:
            pass  # due: that is what it slept for
        finally:
            self._asleep_until = 0.0

    def nudge(self) -> None:
        """Wake the pump if something is due sooner than it thinks."""
        if self._asleep_until and self.core.deadline(self._loop.time()) < self._asleep_until:
            self._wake.set()

    # --- in ---------------------------------------------------------------------------

    def feed(self, frames: list[JsonObject]) -> None:
        """Take frames in, in order. Raises ``ProtocolError``."""
        now = self._loop.time()
        for frame in frames:
            self._tell(self.core.receive(frame, now))
        if self._waiters:
            self._check_waiters()
        self.nudge()

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            # By far the most frequent first.
            if isinstance(event, EntryArrived):
                self._hooks.entry(event.entry, event.outcome, event.verdict)
            elif isinstance(event, Settled):
                self._resolve(event.mutation)
            else:
                self._tell_rarer(event)

    def _tell_rarer(self, event: Event) -> None:
        match event:
            case VerdictArrived():
                self._hooks.verdict(event.verdict, self._transport)
            case NoticeArrived():
                self._hooks.notice(event.topic, event.data)
            case ErrorArrived():
                self._hooks.error(event.error, event.mid)
            case Welcomed():
                self._welcomed = True
                for topic in sorted(self.topics):
                    self.core.say({"type": "subscribe", "topic": topic})
                self._hooks.welcomed(self._transport, event.welcome)
            case ByeArrived():
                self._bye = event
            case Resuming():
                self._hooks.resuming(event.cursor)
            case TokenAging():
                self._token_aging = True
            case LineSilent():
                self._silent = True

    # --- mutations and waiting ------------------------------------------------------------

    def _note_sent(self, frames: list[JsonObject]) -> None:
        for frame in frames:
            mutation = self.core.outbox.find(frame["mid"]) if frame["type"] == "mutate" else None
            if mutation is not None:
                self._hooks.sent(mutation, self._transport)

    def verdict_of(self, mutation: Mutation) -> asyncio.Future[Verdict]:
        """Return a future of the verdict of a pending mutation."""
        future: asyncio.Future[Verdict] = self._loop.create_future()
        self._futures[mutation.mid] = future
        return future

    def _resolve(self, mutation: Mutation) -> None:
        self._hooks.settled(mutation)
        future = self._futures.pop(mutation.mid, None)
        if future is not None and not future.done() and mutation.verdict is not None:
            future.set_result(mutation.verdict)

    def until(self, true: Callable[[], bool]) -> asyncio.Future[None]:
        """Return a future that is done once ``true()`` is, looked at after everything that comes in."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append((true, future))
        self._check_waiters()
        return future

    def _check_waiters(self) -> None:
        waiting = []
        for true, future in self._waiters:
            if future.done():
                continue
            if true():
                future.set_result(None)
            else:
                waiting.append((true, future))
        self._waiters = waiting

    def fail(self, error: Exception) -> None:
        """End all waiting with ``error``: no verdict will come any more."""
        futures: list[asyncio.Future[Any]] = [*self._futures.values(), *(f for _, f in self._waiters)]
        self._futures.clear()
        self._waiters = []
        for future in futures:
            if not future.done():
                future.set_exception(error)


async def first_to_end(*works: Coroutine[Any, Any, Ending]) -> Ending:
    """Run the parts of a line together; the first that ends, ends the others.

    Raises what that part raised.
    """
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return next(task for task in tasks if task in done).result()
