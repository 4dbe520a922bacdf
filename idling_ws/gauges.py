"""What the parts count for themselves, given its names on ``/metrics``.

Read when somebody asks, so that counting costs the hot path nothing but an addition.
"""

from __future__ import annotations

import asyncio

from idling_ws import __version__
from idling_ws.breakers import Breakers
from idling_ws.delivery.publisher import Publisher
from idling_ws.delivery.sweeper import Sweeper
from idling_ws.edge.addresses import Addresses
from idling_ws.edge.limits import HttpLimits
from idling_ws.edge.parts import Parts
from idling_ws.edge.sockets import Sockets
from idling_ws.mutations.allowances import Allowances
from idling_ws.mutations.committer import Committer
from idling_ws.observe.metrics import Metrics
from idling_ws.store.audit_trail import AuditTrail
from idling_ws.store.cache_drops import Drops
from idling_ws.store.cache_layers import ProcessLayer, RedisLayer
from idling_ws.store.quotas import Quotas
from idling_ws.store.replicas import Replicas


def add_gauges(
    metrics: Metrics, parts: Parts, sockets: Sockets, committer: Committer, publisher: Publisher, sweeper: Sweeper
) -> None:
    """Expose what the parts count for themselves."""
    hub, postman, database = parts.hub, parts.postman, parts.database
    metrics.info(version=__version__, instance=parts.instance)
    for name, help_text, read in (
        ("idling_sockets", "Open WebSockets", lambda: len(sockets)),
        ("idling_recipients", "Devices attached to streams: sockets, SSE, long-polls", lambda: hub.recipient_count),
        ("idling_mailbox_bytes", "Bytes that wait for slow readers, all together", lambda: postman.waiting_bytes),
        (
            "idling_mailbox_largest_bytes",
            "Bytes that wait for the slowest reader",
            lambda: postman.largest_bytes,
        ),
        ("idling_mailboxes_blocked", "Sockets whose network takes no more", lambda: postman.blocked_count),
        ("idling_waiting", "Who listens over HTTP and waits for the database", lambda: sockets.admission.waiting),
        ("idling_arriving", "Devices between hello and welcome", lambda: sockets.admission.arriving),
        ("idling_publisher_waiting", "Entries that Redis was not told of yet", lambda: publisher.waiting),
        ("idling_publisher_owed", "Streams whose cached values are still to be dropped", lambda: publisher.owed),
        ("idling_audit_waiting", "Refusals that are not in the audit trail yet", lambda: parts.trail.waiting),
        ("idling_mutations_waiting", "Mutations submitted and not settled", lambda: committer.waiting),
        ("idling_redis_healthy", "1 while the canary comes back", lambda: float(parts.fanout.healthy)),
        ("idling_database_connections", "Database connections in use", lambda: database.in_use),
        ("idling_tasks", "Tasks of the event loop", lambda: len(asyncio.all_tasks())),
        ("idling_database_waiting", "Operations that wait for a database connection", lambda: database.waiting),
    ):
        metrics.gauge(name, help_text, read)
    for name, help_text, read in (
        ("idling_entries_delivered", "Entries handed to devices", lambda: hub.delivered),
        ("idling_entries_published", "Entries announced over Redis", lambda: publisher.published),
        ("idling_entries_left_to_sweeper", "Entries not announced at once", lambda: publisher.left_to_sweeper),
        ("idling_outbox_swept", "Streams found unannounced by the sweeper", lambda: sweeper.swept),
        ("idling_gaps_filled", "Gaps in streams filled from the tail or the database", lambda: hub.gaps_filled),
        ("idling_replays", "Devices resumed with entries they had missed", lambda: parts.joining.replays),
        ("idling_snapshots", "Devices given a fresh state", lambda: parts.joining.snapshots),
        ("idling_snapshots_shared", "Snapshots that cost no reading", lambda: parts.stream_log.snapshots_shared),
        ("idling_admission_refused", "Devices sent away: too much to do", lambda: sockets.admission.refused),
        ("idling_reads_put_off", "Reads refused: the loop was late", lambda: sockets.admission.put_off),
        ("idling_redis_reconnects", "Times the lines to Redis were opened anew", lambda: parts.fanout.reconnects),
        ("idling_database_waits", "Times that no database connection was free", lambda: database.waits),
        ("idling_database_waited_seconds", "Time spent waiting for a free one", lambda: database.waited_s),
    ):
        metrics.counter(name, help_text, read)


def add_breaker_gauges(metrics: Metrics, breakers: Breakers) -> None:
    """Expose who is left alone."""
    metrics.gauges("idling_breaker_state", "0 closed, 1 about to try again, 2 left alone", "breaker", breakers.levels)
    metrics.counters("idling_breaker_opened", "Times that somebody began to be left alone", "breaker", breakers.opened)


def add_cache_gauges(metrics: Metrics, process: ProcessLayer, redis: RedisLayer, drops: Drops) -> None:
    """Expose how large the cache is and what became of it."""
    metrics.gauge("idling_cache_bytes", "Bytes of cached values in this process", lambda: process.bytes)
    metrics.gauge("idling_cache_entries", "Cached values in this process", lambda: len(process))
    metrics.counter("idling_cache_evicted", "Cached values that made room for others", lambda: process.evicted)
    metrics.counter("idling_cache_drops", "Times that a cached value was known to be old", lambda: drops.dropped)
    metrics.counter(
        "idling_cache_redis_failures", "Times that Redis was not there for the cache", lambda: redis.failures
    )


def add_replica_gauges(metrics: Metrics, replicas: Replicas) -> None:
    """Expose how far the replicas are behind, and who answers what may lag."""
    metrics.gauge("idling_replicas", "Replicas that are set", lambda: len(replicas.all))
    metrics.gauge("idling_replicas_usable", "Replicas that may be read from", lambda: replicas.usable)
    metrics.gauge(
        "idling_replica_lag_seconds",
        "For how long the replica that is farthest behind has lacked something",
        lambda: max((replica.lag_s for replica in replicas.all), default=0.0),
    )
    metrics.counter("idling_replica_reads", "Reads answered by a replica", lambda: replicas.reads)
    metrics.counter(
        "idling_replica_passed_over",
        "Reads that a replica might have answered, and the primary did",
        lambda: replicas.left_to_primary,
    )


def add_limit_gauges(
    metrics: Metrics,
    quotas: Quotas,
    limits: HttpLimits,
    allowances: Allowances,
    addresses: Addresses,
    trail: AuditTrail,
) -> None:
    """Expose what was refused, and what could not be checked or kept."""
    for name, help_text, read in (
        ("idling_limits_unchecked", "Requests let in unchecked: Redis was away", lambda: quotas.unchecked),
        ("idling_limits_refused", "Requests that were too many", lambda: limits.refused),
        ("idling_limits_refused_mutations", "Mutations that were too many", lambda: allowances.refused),
        ("idling_limits_refused_connections", "Connections too many of one address", lambda: addresses.refused),
        ("idling_audit_dropped", "Refusals that the audit trail could not keep", lambda: trail.dropped),
    ):
        metrics.counter(name, help_text, read)
