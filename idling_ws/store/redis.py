"""Redis, shared by everybody: a pool with deadlines, and the names of all keys.

Redis holds nothing that matters: every key is a copy or a hint, and each caller has a
way on when it is away. Names carry the log's epoch, so that a database that was reset
or restored never meets the tails of its former life.
"""

from __future__ import annotations

from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from idling_ws.domain.caching import CacheKey
from idling_ws.domain.errors import UnavailableError

# A frozen Redis must cost a caller less than it would notice.
TIMEOUT_S = 1.0

Redis = aioredis.Redis
Failures = (RedisError, OSError, TimeoutError)


def connect(url: str, *, max_connections: int = 20, timeout_s: float = TIMEOUT_S) -> Redis:
    """Return a client over a bounded pool. Nothing is sent yet; ``max_connections`` callers at once."""
    pool = aioredis.BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=timeout_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )
    return aioredis.Redis(connection_pool=pool)


async def ping(redis: Redis) -> None:
    """Raise ``UnavailableError`` unless Redis answers."""
    try:
        await redis.ping()
    except Failures as exc:
        raise UnavailableError from exc


class Keys:
    """The names of keys and channels of one epoch. ``{…}`` keeps a user's keys in one cluster slot."""

    def __init__(self, epoch: str) -> None:
        self.prefix = f"idling:{epoch}"
        self._user = f"{self.prefix}:{{%d}}".encode()
        self.lobby = f"{self.prefix}:lobby".encode()
        self.control = f"{self.prefix}:control".encode()
        self.seen = f"{self.prefix}:seen"
        self.instances = f"{self.prefix}:instances"
        self.drops = f"{self.prefix}:drops".encode()

    def stream(self, user_id: int) -> bytes:
        """The channel of a stream."""
        return self._user % user_id

    def tail(self, user_id: int) -> bytes:
        """The recent entries of a stream."""
        return (self._user % user_id) + b":tail"

    def cached(self, key: CacheKey) -> bytes:
        """A cached value."""
        return (self._user % key.user_id) + b":c:" + key.name.encode()

    def claim(self, key: CacheKey) -> bytes:
        """Who loads that value just now."""
        return self.cached(key) + b":claim"

    def floors(self, user_id: int) -> bytes:
        """The versions below which this user's cached values are old."""
        return (self._user % user_id) + b":floors"

    def acknowledged(self, user_id: int) -> bytes:
        """How far somebody's devices have come."""
        return (self._user % user_id) + b":ack"  # a sorted set; the name of before held a string

    def seen_at(self, instance: str) -> str:
        """Who was heard of at that instance, and when."""
        return f"{self.prefix}:seen:{instance}"

    def canary(self, instance: str) -> bytes:
        """The channel on which an instance talks to itself."""
        return f"{self.prefix}:canary:{instance}".encode()
