"""The two layers that keep values: this process's memory, and Redis.

Both hold JSON as bytes under a version: the ``seq`` of its user's stream, or the revision
of what everybody shares, at which the database was read. Neither is ever believed
beyond that: who knows of a later change (``cache_drops``) does not take an older value.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from idling_ws.breakers import Breakers, LeftAloneError
from idling_ws.domain.caching import CacheKey
from idling_ws.domain.clock import Clock, unix_ms
from idling_ws.store.redis import Failures, Keys, Redis, run_id

# What a reader waits for Redis before it goes on without: less than a database query may take.
REDIS_DEADLINE_S = 0.25
# After a failure nobody else tries for so long.
REDIS_PAUSE_S = 1.0
# Longer than any load may take, and so than any older value may come late.
FLOOR_EXPIRY_S = 60
CLAIM_MS = 3000
# Lines of which it is known where they lead.
MAX_LINES = 1000
ENTRY_OVERHEAD = 400
"""Bytes that an entry costs in memory beside its body, about."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One value. ``body`` is JSON, ``null`` for "there is none".

    ``loaded_at``: when the database was read. It is fresh before ``until``; from ``refresh_at``
    on somebody should get it anew. All three by the monotonic clock of this process.
    """

    body: bytes
    version: int
    loaded_at: float
    until: float = 0.0
    refresh_at: float = 0.0

    @property
    def is_absent(self) -> bool:
        """Whether it says that there is none."""
        return self.body == b"null"


class ProcessLayer:
    """Values in memory, the least recently used going first when there are too many or they are too large."""

    def __init__(self, *, max_bytes: int, max_entries: int) -> None:
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._entries: OrderedDict[CacheKey, Kept] = OrderedDict()
        self.bytes = 0
        self.evicted = 0

    def __len__(self) -> int:
        """How many values are held."""
        return len(self._entries)

    def get(self, key: CacheKey) -> Kept | None:
        """Return what is held, however old."""
        kept = self._entries.get(key)
        if kept is not None:
            self._entries.move_to_end(key)
        return kept

    def put(self, key: CacheKey, kept: Kept) -> None:
        """Hold ``kept``, unless a later version is there. One that is larger than the whole layer is not held."""
        held = self._entries.get(key)
        if held is not None and held.version > kept.version:
            return
        self.drop(key)
        size = _size(kept)
        if size > self._max_bytes:
            return
        self._entries[key] = kept
        self.bytes += size
        while self.bytes > self._max_bytes or len(self._entries) > self._max_entries:
            _, oldest = self._entries.popitem(last=False)
            self.bytes -= _size(oldest)
            self.evicted += 1

    def drop(self, key: CacheKey) -> None:
        """Hold it no longer; harmless when it is not there."""
        held = self._entries.pop(key, None)
        if held is not None:
            self.bytes -= _size(held)


def _size(kept: Kept) -> int:
    return len(kept.body) + ENTRY_OVERHEAD


# Refused when a later version was told of (the floor) or is there already.
_FILL = """
local floor = redis.call('ZSCORE', KEYS[2], ARGV[1])
if redis.call('GET', KEYS[3]) == ARGV[5] then redis.call('DEL', KEYS[3]) end
if floor and tonumber(floor) > tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[6])
return 1
"""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class RedisLayer:
    """Values in Redis, shared by all instances; absent whenever Redis is.

    Every value names the life of the Redis it was written to. One that restarts may come back
    with what it knew a second ago, dropped values among it: those are of a former life and
    count for nothing. ``line`` tells which line is up to the Redis that holds a key, None while none is. One that
    does not answer within ``deadline_s`` is taken to be away.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        clock: Clock,
        line: Callable[[bytes], str | None],
        *,
        deadline_s: float = REDIS_DEADLINE_S,
        breakers: Breakers | None = None,
    ) -> None:
        self._redis = redis
        self._deadline_s = deadline_s
        self._keys = keys
        self._clock = clock
        self._line = line
        # Which life is at the end of each line; of a cluster one for each node, and of former lines a few.
        self._lives: dict[str, str] = {}
        self._breaker = (breakers or Breakers(clock)).named("redis:cache", failures=1, rest_s=REDIS_PAUSE_S)
        self._token = secrets.token_hex(6)
        self._fill_script = redis.register_script(_FILL)
        self._release_script = redis.register_script(_RELEASE)
        self.failures = 0

    async def life(self, key: CacheKey) -> str | None:
        """Return which life it is of the Redis that holds ``key``, None while it is away."""
        name = self._keys.cached(key)
        line = self._line(name)
        if line is None or self._breaker.is_resting:
            return None
        if line not in self._lives:
            told: Any = await self._ask(lambda: run_id(self._redis, name))
            if told is None or line != self._line(name):
                return None
            while len(self._lives) >= MAX_LINES:
                del self._lives[next(iter(self._lives))]
            # Where Redis does not say, nothing is shared between instances.
            self._lives[line] = told or self._token
        return self._lives[line]

    async def get(self, key: CacheKey, life: str) -> Kept | None:
        """Return what is held, however old; nothing when Redis is away or holds what we did not write."""
        found: Any = await self._ask(lambda: self._redis.get(self._keys.cached(key)))
        if found is None:
            return None
        try:
            header, _, body = found.partition(b"\n")
            written_in, version, loaded_ms = orjson.loads(header)
            orjson.loads(body)
            age_s = max(0.0, (unix_ms(self._clock.now()) - loaded_ms) / 1000)
        except (ValueError, TypeError, AttributeError):
            return None
        if written_in != life or type(version) is not int:
            return None
        return Kept(body, version, self._clock.monotonic() - age_s)

    async def put(self, key: CacheKey, kept: Kept, life: str, expiry_s: float) -> None:
        """Hold ``kept`` unless a later version is known, and let others' waiting end."""
        if await self.life(key) != life:
            return
        loaded_ms = unix_ms(self._clock.now()) - int((self._clock.monotonic() - kept.loaded_at) * 1000)
        value = orjson.dumps([life, kept.version, loaded_ms]) + b"\n" + kept.body
        await self._ask(
            lambda: self._fill_script(
                keys=[self._keys.cached(key), self._keys.floors(key.user_id), self._keys.claim(key)],
                args=[key.name, kept.version, value, int(expiry_s * 1000), self._token, FLOOR_EXPIRY_S],
            )
        )

    async def claim(self, key: CacheKey) -> bool:
        """Become the one instance that loads ``key`` now. True as well when Redis cannot say."""
        answer = await self._ask(
            lambda: self._redis.set(self._keys.claim(key), self._token, nx=True, px=CLAIM_MS), failed=True
        )
        return answer is not None

    async def release(self, key: CacheKey) -> None:
        """Let another instance load it."""
        await self._ask(lambda: self._release_script(keys=[self._keys.claim(key)], args=[self._token]))

    async def _ask(self, command: Callable[[], Any], *, failed: Any = None) -> Any:
        """Return the answer, or ``failed`` when there is none in time; then leave Redis alone for a moment."""
        try:
            with self._breaker.guard(*Failures):
                async with asyncio.timeout(self._deadline_s):
                    return await command()
        except LeftAloneError:
            return failed
        except Failures:
            self.failures += 1
            return failed
