"""Web Push to who is away: what no device has shown in ten seconds goes to the browsers that asked for it.

    notification --10 s--> due --claimed--> shown already? --no--> every browser of the user

All instances take what is due from one table, each row by one of them. What leaves us says
what kind of thing happened, in words of ours and in none of anybody's: a lock screen is read by
many. Whoever opens it reads the rest here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any, Protocol

from idling_ws.delivery.acknowledged import Acknowledged
from idling_ws.domain.errors import UnavailableError
from idling_ws.domain.push import OTHER_TITLE, TITLES, Subscription
from idling_ws.store.push import CLAIM_S, Due, PushRows
from idling_ws.tasks import Tasks
from idling_ws.wire.jsontext import encode

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
CLAIMED_AT_ONCE = 16
POSTED_AT_ONCE = 16
# For all posts of one look: what a slow service did not take by then is tried again, before
# another instance may take it for abandoned.
LOOK_WITHIN_S = CLAIM_S - 15.0
MAX_ATTEMPTS = 5
FIRST_RETRY_S = 5.0


class Posted(Enum):
    """What became of one post."""

    SENT = "sent"
    GONE = "gone"
    REFUSED = "refused"
    FAILED = "failed"


class Line(Protocol):
    """The way to push services."""

    async def post(self, subscription: Subscription, payload: bytes, topic: str) -> Posted:
        """Encrypt ``payload`` for a browser and post it. ``topic``: a later one of the same name replaces it."""


class Push:
    """Looks for what is due and posts it. ``count`` hears of every outcome."""

    def __init__(
        self,
        rows: PushRows,
        acknowledged: Acknowledged,
        line: Line,
        count: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        self._rows = rows
        self._acknowledged = acknowledged
        self._line = line
        self._count = count
        self._slots = asyncio.Semaphore(POSTED_AT_ONCE)
        self._tasks = Tasks()

    def start(self) -> None:
        """Start looking."""
        self._tasks.start(self._run(), "push")

    async def stop(self) -> None:
        """Stop; what is not settled comes up again on another instance."""
        await self._tasks.stop()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                while await self.look() == CLAIMED_AT_ONCE:
                    continue
            except UnavailableError:
                log.debug("nothing can be pushed: the database does not answer")
            except Exception:
                log.exception("what is due could not be pushed")

    async def look(self) -> int:
        """Take a page of what is due; return how much that was. Raises ``UnavailableError``."""
        due = await self._rows.claim(CLAIMED_AT_ONCE)
        if not due:
            return 0
        users = sorted({one.user_id for one in due})
        newest, is_all = await self._acknowledged.newest(users)
        away = [one for one in due if one.wanted and newest.get(one.user_id, -1) < one.seq]
        if is_all:
            browsers = await self._rows.subscriptions(users) if away else {}
            until = asyncio.get_running_loop().time() + LOOK_WITHIN_S
            again = await asyncio.gather(*[self._push(one, browsers.get(one.user_id, []), until) for one in away])
        else:
            again = [True] * len(away)  # who has seen it on another instance is not known: late is better than wrong
        postponed = [one for one, failed in zip(away, again, strict=True) if failed and one.attempts < MAX_ATTEMPTS]
        for one in due:
            if one not in away:
                self._count("seen")
        for one, failed in zip(away, again, strict=True):
            if failed and one not in postponed:
                self._count("given_up")
        await self._rows.settle([one for one in due if one not in postponed])
        for one in postponed:
            await self._rows.postpone(one, FIRST_RETRY_S * 2 ** (one.attempts - 1))
        return len(due)

    async def _push(self, due: Due, browsers: list[Subscription], until: float) -> bool:
        """Post to every browser; True when none took it and one of them may yet."""
        title = TITLES.get(due.kind, OTHER_TITLE)
        payload = encode({"id": due.notification_id, "kind": due.kind, "title": title})
        outcomes = await asyncio.gather(
            *[self._in_time(self._post(browser, payload, due.notification_id), until) for browser in browsers]
        )
        return Posted.FAILED in outcomes and Posted.SENT not in outcomes

    async def _in_time(self, work: Coroutine[Any, Any, Posted], until: float) -> Posted:
        try:
            async with asyncio.timeout_at(until), self._slots:
                return await work
        except TimeoutError:
            work.close()
            self._count(Posted.FAILED.value)
            return Posted.FAILED

    async def _post(self, browser: Subscription, payload: bytes, topic: str) -> Posted:
        outcome = await self._line.post(browser, payload, topic)
        self._count(outcome.value)
        if outcome is Posted.GONE:
            await self._rows.drop(browser.endpoint)
        elif outcome is Posted.REFUSED:
            await self._rows.note_refused(browser.endpoint)
        return outcome
