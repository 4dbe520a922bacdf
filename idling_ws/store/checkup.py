"""What a PostgreSQL, a replica of it and a Redis say of themselves, for whoever wants to know whether a place can
run on them.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg2

from idling_ws.store.migrate import packaged_migrations
from idling_ws.store.redis import Failures, connect, node_url, seeds
from idling_ws.store.redis_slots import name_owned_by, read_slots

ECHO_WAIT_S = 3.0
_CONNECT_S = 5


@dataclass(frozen=True, slots=True)
class PostgresFacts:
    """One PostgreSQL, asked by the role that serves."""

    answer_ms: float
    version: str
    version_num: int
    encoding: str
    loses: tuple[str, ...]
    """Settings that let a confirmed change be lost when the machine dies."""
    clock_ahead_s: float
    free_connections: int
    pending: tuple[str, ...]
    """Migrations that this version knows and the database has not."""
    unknown: tuple[str, ...]
    """Migrations of the database that this version does not know: it was made by a newer one."""
    owns_trail: bool
    """Whether this role could get round the audit trail."""
    emojis: int


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """One Redis. What it does not let us ask is empty."""

    answer_ms: float
    version: str
    echo_ms: float | None
    """How long a published message took to come back; None when it did not."""
    refuses: str
    """Why it takes nothing to keep; empty when it does."""
    max_memory: int
    policy: str


@dataclass(frozen=True, slots=True)
class ReplicaFacts:
    """One replica. ``follows``: whether it replays what another server sends."""

    version: str
    follows: bool
    is_sent: bool
    """Whether it is connected to its primary; True as well where it does not let us ask."""
    behind_bytes: int
    epoch: str


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """A Redis Cluster, as its nodes tell it: each node's facts or why it gave none, by its address."""

    nodes: dict[str, RedisFacts | str]
    covered: int
    """Slots that a node owns."""
    stops_as_one: bool
    """Whether all stop serving when one is away."""


def ask_postgres(url: str) -> PostgresFacts:
    """Ask it. Blocks: call it from a thread. Raises ``psycopg2.Error``."""
    with closing(psycopg2.connect(url, connect_timeout=_CONNECT_S)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:

            def one(sql: str) -> tuple[Any, ...]:
                cursor.execute(sql)
                return cursor.fetchone() or ()

            since = time.perf_counter()
            one("SELECT 1")
            answer_ms = 1000 * (time.perf_counter() - since)
            before = time.time()
            (database_time,) = one("SELECT extract(epoch FROM clock_timestamp())::float8")
            here = (before + time.time()) / 2
            safe = {"fsync": ("on",), "full_page_writes": ("on",), "synchronous_commit": ("on", "remote_apply")}
            loses = tuple(name for name, good in safe.items() if one(f"SHOW {name}")[0] not in good)
            (free,) = one(
                "SELECT current_setting('max_connections')::int"
                " - current_setting('superuser_reserved_connections')::int"
                " - (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend')"
            )
            applied: set[str] = set()
            owns_trail, emojis = False, 0
            if one("SELECT to_regclass('schema_migrations') IS NOT NULL")[0]:
                cursor.execute("SELECT migration_id FROM schema_migrations")
                applied = {name for (name,) in cursor.fetchall()}
            known = packaged_migrations()
            if set(known) <= applied:
                (owns_trail,) = one(
                    "SELECT rolsuper OR pg_has_role(current_user, relowner, 'USAGE')"
                    " FROM pg_roles, pg_class WHERE rolname = current_user AND pg_class.oid = 'audit_log'::regclass"
                )
                (emojis,) = one("SELECT count(*) FROM emojis")
            return PostgresFacts(
                answer_ms=answer_ms,
                version=one("SHOW server_version")[0].split()[0],
                version_num=int(one("SHOW server_version_num")[0]),
                encoding=one("SHOW server_encoding")[0],
                loses=loses,
                clock_ahead_s=database_time - here,
                free_connections=free,
                pending=tuple(name for name in known if name not in applied),
                unknown=tuple(sorted(applied - set(known))),
                owns_trail=owns_trail,
                emojis=emojis,
            )


def ask_replica(url: str, primary_url: str) -> ReplicaFacts:
    """Ask it, and its primary for how far that is. Blocks. Raises ``psycopg2.Error``."""
    with (
        closing(psycopg2.connect(url, connect_timeout=_CONNECT_S)) as connection,
        closing(psycopg2.connect(primary_url, connect_timeout=_CONNECT_S)) as primary,
    ):
        with primary.cursor() as cursor:
            cursor.execute("SELECT (pg_current_wal_lsn() - '0/0')::bigint")
            [position] = cursor.fetchone() or (0,)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('server_version'), pg_is_in_recovery(), "
                "coalesce((SELECT status IS NULL OR status = 'streaming' FROM pg_stat_wal_receiver), false), "
                "coalesce((pg_last_wal_replay_lsn() - '0/0')::bigint, 0), (SELECT epoch FROM log_epoch)"
            )
            version, follows, is_sent, replayed, epoch = cursor.fetchone() or ("", False, False, 0, "")
    return ReplicaFacts(version.split()[0], follows, is_sent, max(0, position - replayed), epoch)


