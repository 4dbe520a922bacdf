"""Replicas: reads that may lag go to servers that follow the primary, and nobody misses what they did themselves.

    the primary says how far somebody's stream is ┐
    a replica says how far it has replayed it     ┴─> as far: the replica answers; behind: the primary does

Every change of a person raises the ``seq`` of their stream in its own transaction, so a replica
that shows that ``seq`` has replayed everything they did, on whatever instance. The primary is asked
for it anew each time, for all that ask at the same time together, and never a copy of it elsewhere:
Redis may forget, and then nobody would know (decision 11).

A replica that is away, frozen, too far behind or no replica at all costs one short deadline at
most: it is not asked again before it answers on its own line.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol
from urllib.parse import urlsplit

from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import UnavailableError
from idling_ws.store.postgres import Connection, Database, Params, Row
from idling_ws.tasks import Tasks

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25
LOOK_TIMEOUT_S = 1.0
# What a reader gives a replica before the primary is asked instead.
READ_TIMEOUT_S = 1.0
# How long ago the primary's position is remembered: as far back a lag is measured by our own clock.
SAMPLES = 1200

State = Literal["ok", "behind", "down", "stray"]


class Reader(Protocol):
    """Something to read from: a database, or whichever server may answer."""

    async def run(self, sql: str, params: Params | None = None, *, timeout_s: float | None = None) -> list[Row]:
        """Run one query and return its rows. Raises ``UnavailableError``."""
        ...


class Positions:
    """Where the primary's log was, and when. A position is a number of bytes (an LSN less ``0/0``)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque(maxlen=SAMPLES)

    def note(self, position: int) -> None:
        """Take where the primary is now."""
        if not self._samples or position > self._samples[-1][1]:
            self._samples.append((self._clock.monotonic(), position))

    def lag_s(self, replayed: int) -> float:
        """Return for how long something has been there that a replica at ``replayed`` has not; infinite when
        that was before we looked.
        """
        if not self._samples or replayed >= self._samples[-1][1]:
            return 0.0
        if replayed < self._samples[0][1]:
            return math.inf
        return self._clock.monotonic() - next(at for at, position in self._samples if position > replayed)


