"""Jobs that one instance does for all: ending sessions that went silent, dropping what is old.

Whoever holds the lease does it; who dies loses the lease with time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from idling_ws import announcing
from idling_ws.config import Settings
from idling_ws.delivery.presence import Presence
from idling_ws.domain.devices import device_name
from idling_ws.domain.errors import IdlingError, JsonObject, RejectedError, UnavailableError
from idling_ws.identity.keys import KeyRing
from idling_ws.identity.logins import Logins
from idling_ws.identity.revocations import POLL_S, Revocations
from idling_ws.mutations.pipeline import Pipeline
from idling_ws.observe.error_counts import JOB
from idling_ws.store import logins, revocations
from idling_ws.store.analytics import MAX_HOURS_A_RUN, Analytics
from idling_ws.store.error_stats import ErrorStats
from idling_ws.store.leases import Leases
from idling_ws.store.notices import database_time
from idling_ws.store.postgres import Database
from idling_ws.store.retention import Retention
from idling_ws.store.sessions import SessionStore
from idling_ws.tasks import Tasks
from idling_ws.watching.time_of_day import JUMP_S, TimeOfDay

log = logging.getLogger(__name__)

TIMEOUT_BATCH = 500
RETENTION_EVERY_S = 600.0
LOGINS_EVERY_S = 5.0
KEYS_EVERY_S = 30.0
ERRORS_EVERY_S = 5.0
# What is popular comes from it, too.
ANALYTICS_EVERY_S = 15.0
ANALYTICS_LEASE_S = 60.0
SEEN_EVERY_S = 60.0
CLOCK_EVERY_S = 5.0
ENDED_LOGINS_KEPT = timedelta(days=30)
# Longer than any access token can live.
REVOCATIONS_KEPT = timedelta(days=2)


class Jobs:
    """The periodic work of one instance."""

    def __init__(
        self,
        settings: Settings,
        clock: TimeOfDay,
        database: Database,
        leases: Leases,
        sessions: SessionStore,
        presence: Presence,
        pipeline: Pipeline,
        retention: Retention,
        keyring: KeyRing,
        sign_ins: Logins,
        ended: Revocations,
        analytics: Analytics,
        error_stats: ErrorStats,
        failed: Callable[[str, str], None],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._database = database
        self._leases = leases
        self._sessions = sessions
        self._presence = presence
        self._pipeline = pipeline
        self._announcing = announcing.Announcing(database, leases, pipeline)
        self._retention = retention
        self._keyring = keyring
        self._logins = sign_ins
        self._revocations = ended
        self._analytics = analytics
        self._error_stats = error_stats
        self._failed = failed
        self._tasks = Tasks()
        self._answers_since = clock.monotonic()
        self._database_apart: float | None = None
        self._analytics_rest_until = clock.monotonic()
        self._look_every_s = min(15.0, settings.session_timeout_s / 4)

    def start(self) -> None:
        """Start all jobs."""
        self._tasks.start(self._run(self._look_every_s, self.end_silent_sessions), "job-time-outs")
        self._tasks.start(self._run(RETENTION_EVERY_S, self.drop_old_rows), "job-retention")
        self._tasks.start(self._run(announcing.EVERY_S, self._announcing.run), "job-announcements")
        self._tasks.start(self._run(KEYS_EVERY_S, self._keyring.refresh), "job-keys")
        self._tasks.start(self._run(SEEN_EVERY_S, self._logins.flush_seen), "job-logins-seen")
        self._tasks.start(self._run(LOGINS_EVERY_S, self.tell_of_logins), "job-logins-to-tell")
        self._tasks.start(self._run(POLL_S, self._revocations.poll), "job-revocations")
        self._tasks.start(self._run(CLOCK_EVERY_S, lambda: self._clock.ask(self._database)), "job-clock")
        self._tasks.start(self._run(ERRORS_EVERY_S, self._error_stats.flush), "job-error-stats")
        self._tasks.start(self._run(ANALYTICS_EVERY_S, self.roll_up), "job-analytics")

    async def stop(self) -> None:
        """Stop all jobs and let their leases go."""
        await self._tasks.stop()
        try:
            await self._error_stats.flush()
            await self._leases.give_up()
        except UnavailableError:
            log.debug("leases run out by themselves")

    async def _run(self, every_s: float, work: Callable[[], Awaitable[object]]) -> None:
        while True:
            await asyncio.sleep(every_s)
            try:
                await work()
            except UnavailableError as exc:
                self._answers_since = self._clock.monotonic() + every_s
                self._failed(exc.code, JOB)
            except Exception:
                log.exception("a job failed")
                self._failed("internal", JOB)

    def hold_off(self) -> None:
        """A clock jumped: who seems silent by it need not be, until devices had time to speak again."""
        self._answers_since = self._clock.monotonic()

    async def _clocks_agree(self) -> bool:
        """Whether the database's clock went on as ours did since the last look; silence is measured by it."""
        apart = (await database_time(self._database)).timestamp() - self._clock.monotonic()
        known, self._database_apart = self._database_apart, apart
        if known is None or abs(apart - known) < JUMP_S:
            return True
        log.warning("the clock of the database jumped by %.1f s: nobody counts as silent", apart - known)
        self.hold_off()
        return False

    async def end_silent_sessions(self) -> int:
        """End the sessions of users nobody has heard of for too long; return how many.

        Right after a start, or after the database was away, everybody seems silent: nothing is
        ended until devices had as long to speak as they get before they count as away.
        """
        timeout_s = self._settings.session_timeout_s
        if self._clock.monotonic() - self._answers_since < min(self._settings.stale_s, timeout_s):
            return 0
        # Short enough that the sessions of everybody do not wait for the lease of one that died.
        if not await self._leases.take("session-time-outs", 3 * self._look_every_s):
            self._database_apart = None
            return 0
        if not await self._clocks_agree():
            return 0
        silent = await self._sessions.silent(timeout_s, TIMEOUT_BATCH)
        if not silent:
            return 0
        since = self._clock.now() - timedelta(seconds=timeout_s)
        heard = await self._presence.heard_elsewhere([user_id for user_id, _ in silent], since)
        # At once, so that they are committed together.
        outcomes = await asyncio.gather(
            *[
                self._submit(user_id, "session.time_out", {"id": session_id})
                for user_id, session_id in silent
                if user_id not in heard
            ]
        )
        ended = sum(outcomes)
        if ended:
            log.info("%d silent sessions ended", ended)
        return ended

    async def _submit(self, user_id: int, name: str, args: JsonObject) -> bool:
        """Make one change; False when it was not to be made, or could not be: it will be found again."""
        try:
            await self._pipeline.submit_own(user_id, name, args)
        except (RejectedError, UnavailableError):
            return False  # somebody was faster, or the database does not answer
        except IdlingError as exc:
            log.warning("%s of user %d failed: %s", name, user_id, exc.code)
            return False
        return True

    async def tell_of_logins(self) -> None:
        """Tell people of new devices and of ended ones, where whoever was to do it could not."""
        if not await self._leases.take("logins-to-tell", 3 * LOGINS_EVERY_S):
            return
        for login_id, user_id, what, provider, user_agent in await logins.untold(self._database, 100):
            told = {"login": login_id, "provider": provider, "device": device_name(user_agent)}
            await self._submit(user_id, f"device.{what}", told)

    async def roll_up(self) -> None:
        """Bring the analytics up to now, a bounded piece at a time.

        Where there is so much that it takes long, it is done less often: a sixth of the time at most.
        """
        began = self._clock.monotonic()
        if began < self._analytics_rest_until:
            return
        try:
            while await self._leases.take("analytics", ANALYTICS_LEASE_S):
                if await self._analytics.roll_up(self._clock.now()) < MAX_HOURS_A_RUN:
                    break
        except UnavailableError:
            # Not passed on: a sum that takes too long does not mean that the database is away.
            log.warning("the analytics were not brought up to now; they will be")
        now = self._clock.monotonic()
        self._analytics_rest_until = now + 5 * (now - began)

    async def drop_old_rows(self) -> None:
        """Run the retention."""
        if await self._leases.take("retention", RETENTION_EVERY_S):
            gone = await self._retention.run() + await self._drop_endings()
            if gone:
                log.info("%d old rows and months of audit dropped", gone)

    async def _drop_endings(self) -> int:
        """Drop logins that ended long ago, and what every instance has heard of."""
        gone, now = 0, self._clock.now()
        for delete, kept in ((logins.delete_dead, ENDED_LOGINS_KEPT), (revocations.delete_before, REVOCATIONS_KEPT)):
            while deleted := await delete(self._database, now - kept):
                gone += deleted
        return gone
