"""The doctor's look at what instances share beside the primary: Redis, the nodes of a cluster, replicas."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg2

from idling_ws.config_table import PREFIX
from idling_ws.doctor_finding import FAIL, OK, WARN, Finding
from idling_ws.store.checkup import ClusterFacts, RedisFacts, ask_epoch, ask_replica
from idling_ws.store.redis_slots import SLOTS

OLDEST_REDIS = 6
OLDEST_CLUSTER = 7
MUCH_BEHIND = 16 << 20
"""Bytes of log, one segment: what a replica that keeps up never lacks for long."""


def of_redis(said: RedisFacts, part: str = "redis", oldest: int = OLDEST_REDIS) -> Iterator[Finding]:
    """Return what there is to say of one Redis."""
    yield Finding(OK, part, f"Redis {said.version} answers in {said.answer_ms:.1f} ms".replace("  ", " "))
    major = said.version.partition(".")[0]
    if major.isdigit() and int(major) < oldest:
        yield Finding(FAIL, part, f"older than {oldest}", "Upgrade it.")
    if said.echo_ms is None:
        cure = "Let this user publish and subscribe (`+publish +subscribe`, channels `idling:*`)."
        if oldest == OLDEST_CLUSTER:
            cure = "Let this user publish and subscribe (`+spublish +ssubscribe`, channels `idling:*`)."
        yield Finding(FAIL, part, "what is published does not come back", cure)
    if said.refuses:
        cure = "Lead to a primary, let this user write (`+@write`, keys `*idling:*`), and let it make room."
        yield Finding(FAIL, part, f"it keeps nothing: {said.refuses}", cure)
    if said.max_memory and said.policy == "noeviction":
        cure = "Set maxmemory-policy to allkeys-lru: nothing in it is the only copy."
        yield Finding(WARN, part, "it refuses to write once it is full", cure)


def of_cluster(said: ClusterFacts) -> Iterator[Finding]:
    """Return what there is to say of a Redis Cluster, node by node."""
    for name, node in said.nodes.items():
        part = f"redis: {name}"
        if isinstance(node, str):
            cure = "Who has a stream there is heard late at other instances; all else goes on. Start it."
            yield Finding(FAIL, part, node, cure)
        else:
            yield from of_redis(node, part, OLDEST_CLUSTER)
    if said.covered < SLOTS:
        cure = "Give them to a node: `redis-cli --cluster fix`."
        yield Finding(FAIL, "redis", f"{SLOTS - said.covered:,} slots have no node", cure)
    if said.stops_as_one:
        cure = "Set cluster-require-full-coverage to no: the slots of the other nodes can go on."
        yield Finding(WARN, "redis", "all nodes stop when one is away", cure)


def replica(url: str, primary_url: str, max_lag_s: float) -> Finding:
    """Return what there is to say of one replica. Blocks: call it from a thread."""
    parts = urlsplit(url)
    part = f"replica: {parts.hostname}:{parts.port or 5432}"
    try:
        said = ask_replica(url, primary_url)
        epoch = ask_epoch(primary_url)
    except psycopg2.Error as exc:
        reason = str(exc).strip().partition("\n")[0] or type(exc).__name__
        return Finding(FAIL, part, reason, f"The primary does its work: see {PREFIX}REPLICA_URLS.")
    if not said.follows:
        return Finding(FAIL, part, "it follows nobody", "Make it a replica again, or take it out: it is not read from.")
    if said.epoch != epoch:
        return Finding(FAIL, part, "it follows another place", "Make it anew from this primary: it is not read from.")
    text = f"PostgreSQL {said.version}, {said.behind_bytes:,} bytes behind"
    if not said.is_sent or said.behind_bytes > MUCH_BEHIND:
        cure = (
            "See pg_stat_wal_receiver there, its disk, and long queries (max_standby_streaming_delay): "
            f"beyond {max_lag_s:g} s it is not read from."
        )
        return Finding(WARN, part, text + ("" if said.is_sent else ", and its primary does not send"), cure)
    return Finding(OK, part, text)