def ask_epoch(url: str) -> str:
    """Return which life of the log a database holds. Blocks. Raises ``psycopg2.Error``."""
    with closing(psycopg2.connect(url, connect_timeout=_CONNECT_S)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT epoch FROM log_epoch")
        [epoch] = cursor.fetchone() or ("",)
        return str(epoch)


async def ask_cluster(url: str) -> ClusterFacts:
    """Ask every node that one of those named tells of. Raises one of ``store.redis.Failures``."""
    owners: dict[int, str] = {}
    stops_as_one = False
    failure: Exception = ConnectionError("no node of the cluster answers")
    for name in seeds(url):
        redis = connect(node_url(url, name))
        try:
            told: Any = await redis.execute_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]  # redis-py leaves it so
            owners = read_slots(told, name)
            said = await _allowed(redis.config_get("cluster-require-full-coverage"))
            stops_as_one = said.get("cluster-require-full-coverage") == "yes"
            break
        except (*Failures, ValueError) as exc:
            failure = exc if not isinstance(exc, ValueError) else ConnectionError(f"{name} is of no cluster")
        finally:
            await redis.aclose()
    else:
        raise failure
    nodes: dict[str, RedisFacts | str] = {}
    for name in sorted({*owners.values()}):
        try:
            nodes[name] = await ask_redis(node_url(url, name), channel=name_owned_by(name, _channel(), owners))
        except Failures as exc:
            nodes[name] = str(exc) or type(exc).__name__
    return ClusterFacts(nodes, len(owners), stops_as_one)


async def ask_redis(url: str, *, channel: bytes | None = None) -> RedisFacts:
    """Ask it. ``channel``: one that a node of a cluster owns. Raises one of ``store.redis.Failures``."""
    redis = connect(url)
    try:
        since = time.perf_counter()
        await redis.ping()
        answer_ms = 1000 * (time.perf_counter() - since)
        info = await _allowed(redis.info("server"))
        limits = await _allowed(redis.config_get("maxmemory*"))
        return RedisFacts(
            answer_ms=answer_ms,
            version=str(info.get("redis_version", "")),
            echo_ms=await (_echo_ms(redis, _channel()) if channel is None else _sharded_echo_ms(redis, channel)),
            refuses=await _refuses(redis, _channel() if channel is None else channel),
            max_memory=int(limits.get("maxmemory", 0)),
            policy=str(limits.get("maxmemory-policy", "")),
        )
    finally:
        await redis.aclose()


async def _allowed(asked: Awaitable[Mapping[Any, Any]]) -> Mapping[Any, Any]:
    """Return the answer, or nothing where we may not ask: a hosted Redis often hides its settings."""
    try:
        return await asked
    except Failures:
        return {}


async def _refuses(redis: Any, key: bytes) -> str:
    """Have it keep something for a moment, and return why it would not. ``key``: one that this node owns."""
    try:
        await redis.execute_command("SET", key, "", "PX", 1)
    except Failures as exc:
        return str(exc)
    return ""


def _channel() -> bytes:
    return f"idling:doctor:{secrets.token_hex(8)}".encode()


async def _sharded_echo_ms(redis: Any, channel: bytes) -> float | None:
    """The same among the nodes of one slot: the client's own, of one node, has no word for it."""
    with contextlib.suppress(*Failures):
        async with redis.pubsub(ignore_subscribe_messages=False) as listener:
            await listener.execute_command("SSUBSCRIBE", channel)
            async with asyncio.timeout(ECHO_WAIT_S):
                await listener.parse_response()
                since = time.perf_counter()
                await redis.execute_command("SPUBLISH", channel, "")
                await listener.parse_response()
                return 1000 * (time.perf_counter() - since)
    return None


async def _echo_ms(redis: Any, channel: bytes) -> float | None:
    """Publish to ourselves as the canary does."""
    with contextlib.suppress(*Failures):
        async with redis.pubsub(ignore_subscribe_messages=False) as listener:
            await listener.subscribe(channel)
            async with asyncio.timeout(ECHO_WAIT_S):
                await anext(listener.listen())
                since = time.perf_counter()
                await redis.publish(channel, "")
                await anext(listener.listen())
                return 1000 * (time.perf_counter() - since)
    return None