class Heads:
    """How far people's streams are on the primary, asked for all that want to know at the same time together."""

    def __init__(self, primary: Database) -> None:
        self._primary = primary
        self._next: dict[int, asyncio.Future[int | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def of(self, user_id: int) -> int | None:
        """Return how far the stream of a user is now, not a moment ago; None when nobody can say."""
        future = self._next.get(user_id)
        if future is None:
            future = self._next[user_id] = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="replica-heads")
        return await asyncio.shield(future)

    async def stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        asked: dict[int, asyncio.Future[int | None]] = {}
        try:
            while self._next:
                asked, self._next = self._next, {}
                sql = "SELECT user_id, seq FROM streams WHERE user_id = ANY(%s)"
                found: dict[int, int] = dict(await self._primary.run(sql, (list(asked),)))
                for user_id, future in asked.items():
                    if not future.done():
                        future.set_result(found.get(user_id))
        except UnavailableError:
            log.debug("nobody says how far streams are")
        finally:
            self._task = None
            waiting, self._next = [*asked.values(), *self._next.values()], {}
            for future in waiting:
                if not future.done():
                    future.set_result(None)


class Replica:
    """One server that follows. ``state`` is as of the last look, or of the last read that failed."""

    def __init__(self, url: str, epoch: str, positions: Positions, *, max_lag_s: float, max_size: int) -> None:
        parts = urlsplit(url)
        self.name = f"{parts.hostname}:{parts.port or 5432}"
        self.database = Database(url, max_size=max_size)
        # A line of its own: whether it answers must not depend on who else asks it.
        self._line = Database(url, max_size=1)
        self._epoch = epoch
        self._positions = positions
        self._max_lag_s = max_lag_s
        self._replayed = 0
        self.state: State = "down"

    @property
    def lag_s(self) -> float:
        """How long ago the oldest thing happened that it has not replayed, as far as is known."""
        return self._positions.lag_s(self._replayed)

    async def open(self) -> None:
        """Let connections be made."""
        await self.database.open()
        await self._line.open()

    async def close(self) -> None:
        """Close every connection."""
        await self.database.close()
        await self._line.close()

    async def look(self) -> None:
        """Ask it once how it is."""
        before = self.state
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                [(follows, replayed, epoch)] = await self._line.run(
                    "SELECT pg_is_in_recovery(), (pg_last_wal_replay_lsn() - '0/0')::bigint, "
                    "(SELECT epoch FROM log_epoch)"
                )
        except (UnavailableError, TimeoutError):
            self.state = "down"
        else:
            self._replayed = int(replayed or 0)
            is_ours = follows and epoch == self._epoch
            self.state = "stray" if not is_ours else "behind" if self.lag_s > self._max_lag_s else "ok"
        if self.state != before:
            log.log(logging.INFO if self.state == "ok" else logging.WARNING, "replica %s: %s", self.name, self.state)

    def failed(self) -> None:
        """Note that a read did not get its answer: it is not asked again before it answers a look."""
        self.state = "down"


class Replicas:
    """All replicas of one instance; none when there are no ``urls``, and then everything is the primary's."""

    def __init__(self, primary: Database, urls: Sequence[str], epoch: str, clock: Clock, *, max_lag_s: float) -> None:
        self.primary = primary
        self._positions = Positions(clock)
        self._heads = Heads(primary)
        self.all = [
            Replica(url, epoch, self._positions, max_lag_s=max_lag_s, max_size=primary.max_size) for url in urls
        ]
        self._turns = itertools.count()
        self._tasks = Tasks()
        self.reads = 0
        self.left_to_primary = 0

    async def start(self) -> None:
        """Look at each once, so that what comes next knows; then again and again."""
        for replica in self.all:
            await replica.open()
        if self.all:
            await self._note_primary()
            await asyncio.gather(*[replica.look() for replica in self.all])
            for work in (self._note_primary, *[replica.look for replica in self.all]):
                self._tasks.start(self._repeat(work), "replica-look")

    async def stop(self) -> None:
        """Look no more, and close every connection."""
        await self._tasks.stop()
        await self._heads.stop()
        for replica in self.all:
            await replica.close()

    def reading(self, user_id: int | None) -> Reader:
        """Return where to read for somebody who sees all that they did before; None for what is nobody's own."""
        return _Reading(self, user_id) if self.all else self.primary

    @property
    def usable(self) -> int:
        """How many may be read from now."""
        return sum(replica.state == "ok" for replica in self.all)

    def worst(self) -> str:
        """Return the state of the replica that is worst off: ``ok`` when all are well."""
        states = {replica.state for replica in self.all}
        return next((state for state in ("down", "stray", "behind") if state in states), "ok")

    def parts(self) -> dict[str, str]:
        """Return how they are as ``/readyz`` names it; nothing where there are none."""
        return {"replica": self.worst()} if self.all else {}

    def choose(self) -> Replica | None:
        """Return one that is well, each in its turn; None when there is none."""
        well = [replica for replica in self.all if replica.state == "ok"]
        return well[next(self._turns) % len(well)] if well else None

    async def read(self, user_id: int | None, sql: str, params: Params | None) -> list[Row] | None:
        """Return what a replica answers; None when the primary has to be asked."""
        replica = self.choose()
        if replica is None:
            return None
        try:
            async with asyncio.timeout(READ_TIMEOUT_S), replica.database.connection() as connection:
                if user_id is not None and not await self._has_all_of(connection, user_id):
                    return None
                return await connection.run(sql, params)
        except (UnavailableError, TimeoutError):
            replica.failed()
            return None

    async def _has_all_of(self, connection: Connection, user_id: int) -> bool:
        # Side by side: a replica that is asked too early has replayed less, never more.
        head, shown = await asyncio.gather(
            self._heads.of(user_id), connection.run("SELECT seq FROM streams WHERE user_id = %s", (user_id,))
        )
        return head is not None and bool(shown) and shown[0][0] >= head

    async def _note_primary(self) -> None:
        try:
            [(position,)] = await self.primary.run("SELECT (pg_current_wal_lsn() - '0/0')::bigint")
        except UnavailableError:
            return
        self._positions.note(int(position))

    async def _repeat(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await work()
            except Exception:
                log.exception("a replica was not looked at")


class _Reading:
    """Where one reader reads."""

    __slots__ = ("_replicas", "_user_id")

    def __init__(self, replicas: Replicas, user_id: int | None) -> None:
        self._replicas = replicas
        self._user_id = user_id

    async def run(self, sql: str, params: Params | None = None, *, timeout_s: float | None = None) -> list[Row]:
        rows = await self._replicas.read(self._user_id, sql, params)
        if rows is not None:
            self._replicas.reads += 1
            return rows
        self._replicas.left_to_primary += 1
        return await self._replicas.primary.run(sql, params, timeout_s=timeout_s)
