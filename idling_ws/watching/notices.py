"""Notices: what lasts is told to every admin and to the webhook, once when it begins and once when it ends.

    each instance: its faults --> operator_conditions --one instance, under a lease--> operator_notices
                                                          |--> every admin, as a notification
                                                          `--> the webhook

What has yet to be told stands in the notice's row until it was: an instance that dies half
way leaves nothing out and tells nothing twice to a person; a webhook may hear twice. That the
database is away cannot be put there. So whoever finds it posts it at once, one of all
instances where Redis can tell them apart; the row, and what admins hear, come when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

from idling_ws.delivery.fanout import Fanout
from idling_ws.domain.announcements import AUDIENCES
from idling_ws.domain.clock import Clock, unix_ms
from idling_ws.domain.errors import IdlingError, RejectedError, UnavailableError
from idling_ws.domain.ids import uuid7
from idling_ws.domain.notices import DATABASE_AWAY, KINDS, RAISED, Notice
from idling_ws.mutations.pipeline import Pipeline
from idling_ws.store import notices as rows
from idling_ws.store.announcements import audience_after
from idling_ws.store.leases import Leases
from idling_ws.store.postgres import Database
from idling_ws.store.redis import Keys
from idling_ws.tasks import Tasks
from idling_ws.watching.health import Health
from idling_ws.watching.webhook import Taken, Webhook

log = logging.getLogger(__name__)

EVERY_S = 2.0
AT_ONCE = 100
CLEAN_EVERY_ROUNDS = 1800
# News that could not be posted for so long is none any more.
POSTED_WITHIN_S = 900.0
# One of all instances posts what all of them find at about the same time.
CLAIM_S = 300
STOP_S = 1.0


class Notices:
    """Reports the faults of this instance, and tells of those of all."""

    def __init__(
        self,
        database: Database,
        leases: Leases,
        pipeline: Pipeline,
        health: Health,
        fanout: Fanout,
        keys: Keys,
        instance: str,
        clock: Clock,
        webhook: Webhook | None,
    ) -> None:
        self._database = database
        self._leases = leases
        self._pipeline = pipeline
        self._health = health
        self._fanout = fanout
        self._claim_key = f"{keys.prefix}:alert:"
        self._instance = instance
        self._clock = clock
        self._webhook = webhook
        self._has_reported = False
        self._rounds = 0
        self._tasks = Tasks()
        self._direct: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start telling."""
        self._health.on_condition = self.on_condition
        self._tasks.start(self._run(self.tell), "notices")
        self._tasks.start(self._run(self.post), "notices-posts")

    async def stop(self) -> None:
        """Stop. What has yet to be told is told by another instance, or by the next life of this one."""
        await self._tasks.stop()
        if self._has_reported:
            # What was wrong with it is wrong no more. Who is killed instead is forgotten with time.
            with contextlib.suppress(UnavailableError, TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await rows.report(self._database, self._instance, [])

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await work()
            except UnavailableError:
                log.debug("notices wait for the database")
            except Exception:
                log.exception("notices could not be told")

    # -- one instance for all ------------------------------------------------------

    async def tell(self) -> None:
        """Report, raise, end, and tell admins. Raises ``UnavailableError``."""
        await self._report()
        if not await self._leases.take("operator-notices", 5 * EVERY_S):
            return
        at = unix_ms(self._clock.now())
        ids = [uuid7(at) for _ in range(2 * len(KINDS))]
        await rows.raise_and_end(self._database, ids, [DATABASE_AWAY])
        for one in await rows.pending(self._database, "tell", AT_ONCE):
            await self._tell_admins(one)
            await rows.note_done(self._database, one, "tell")
        self._rounds += 1
        if self._rounds % CLEAN_EVERY_ROUNDS == 0:
            await rows.drop_old(self._database)

    async def _report(self) -> None:
        now = self._clock.now()
        found = [(kind, (now - since).total_seconds()) for kind, since in self._health.conditions()]
        if found or self._has_reported:
            await rows.report(self._database, self._instance, found)
            self._has_reported = bool(found)

    async def _tell_admins(self, one: rows.Pending) -> None:
        up_to = 0
        args = {"id": one.notice.id, "state": one.state}
        while users := await audience_after(self._database, AUDIENCES["admins"], up_to, AT_ONCE):
            await _all(self._change(user_id, args) for user_id in users)
            up_to = users[-1]

    async def _change(self, user_id: int, args: dict[str, str]) -> None:
        try:
            await self._pipeline.submit_own(user_id, "operator.tell", args)
        except RejectedError:
            return  # they were told before
        except UnavailableError:
            raise
        except IdlingError as exc:
            log.warning("user %d could not be told of a notice: %s", user_id, exc.code)

    # -- the webhook ---------------------------------------------------------------

    async def post(self) -> None:
        """Post what has yet to be posted. Raises ``UnavailableError``."""
        if not await self._leases.take("operator-posts", 30.0):
            return
        for one in await rows.pending(self._database, "post", AT_ONCE):
            is_news = self._webhook is not None and one.age_s < POSTED_WITHIN_S
            if is_news and await self._posted(one.notice, one.state) is Taken.FAILED:
                return  # in order: the end of something is told after its beginning
            await rows.note_done(self._database, one, "post")

    async def _posted(self, notice: Notice, state: str) -> Taken:
        assert self._webhook is not None  # noqa: S101 -- for the type checker
        if state == RAISED:
            notice = Notice(notice.id, notice.kind, notice.raised_at)
        return await self._webhook.post(notice, state)

    def on_condition(self, kind: str, since: datetime, *, begins: bool) -> None:
        """Hear of a fault of this instance that began to last, or ended."""
        is_busy = self._direct is not None and not self._direct.done()
        if kind == DATABASE_AWAY and begins and self._webhook is not None and not is_busy:
            self._direct = self._tasks.start(self._post_directly(kind, since), "notices-direct")

    async def posted_directly(self) -> None:
        """Wait until what could not go through the database is posted, or given up."""
        if self._direct is not None:
            await self._direct

    async def _post_directly(self, kind: str, since: datetime) -> None:
        if await self._is_first(kind):
            await self._posted(Notice(uuid7(unix_ms(self._clock.now())), kind, since), RAISED)

    async def _is_first(self, kind: str) -> bool:
        """Whether no other instance has claimed to post it; True as well where Redis cannot tell."""
        try:
            replies = await self._fanout.send([("SET", self._claim_key + kind, self._instance, "NX", "EX", CLAIM_S)])
        except UnavailableError:
            return True
        return replies[0] is not None


async def _all(changes: Iterable[Awaitable[None]]) -> None:
    """Make these at once. Raises ``UnavailableError`` once all have ended."""
    for result in await asyncio.gather(*changes, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
