"""Recognised cookies, kept in Redis for a moment: a copy that saves Postgres a question.

A cookie that ended gets a mark in the same place, and what is kept is only ever put where
nothing is. So a request that read Postgres just before the log-out cannot bring the login
back afterwards. Redis away or slow: nothing is found, and Postgres is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import asdict
from datetime import datetime
from typing import Any

import orjson

from idling_ws.breakers import Breakers, LeftAloneError
from idling_ws.domain.clock import Clock
from idling_ws.store.logins import SignedIn
from idling_ws.store.redis import Failures, Keys, Redis

KEPT_S = 30
# Longer than any request that read before the end can take to write, and than what it would have kept.
ENDED_S = 120
TIMEOUT_S = 0.25
# After a failure nobody waits for Redis for so long.
REST_S = 2.0
_ENDED = b"ended"


class LoginCache:
    """Copies of ``SignedIn`` by the hash of the cookie."""

    def __init__(self, redis: Redis, keys: Keys, clock: Clock, breakers: Breakers | None = None) -> None:
        self._redis = redis
        self._prefix = f"{keys.prefix}:login:"
        self._breaker = (breakers or Breakers(clock)).named("redis:logins", failures=1, rest_s=REST_S)
        self.hits = 0
        self.misses = 0

    async def get(self, cookie_hash: bytes) -> tuple[SignedIn | None, bool]:
        """Return ``(who holds the cookie, whether it is known to have ended)``."""
        kept = await self._ask(lambda: self._redis.get(self._key(cookie_hash)))
        if kept == _ENDED:
            return None, True
        found = None if kept is None else _read(kept)
        self.hits += found is not None
        self.misses += found is None
        return found, False

    async def put(self, cookie_hash: bytes, found: SignedIn) -> None:
        """Keep a copy, unless the cookie has ended meanwhile."""
        text = orjson.dumps(asdict(found))
        await self._ask(lambda: self._redis.set(self._key(cookie_hash), text, ex=KEPT_S, nx=True))

    async def end(self, cookie_hash: bytes) -> None:
        """Mark a cookie as ended. It has to have ended in Postgres before."""
        await self._ask(lambda: self._redis.set(self._key(cookie_hash), _ENDED, ex=ENDED_S))

    def _key(self, cookie_hash: bytes) -> str:
        return self._prefix + cookie_hash.hex()

    async def _ask(self, command: Any) -> Any:
        try:
            with self._breaker.guard(*Failures):
                async with asyncio.timeout(TIMEOUT_S):
                    asked: Awaitable[Any] = command()
                    return await asked
        except (LeftAloneError, *Failures):
            return None


def _read(kept: bytes) -> SignedIn | None:
    """Return what is kept; None for what another version of the server wrote in another shape."""
    try:
        row = orjson.loads(kept)
        until = row["suspended_until"]
        return SignedIn(
            row["login_id"],
            row["user_id"],
            row["name"],
            tuple(row["roles"]),
            None if until is None else datetime.fromisoformat(until),
            datetime.fromisoformat(row["last_seen_at"]),
            datetime.fromisoformat(row["expires_at"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
