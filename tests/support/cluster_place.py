"""Two instances over a Redis Cluster, and what they say of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest

from idling_ws.store.quotas import Quotas
from idling_ws.store.redis import Keys
from tests.support.crowd import Guest, Roamer, issue_guests
from tests.support.instances import Instance, give_own_epoch, running_instances
from tests.support.redis_cluster import NODES, ClusterNode, RedisCluster, can_shard
from tests.support.rows import run_sql
from tests.support.servers import PostgresServer

PATIENCE_S = 90.0

needs_cluster = pytest.mark.skipif(not can_shard(), reason="sharded pub/sub needs Redis 7: install Debian's")


@dataclass(frozen=True, slots=True)
class Place:
    """Two instances over a cluster, and a guest whose stream lies on each of its nodes."""

    cluster: RedisCluster
    database_url: str
    keys: Keys
    pair: list[Instance]
    guests: list[Guest]

    def node_of(self, guest: Guest) -> ClusterNode:
        """Return the node that carries somebody's stream."""
        return self.cluster.owner(self.keys.stream(guest.user_id))


@contextlib.contextmanager
def over_cluster(postgres: PostgresServer, template: str, cluster: RedisCluster) -> Iterator[Place]:
    """Run the cluster, and two instances over it whose devices find out nothing by a heartbeat's head."""
    url = postgres.create_database(template)
    give_own_epoch(url)
    keys = Keys(run_sql(url, "SELECT epoch FROM log_epoch")[0][0])
    with cluster, running_instances(url, cluster.url, MESSAGES_PER_S=10000, HEARTBEAT_S=600, STALE_S=3600) as pair:
        by_node: dict[int, list[Guest]] = {}
        for guest in issue_guests(pair[0], 60):
            by_node.setdefault(cluster.owner(keys.stream(guest.user_id)).port, []).append(guest)
        assert len(by_node) == NODES
        yield Place(cluster, url, keys, pair, [guest for some in by_node.values() for guest in some[:2]])
    postgres.drop_database(url)


def crowd(place: Place) -> list[Roamer]:
    """Return a device of each guest at each instance."""
    return [Roamer(guest, [instance.url], seed=n) for n, guest in enumerate(place.guests) for instance in place.pair]


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until ``is_so()``, asked in a thread, is true."""
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(is_so):
            await asyncio.sleep(0.1)


def is_well(instance: Instance) -> bool:
    """Whether it says that all its lines are up, and that it hears everything."""
    return (instance.said_of("redis"), instance.said_of("canary")) == ("ok", "ok")


def listened_to(place: Place, guest: Guest) -> bool:
    """Whether both instances listen to somebody's stream on the node that carries it."""
    channel = place.keys.stream(guest.user_id)
    return place.node_of(guest).say("PUBSUB", "SHARDNUMSUB", channel) == [channel, len(place.pair)]


async def until_allowed(quotas: Quotas, whose: str) -> None:
    """Spend twice what is allowed, and see the second time refused, once Redis answers in its short time."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            before = quotas.unchecked
            outcomes = [await quotas.spend("test", f"{whose}{uuid4().hex}", 1, cost=cost) for cost in (1, 2)]
            if quotas.unchecked == before:
                break
            await asyncio.sleep(2)
    assert outcomes[0] is None
    assert outcomes[1] is not None
