"""Limits at the door: requests a minute, of a user over all instances, or of an address without one.

Who comes with a good token is counted as a user. A cookie names nobody before it was
looked up, so it counts for its address until a request with it has succeeded: made-up
cookies gain nothing. Files of the page, health and the upgrade to a socket are free.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from http import HTTPStatus

from aiohttp import web

from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import AuthError, RateLimitError
from idling_ws.edge.addresses import place_of
from idling_ws.edge.browser_session import by_cookie, session_cookie
from idling_ws.edge.forwarded import address_of
from idling_ws.edge.parts import PARTS, Parts
from idling_ws.edge.problems import Handler
from idling_ws.edge.who import bearer
from idling_ws.store.quotas import Quotas

LIMITED = ("/api/", "/auth/")
# An address without a user gets a fifth of what a user gets: 120 of 600.
ADDRESS_SHARE = 5
KNOWN_COOKIES = 20_000
KNOWN_S = 300.0


class HttpLimits:
    """Requests a minute. ``refused`` counts those that were too many."""

    def __init__(self, quotas: Quotas, clock: Clock, *, per_minute: int) -> None:
        self._quotas = quotas
        self._clock = clock
        self._per_user = per_minute
        self._per_address = max(1, per_minute // ADDRESS_SHARE)
        self._cookies: OrderedDict[bytes, tuple[int, float]] = OrderedDict()
        self.refused = 0

    async def check(self, request: web.Request, parts: Parts) -> None:
        """Take one request off the quota. Raises ``RateLimitError``."""
        user_id = self._user_of(request, parts)
        if user_id is not None:
            wait_ms = await self._quotas.spend("http-user", str(user_id), self._per_user)
        else:
            wait_ms = await self._quotas.spend("http-address", place_of(address_of(request)), self._per_address)
        if wait_ms is not None:
            self.refused += 1
            raise RateLimitError(retry_after_ms=wait_ms)

    async def spend_on(self, what: str, request: web.Request, parts: Parts, per_minute: int) -> None:
        """Take one off a quota of its own for ``what``. Raises ``RateLimitError``."""
        user_id = self._user_of(request, parts)
        whose = place_of(address_of(request)) if user_id is None else f"user:{user_id}"
        wait_ms = await self._quotas.spend(what, whose, per_minute)
        if wait_ms is not None:
            self.refused += 1
            raise RateLimitError(retry_after_ms=wait_ms)

    async def learn(self, request: web.Request) -> None:
        """Remember whose cookie it is that was let in just now: it was looked up for that already."""
        cookie = _cookie(request)
        if cookie is None or bearer(request) is not None or self._is_known(cookie):
            return
        identity = await by_cookie(request)
        if identity is not None:
            self._cookies[_digest(cookie)] = (identity.user_id, self._clock.monotonic() + KNOWN_S)
            if len(self._cookies) > KNOWN_COOKIES:
                self._cookies.popitem(last=False)

    def _user_of(self, request: web.Request, parts: Parts) -> int | None:
        token = bearer(request)
        if token is not None:
            try:
                return parts.tokens.verify(token).user_id
            except AuthError:
                return None
        cookie = _cookie(request)
        return self._cookies[_digest(cookie)][0] if cookie is not None and self._is_known(cookie) else None

    def _is_known(self, cookie: str) -> bool:
        known = self._cookies.get(_digest(cookie))
        return known is not None and known[1] > self._clock.monotonic()


def _cookie(request: web.Request) -> str | None:
    return request.cookies.get(session_cookie(request.app[PARTS].settings))


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode(errors="surrogatepass")).digest()


HTTP_LIMITS: web.AppKey[HttpLimits] = web.AppKey("http_limits", HttpLimits)


@web.middleware
async def limit_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what is too much, before anything is done for it."""
    if not request.path.startswith(LIMITED):
        return await handler(request)
    limits = request.app[HTTP_LIMITS]
    await limits.check(request, request.app[PARTS])
    response = await handler(request)
    if response.status < HTTPStatus.BAD_REQUEST:
        await limits.learn(request)
    return response
