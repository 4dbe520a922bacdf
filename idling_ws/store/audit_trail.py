"""What is audited beside mutations: who came in, who was turned away, whose rights changed.

Rows are chained like those of mutations, so they need the lock of the user's stream;
what comes at the same moment shares one transaction. What has no user, or one that does
not exist, is in chain 0.

``record`` returns once the row is durable: for what was done. ``note`` does not wait: for
what was refused, of which anybody can cause any amount. So much of one source in a
minute is written row by row; the rest becomes one row that says how many there were.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import dataclass
from typing import Any

from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import UnavailableError
from idling_ws.domain.ids import ALL
from idling_ws.store.audit import AuditRow
from idling_ws.store.commit import Ask, Change, commit_batch, open_batch
from idling_ws.store.postgres import Database
from idling_ws.tasks import Tasks
from idling_ws.wire.jsontext import encode

log = logging.getLogger(__name__)

BATCH = 100
MAX_WAITING = 2000
NOTES_PER_MINUTE = 300
WINDOW_S = 60.0
# Partitions are made so far ahead; rows of a month without one are kept in the default partition.
MONTHS_AHEAD = 3
PREPARE_EVERY_S = 6 * 3600.0
MAX_SOURCES = 10_000
MAX_CHARS = 200
CONFIRMED = "confirmed"
REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Event:
    """Something to audit. ``before`` and ``after`` are facts: never secrets, tokens or bodies."""

    action: str
    outcome: str = CONFIRMED
    user_id: int = ALL
    actor: str = "anonymous"
    mid: str | None = None
    trace_id: str | None = None
    address: str | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


@dataclass(slots=True)
class _Window:
    """What came from one source since ``began``; ``unlisted`` got no row of their own."""

    began: float
    event: Event
    listed: int = 0
    unlisted: int = 0


class AuditTrail:
    """Writes events. ``dropped`` counts notes that could not be kept."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._waiting: deque[tuple[Event, asyncio.Future[None] | None]] = deque()
        self._windows: dict[tuple[str, str], _Window] = {}
        self._wake = asyncio.Event()
        self._tasks = Tasks()
        self._prepare_at = clock.monotonic()
        self.dropped = 0

    def start(self) -> None:
        """Begin to write."""
        self._wake.set()
        self._tasks.start(self._run(), "audit-trail")

    async def stop(self) -> None:
        """Write what waits, then end."""
        await self._tasks.stop()
        self._sum_up(float("inf"))
        with contextlib.suppress(UnavailableError):
            while self._waiting:
                await self._write_some()
        for _, done in self._waiting:
            if done is not None and not done.done():
                done.set_exception(UnavailableError())
        self.dropped += len(self._waiting)

    @property
    def waiting(self) -> int:
        """Events that are not written yet."""
        return len(self._waiting)

    async def record(self, event: Event) -> None:
        """Audit what was done; durable on return. Raises ``UnavailableError``."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((event, done))
        self._wake.set()
        await done

    def note(self, event: Event) -> None:
        """Audit what was refused, soon."""
        source = (event.address or event.actor, event.action)
        window = self._windows.get(source)
        now = self._clock.monotonic()
        if window is None:
            if len(self._windows) >= MAX_SOURCES:
                self._sum_up(now)
            if len(self._windows) >= MAX_SOURCES:
                self.dropped += 1
                return
            window = self._windows[source] = _Window(now, event)
        if window.listed >= NOTES_PER_MINUTE:
            window.unlisted += 1
        elif len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
        else:
            window.listed += 1
            self._waiting.append((event, None))
            self._wake.set()

    def _sum_up(self, now: float) -> None:
        """Close the windows that are over; what they left out becomes one row each."""
        for source, window in list(self._windows.items()):
            if now - window.began >= WINDOW_S:
                del self._windows[source]
                if window.unlisted:
                    event = window.event
                    more = {"unlisted": window.unlisted}
                    summary = Event(
                        event.action, REFUSED, event.user_id, event.actor, address=event.address, after=more
                    )
                    self._waiting.append((summary, None))

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WINDOW_S / 4):
                    await self._wake.wait()
            self._wake.clear()
            now = self._clock.monotonic()
            self._sum_up(now)
            try:
                if now >= self._prepare_at:
                    self._prepare_at = now + PREPARE_EVERY_S
                    await self._database.run("SELECT audit_log_prepare(%s)", (MONTHS_AHEAD,))
                while self._waiting:
                    await self._write_some()
            except UnavailableError:
                await asyncio.sleep(1.0)
                self._wake.set()
            except Exception:
                log.exception("audit rows could not be written")
                self._give_up_batch()

    async def _write_some(self) -> None:
        """Write the oldest that wait, in one transaction. Raises ``UnavailableError``: notes wait on."""
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        try:
            await self._write([event for event, _ in batch])
        except BaseException as exc:
            for event, done in reversed(batch):
                if done is None:
                    self._waiting.appendleft((event, None))
                elif not done.done():
                    done.set_exception(exc if isinstance(exc, UnavailableError) else UnavailableError())
            raise
        for _, done in batch:
            if done is not None and not done.done():
                done.set_result(None)

    def _give_up_batch(self) -> None:
        for _ in range(min(BATCH, len(self._waiting))):
            _, done = self._waiting.popleft()
            self.dropped += 1
            if done is not None and not done.done():
                done.set_exception(UnavailableError())

    async def _write(self, events: list[Event]) -> None:
        users = sorted({ALL, *(event.user_id for event in events)})
        async with self._database.connection() as connection:
            try:
                opened = await open_batch(connection, [Ask(user_id, None, {}, ()) for user_id in users])
                now = self._clock.now()
                change = Change()
                for event in events:
                    user_id = event.user_id if event.user_id in opened.heads else ALL
                    head = opened.heads[user_id]
                    head.audit_n += 1
                    change.audit.append(
                        AuditRow(
                            user_id=user_id,
                            n=head.audit_n,
                            at=now,
                            actor=storable(event.actor),
                            action=storable(event.action),
                            outcome=storable(event.outcome),
                            mid=event.mid,
                            trace_id=event.trace_id,
                            address=None if event.address is None else storable(event.address),
                            before=None if event.before is None else encode(event.before).decode(),
                            after=None if event.after is None else encode(event.after).decode(),
                        )
                    )
                await commit_batch(connection, opened.heads, change, now)
            except BaseException:
                connection.discard()
                raise


def storable(text: str) -> str:
    """Return ``text`` short and on one line, as PostgreSQL takes it: no NUL, no half of a surrogate pair."""
    return "".join(char if char.isprintable() else "?" for char in text[:MAX_CHARS])
