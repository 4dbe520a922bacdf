"""Asking a sign-in service: one JSON answer, bounded in time and size, or a clear error.

What comes back is judged as if a stranger had sent it: no redirect is followed, no
more than ``MAX_BYTES`` are read, and nothing of it gets into a message for people.

Reads are tried again within their deadline; a code is exchanged once, for it is spent by that. A
service that failed several times in a row is not asked for a while (``breakers``), so that
whoever signs in hears at once that it does not answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from idling_ws.breakers import Breakers, LeftAloneError
from idling_ws.domain.clock import SystemClock
from idling_ws.domain.errors import NetworkError

TIMEOUT_S = 5.0
MAX_BYTES = 256 * 1024
READ_ATTEMPTS = 3
FAILURES = 5
REST_S = 15.0


class ProviderError(NetworkError):
    """A sign-in service failed us. ``reason`` is for log and audit, never for the page."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code)
        self.reason = reason


def _is_passing(exc: BaseException) -> bool:
    """Whether the same question may be answered a moment later."""
    return isinstance(exc, _AwayError)


class _AwayError(ProviderError):
    """It could not be reached, or said itself that it is in trouble: this is what opens a breaker."""

    def __init__(self, reason: str) -> None:
        super().__init__("provider_unavailable", reason)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status below 500 and the JSON object that came with it."""

    status: int
    body: dict[str, Any]


class Outbound:
    """Our side of the line to sign-in services."""

    def __init__(
        self, session: aiohttp.ClientSession, *, timeout_s: float = TIMEOUT_S, breakers: Breakers | None = None
    ) -> None:
        self._session = session
        self._timeout_s = timeout_s
        self._breakers = breakers or Breakers(SystemClock())

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Fetch a JSON object. Raises ``ProviderError``."""
        return await self._ask("GET", url, headers or {}, None, attempts=READ_ATTEMPTS)

    async def post_form(self, url: str, headers: Mapping[str, str], body: str) -> Answer:
        """Send a form and return the JSON object that answers it. Raises ``ProviderError``."""
        return await self._ask("POST", url, headers, body, attempts=1)

    async def _ask(
        self, method: str, url: str, headers: Mapping[str, str], body: str | None, *, attempts: int
    ) -> Answer:
        breaker = self._breakers.named(f"sign-in:{urlsplit(url).netloc}", failures=FAILURES, rest_s=REST_S)
        retrying = AsyncRetrying(
            stop=stop_after_attempt(attempts),
            wait=wait_random_exponential(multiplier=0.1, max=1.0),
            retry=retry_if_exception(_is_passing),
            reraise=True,
        )
        try:
            with breaker.guard(_AwayError):
                try:
                    async with asyncio.timeout(self._timeout_s):
                        return await retrying(self._ask_once, method, url, headers, body)
                except TimeoutError as exc:
                    raise _AwayError("no answer in time") from exc
        except LeftAloneError as exc:
            raise ProviderError("provider_unavailable", "left alone: it did not answer several times") from exc

    async def _ask_once(self, method: str, url: str, headers: Mapping[str, str], body: str | None) -> Answer:
        asking = {"Accept": "application/json", **headers}
        if body is not None:
            asking["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            async with self._session.request(method, url, headers=asking, data=body, allow_redirects=False) as response:
                raw = await _read_bounded(response)
                return _judge(response.status, raw)
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            # The class says enough; the text may hold the URL with what was in it.
            raise _AwayError(type(exc).__name__) from exc


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    raw = bytearray()
    async for chunk in response.content.iter_any():
        raw += chunk
        if len(raw) > MAX_BYTES:
            response.close()
            raise ProviderError("provider_wrong", "answer too large")
    return bytes(raw)


def _judge(status: int, raw: bytes) -> Answer:
    if status >= 500 or status == 429:
        raise _AwayError(f"answered {status}")
    if 300 <= status < 400:
        raise ProviderError("provider_wrong", f"answered with a redirect ({status})")
    try:
        body = orjson.loads(raw)
    except ValueError as exc:
        raise ProviderError("provider_wrong", f"answered {status} without JSON") from exc
    if not isinstance(body, dict):
        raise ProviderError("provider_wrong", f"answered {status} with JSON that is no object")
    return Answer(status, body)
