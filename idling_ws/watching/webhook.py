"""The webhook of operators: one bounded POST for each piece of news, tried a few times, and no harm if it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import Enum

import aiohttp
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from idling_ws.breakers import Breakers, LeftAloneError
from idling_ws.domain.clock import rfc3339
from idling_ws.domain.errors import JsonObject
from idling_ws.domain.notices import Notice
from idling_ws.wire.jsontext import encode

log = logging.getLogger(__name__)

ATTEMPT_TIMEOUT_S = 5.0
DEADLINE_S = 15.0
ATTEMPTS = 3
FAILURES = 3
REST_S = 30.0


class Taken(Enum):
    """What became of a post."""

    SENT = "sent"
    REFUSED = "refused"
    FAILED = "failed"


class _FailedError(Exception):
    """It could not be reached, or is in trouble: the same post may be taken a moment later."""


class Webhook:
    """Posts news to ``url``. ``place`` tells several places apart; ``count`` hears of every outcome."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        place: str,
        breakers: Breakers,
        count: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        self._session = session
        self._url = url
        self._place = place
        self._breaker = breakers.named("webhook", failures=FAILURES, rest_s=REST_S)
        self._count = count

    async def post(self, notice: Notice, state: str) -> Taken:
        """Tell of a notice that was ``raised`` or ``ended``. Never raises: what went wrong is an outcome."""
        outcome = await self._post(news(notice, state, self._place))
        self._count(outcome.value)
        if outcome is not Taken.SENT:
            log.warning("the webhook did not take %s of %s: %s", state, notice.kind, outcome.value)
        return outcome

    async def _post(self, body: JsonObject) -> Taken:
        retrying = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.5, max=3.0),
            retry=retry_if_exception_type(_FailedError),
            reraise=True,
        )
        try:
            with self._breaker.guard(_FailedError, TimeoutError):
                async with asyncio.timeout(DEADLINE_S):
                    return await retrying(self._post_once, encode(body))
        except (LeftAloneError, _FailedError, TimeoutError):
            return Taken.FAILED

    async def _post_once(self, body: bytes) -> Taken:
        try:
            async with (
                asyncio.timeout(ATTEMPT_TIMEOUT_S),
                self._session.post(
                    self._url, data=body, headers={"Content-Type": "application/json"}, allow_redirects=False
                ) as response,
            ):
                status = response.status
        except (aiohttp.ClientError, OSError, ValueError) as exc:  # a time-out is an OSError
            raise _FailedError(type(exc).__name__) from exc
        if status == 429 or status >= 500:
            raise _FailedError(str(status))
        # A redirect too: where it leads nobody has set.
        return Taken.SENT if 200 <= status < 300 else Taken.REFUSED


def news(notice: Notice, state: str, place: str) -> JsonObject:
    """Return what is posted. ``text`` alone says enough for a chat."""
    level, title, body = notice.told(state)
    return {
        "place": place,
        "state": state,
        "level": level,
        "text": f"{title} ({place}, since {rfc3339(notice.raised_at)})" + (f": {body}" if body else ""),
        "notice": notice.to_wire(),
    }
