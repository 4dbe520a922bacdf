"""Group commit: what is ready is committed together, each user's changes in order.

A mutation waits in the queue of its user. A lane takes the first one of as many users
as are waiting, runs them in one transaction and comes back. Under light load a batch
is one mutation and nothing waits for anything; under heavy load the cost of a
round trip and of a commit is shared by the batch.

When a batch fails, nothing of it is known to have happened. A rule of the database
(a unique index, a lock that somebody holds) can come from one member only, so its
members are tried again one by one. Anything else is answered ``unavailable``, and so
is whatever the same connection had sent after it: running those would turn the order
around in which the client asked.

Nobody waits past the deadline of a job: what has less than ``RUN_S`` left is not begun,
and what was begun gives up in that time, whatever the database does.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import IdlingError, InternalError, UnavailableError
from idling_ws.domain.rules import LobbyChange
from idling_ws.mutations.batch import Batch, Committed, Job, Settled, disjoint, ending
from idling_ws.store.commit import Ask, Opened, commit_batch, find_users, open_batch
from idling_ws.store.postgres import Connection, Database, LockTimeoutError, UniqueViolationError
from idling_ws.tasks import Tasks

log = logging.getLogger(__name__)

MAX_BATCH = 64
# What one run of a batch may take. Statements give up before (``store.postgres``).
RUN_S = 2.0
EXPIRE_EVERY_S = 0.25
# Beyond this a change would not be begun before its deadline anyway: better said at once.
MAX_WAITING = 20_000
BUSY_RETRY_MS = 2000


class Committer:
    """Owns the lanes. ``on_commit`` hears of every entry, in order, before its sender does."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        resolve_emoji: Callable[[str], str | None],
        on_commit: Callable[[list[Committed], list[LobbyChange]], None],
        *,
        lanes: int = 3,
    ) -> None:
        self._database = database
        self._clock = clock
        self._resolve_emoji = resolve_emoji
        self._on_commit = on_commit
        self._lane_count = lanes
        self._queues: dict[int, deque[Job]] = {}
        self._ready: deque[int] = deque()
        self._wake = asyncio.Event()
        self._tasks = Tasks()
        self._unsettled = 0
        self._all_settled = asyncio.Event()
        self._all_settled.set()
        self._is_closing = False
        # Whether a Web Push endpoint is one that we would post to.
        self.accepts_push: Callable[[str], bool] = lambda endpoint: False
        self.batch_sizes: Callable[[int], None] = lambda size: None
        # Name, how it ended (a verdict's status or an error's code), seconds since it came.
        self.settled: Callable[[str, str, float], None] = lambda name, outcome, took_s: None

    def start(self) -> None:
        """Start the lanes."""
        for n in range(self._lane_count):
            self._tasks.start(self._run_lane(), f"lane-{n}")
        self._tasks.start(self._expire(), "lanes-expiry")

    async def drain(self, timeout_s: float) -> None:
        """Take nothing new, and wait until everything submitted is settled, ``timeout_s`` at most."""
        self._is_closing = True
        try:
            async with asyncio.timeout(timeout_s):
                await self._all_settled.wait()
        except TimeoutError:
            log.warning("%d mutations were still running at the end of the drain", self._unsettled)

    async def stop(self) -> None:
        """Stop the lanes; what still waits is answered ``unavailable``."""
        await self._tasks.stop()
        for queue in self._queues.values():
            for job in queue:
                self._settle(job, UnavailableError())
        self._queues.clear()

    @property
    def waiting(self) -> int:
        """Mutations submitted and not settled."""
        return self._unsettled

    def submit(self, job: Job) -> None:
        """Queue ``job``; its future gets the verdict or the error.

        Raises ``UnavailableError`` while leaving, and when too many wait already.
        """
        if self._is_closing:
            raise UnavailableError("unavailable", "This instance is leaving. Ask again.", retry_after_ms=1000)
        if self._unsettled >= MAX_WAITING:
            raise UnavailableError(
                message="Too many changes are waiting. Nothing was changed.", retry_after_ms=BUSY_RETRY_MS
            )
        self._unsettled += 1
        self._all_settled.clear()
        queue = self._queues.get(job.user_id)
        if queue is None:
            # The queue stays while a job of this user runs, so that the next one waits for it.
            self._queues[job.user_id] = deque((job,))
            self._ready.append(job.user_id)
            self._wake.set()
        else:
            queue.append(job)

    def _settle(self, job: Job, result: Settled | IdlingError) -> None:
        self._unsettled -= 1
        if not self._unsettled:
            self._all_settled.set()
        took_s = self._clock.monotonic() - job.came_at
        self.settled(job.mutation.name, ending(result), took_s)
        if job.done.done():  # its waiter went away
            return
        if isinstance(result, IdlingError):
            job.done.set_exception(result)
        else:
            job.done.set_result(result)

    async def _run_lane(self) -> None:
        connection: Connection | None = None
        try:
            while True:
                while not self._ready:
                    self._wake.clear()
                    await self._wake.wait()
                jobs = self._take()
                if not jobs:
                    continue
                try:
                    connection = await self._run_jobs(connection, jobs)
                finally:
                    for job in jobs:
                        self._next_of(job.user_id)
        finally:
            if connection is not None:
                self._database.release(connection)

    def _take(self) -> list[Job]:
        jobs: list[Job] = []
        now = self._clock.monotonic()
        while self._ready and len(jobs) < MAX_BATCH:
            user_id = self._ready.popleft()
            queue = self._queues[user_id]
            self._fail_late(queue, now)
            if queue:
                jobs.append(queue.popleft())
            else:
                self._next_of(user_id)
        return jobs

    async def _expire(self) -> None:
        """Answer what waits for too long, while every lane is busy with a database that does not answer."""
        while True:
            await asyncio.sleep(EXPIRE_EVERY_S)
            now = self._clock.monotonic()
            for queue in self._queues.values():
                self._fail_late(queue, now)

    def _fail_late(self, queue: deque[Job], now: float) -> None:
        while queue and queue[0].deadline - now < RUN_S:
            self._fail_source(queue, queue[0].source, UnavailableError())

    def _next_of(self, user_id: int) -> None:
        queue = self._queues.get(user_id)
        if not queue:
            self._queues.pop(user_id, None)
            return
        self._ready.append(user_id)
        self._wake.set()

    def _fail_source(self, queue: deque[Job], source: object, error: IdlingError) -> None:
        """Settle everything that waits from ``source`` with the same error."""
        doomed = [job for job in queue if job.source is source]
        for job in doomed:
            queue.remove(job)
            self._settle(job, error)

    async def _run_jobs(self, connection: Connection | None, jobs: list[Job], tries: int = 2) -> Connection | None:
        """Settle ``jobs``; return the connection for the next batch, or None when it is spent."""
        later: list[Job] = []
        now = self._clock.monotonic()
        until = min(now + RUN_S, *[job.deadline for job in jobs])
        try:
            await self._find_others(jobs, until)
            jobs, later = disjoint(jobs)
            connection, opened = await self._open(connection, jobs, until)
            await self._run_batch(connection, opened, jobs)
        except (UniqueViolationError, LockTimeoutError) as exc:
            self._give_back(connection)
            connection = None
            if len(jobs) > 1:
                for job in jobs:
                    connection = await self._run_jobs(connection, [job])
            elif isinstance(exc, UniqueViolationError) and tries > 1:
                # Somebody was faster. Now the rule sees them, and says so.
                connection = await self._run_jobs(connection, jobs, tries - 1)
            else:
                self._fail(jobs, exc if isinstance(exc, IdlingError) else InternalError())
        except (UnavailableError, TimeoutError) as exc:
            self._give_back(connection)
            connection = None
            self._fail(jobs, exc if isinstance(exc, UnavailableError) else UnavailableError())
        except asyncio.CancelledError:
            # The end of the process. Whether it happened is not known: the same ``mid`` will tell.
            self._fail([job for job in (*jobs, *later) if not job.done.done()], UnavailableError())
            raise
        except Exception:
            log.exception("a batch of %d failed", len(jobs), extra={"trace_id": [job.trace_id for job in jobs]})
            self._give_back(connection)
            connection = None
            self._fail(jobs, InternalError())
        if later:
            connection = await self._run_jobs(connection, later)
        return connection

    async def _find_others(self, jobs: list[Job], until: float) -> None:
        """Find out whose streams each job writes to beside its own, before anything is locked."""
        unknown = [job for job in jobs if job.also is None]
        asked = [job for job in unknown if job.mutation.touches is not None]
        for job in unknown:
            if job.mutation.touches is None:
                job.also = job.mutation.also
        if not asked:
            return
        async with asyncio.timeout(until - self._clock.monotonic()):
            found = await find_users(self._database, [(str(job.mutation.touches), self._keys(job)) for job in asked])
        for job, user_id in zip(asked, found, strict=True):
            others = () if user_id in (None, job.user_id) else (user_id,)
            job.also = (*job.mutation.also, *others)

    async def _open(self, connection: Connection | None, jobs: list[Job], until: float) -> tuple[Connection, Opened]:
        """Open the transaction, on a new connection if the kept one turns out to be dead.

        That is safe to repeat: nothing has been written yet. The connection gives up at ``until``.
        """
        asks = [Ask(job.user_id, job.mid, self._keys(job), job.facts, job.also or ()) for job in jobs]
        if connection is not None:
            try:
                connection.give_up_in(until - self._clock.monotonic())
                return connection, await open_batch(connection, asks)
            except LockTimeoutError:
                raise
            except UnavailableError:
                self._give_back(connection)
        connection = await self._database.acquire(timeout_s=until - self._clock.monotonic())
        try:
            connection.give_up_in(until - self._clock.monotonic())
            return connection, await open_batch(connection, asks)
        except BaseException:
            self._give_back(connection)
            raise

    def _keys(self, job: Job) -> dict[str, Any]:
        """Return what the facts of a job are read by: an emoji under the id that is stored."""
        keys = job.mutation.keys(job.args)
        emoji = keys.get("emoji")
        if emoji is not None:
            keys["emoji"] = self._resolve_emoji(emoji) or emoji
        return keys

    def _give_back(self, connection: Connection | None) -> None:
        if connection is not None:
            self._database.release(connection)

    def _fail(self, jobs: list[Job], error: IdlingError) -> None:
        for job in jobs:
            self._settle(job, error)
            if error.fault.retryable:
                self._fail_source(self._queues.get(job.user_id, deque()), job.source, error)

    async def _run_batch(self, connection: Connection, opened: Opened, jobs: list[Job]) -> None:
        self.batch_sizes(len(jobs))
        now = self._clock.now()
        batch = Batch(opened.heads, now, self._resolve_emoji, self.accepts_push)
        for job, (receipt, facts) in zip(jobs, opened.found, strict=True):
            batch.add(job, receipt, facts)
        if batch.committed:
            await commit_batch(connection, opened.heads, batch.change, now)
            try:
                self._on_commit(batch.committed, batch.lobby)
            except Exception:
                # It is committed, whatever becomes of telling it: the sweeper finds what was not told.
                log.exception("a committed batch could not be told")
        else:
            await connection.run("COMMIT")
        for job, result in batch.settled:
            self._settle(job, result)
