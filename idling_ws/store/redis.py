"""Redis, shared by everybody: a pool with deadlines, and the names of all keys.

Redis holds nothing that matters: every key is a copy or a hint, and each caller has a
way on when it is away. Names carry the log's epoch, so that a database that was reset
or restored never meets the tails of its former life.
"""

from __future__ import annotations

from typing import cast
from urllib.parse import unquote, urlsplit

from redis import asyncio as aioredis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError

from idling_ws.domain.caching import CacheKey
from idling_ws.domain.errors import UnavailableError

# A frozen Redis must cost a caller less than it would notice.
TIMEOUT_S = 1.0

Redis = aioredis.Redis
CLUSTER_SCHEMES = frozenset({"redis+cluster", "rediss+cluster"})

Failures = (RedisError, RedisClusterException, OSError, TimeoutError)


def is_cluster(url: str) -> bool:
    """Whether ``url`` names the nodes of a Redis Cluster."""
    return url.partition("://")[0] in CLUSTER_SCHEMES


def seeds(url: str) -> list[str]:
    """Return the ``host:port`` of each node that the URL of a cluster names."""
    listed = url.partition("://")[2].partition("/")[0].rpartition("@")[2].split(",")
    return [name if ":" in name else f"{name}:6379" for name in (part.strip() for part in listed) if name]


def node_url(url: str, node: str) -> str:
    """Return the URL of one node of a cluster, with what else the cluster's says."""
    scheme, _, rest = url.partition("://")
    secret, at, _ = rest.partition("/")[0].rpartition("@")
    return f"{scheme.removesuffix('+cluster')}://{secret}{at}{node}"


def _connect_cluster(url: str, *, max_connections: int, timeout_s: float) -> Redis:
    parts = urlsplit(node_url(url, seeds(url)[0]))
    cluster = RedisCluster(
        startup_nodes=[ClusterNode(host, int(port)) for host, _, port in (name.rpartition(":") for name in seeds(url))],
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        ssl=parts.scheme == "rediss",
        max_connections=max_connections,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        # Once more, by a fresh map of the slots: one of them may have moved.
        retry=Retry(NoBackoff(), 1),
        require_full_coverage=False,
    )
    # What is used of it here (plain commands and scripts, one slot each) is the same as of one server.
    return cast("Redis", cluster)


def connect(url: str, *, max_connections: int = 20, timeout_s: float = TIMEOUT_S) -> Redis:
    """Return a client over a bounded pool, of one server or of a cluster. Nothing is sent yet.

    ``max_connections`` callers at once; in a cluster to each node, and more are refused at once.
    """
    if is_cluster(url):
        return _connect_cluster(url, max_connections=5 * max_connections, timeout_s=timeout_s)
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


async def run_id(redis: Redis, key: bytes) -> str:
    """Return which life it is of the server that holds ``key``; nothing where it does not say (some hosted ones)."""
    client: object = redis
    if isinstance(client, RedisCluster):
        await client.initialize()
        told = await client.execute_command("INFO", "server", target_nodes=client.get_node_from_key(key.decode()))
    else:
        told = await redis.info("server")
    return str(told.get("run_id") or "")


async def ping(redis: Redis) -> None:
    """Raise ``UnavailableError`` unless Redis answers."""
    try:
        await redis.ping()
    except Failures as exc:
        raise UnavailableError from exc


class Keys:
    """The names of keys and channels of one epoch. ``{…}`` keeps a user's keys in one cluster slot."""

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.prefix = f"idling:{epoch}"
        self._user = f"{self.prefix}:{{%d}}".encode()
        self.lobby = f"{self.prefix}:lobby".encode()
        self.control = f"{self.prefix}:control".encode()
        self.tailing = f"{self.prefix}:tailing".encode()
        self.seen = f"{self.prefix}:seen"
        self.instances = f"{self.prefix}:instances"
        self.drops = f"{self.prefix}:drops".encode()

    @staticmethod
    def beside(channel: bytes, name: str) -> str:
        """A key that lies where a channel does, on whatever node of a cluster that is."""
        return f"{{{channel.decode()}}}:{name}"

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

    def answers(self, instance: str) -> bytes:
        """The channel on which an instance is answered what it asked the others."""
        return f"{self.prefix}:answers:{instance}".encode()

    def canary(self, instance: str) -> bytes:
        """The channel on which an instance talks to itself."""
        return f"{self.prefix}:canary:{instance}".encode()
