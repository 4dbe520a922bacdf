"""A Redis Cluster of three real nodes: entries over sharded pub/sub, and a node that dies takes only its own along."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import uuid4

import psycopg2
import pytest

from idling_ws.domain.clock import SystemClock
from idling_ws.store.log import StreamLog, Tails
from idling_ws.store.postgres import Database
from idling_ws.store.quotas import Quotas
from idling_ws.store.redis import Keys, connect, node_url, seeds
from idling_ws.store.redis_slots import read_slots, slot_of
from tests.integration.test_operating import idling
from tests.support.caches import PROFILE, Table, running_caches
from tests.support.clocks import MovableClock
from tests.support.crowd import Guest, Roamer, check_against_log, gathered, issue_guests, sized
from tests.support.instances import Instance, give_own_epoch, running_instances
from tests.support.redis_cluster import NODES, ClusterNode, RedisCluster, can_shard
from tests.support.servers import PostgresServer
from tests.support.steady import Steady, settled

PATIENCE_S = 90.0

needs_cluster = pytest.mark.skipif(not can_shard(), reason="sharded pub/sub needs Redis 7: install Debian's")


def test_names_belong_to_slots_as_redis_says() -> None:
    """The specification's own example, and what is hashed where braces stand."""
    assert slot_of(b"123456789") == 0x31C3 % 16384
    assert slot_of("idling:e:{7}:tail") == slot_of(b"7")
    assert slot_of(b"a{}b") != slot_of(b"")
    assert slot_of(b"x{a}{b}") == slot_of(b"a")
    told = [[0, 1, [b"10.0.0.1", 7000, b"id"]], [3, 3, [b"", 7001, b"id"], [b"10.0.0.9", 7002, b"id"]]]
    assert read_slots(told, "seed:6379") == {0: "10.0.0.1:7000", 1: "10.0.0.1:7000", 3: "seed:7001"}
    with pytest.raises(ValueError, match="not the slots"):
        read_slots(Exception("ERR This instance has cluster support disabled"), "seed:6379")


def test_a_cluster_is_named_by_its_nodes() -> None:
    """With the secret that holds for all of them, and a port where none is named."""
    url = "rediss+cluster://user:p%40ss@a:7000, b,c:7002"
    assert seeds(url) == ["a:7000", "b:6379", "c:7002"]
    assert node_url(url, "d:1") == "rediss://user:p%40ss@d:1"
    assert node_url("redis+cluster://a:1", "a:1") == "redis://a:1"


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


@pytest.fixture(scope="module")
def place(postgres: PostgresServer, migrated_template: str) -> Iterator[Place]:
    """Servers of this file's own. Heartbeats come late, so that no device finds out by a head what it missed."""
    url = postgres.create_database(migrated_template)
    give_own_epoch(url)
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT epoch FROM log_epoch")
        [epoch] = cursor.fetchone() or [""]
    connection.close()
    keys = Keys(epoch)
    with (
        RedisCluster() as cluster,
        running_instances(url, cluster.url, MESSAGES_PER_S=10000, HEARTBEAT_S=600, STALE_S=3600) as pair,
    ):
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


@needs_cluster
async def test_entries_reach_every_device_over_the_node_of_their_slot(place: Place) -> None:
    """Written at both instances for users of each node; only sharded channels carry them."""
    async with gathered(crowd(place)) as devices:
        async with Steady(devices=devices, every_s=0.1) as work:
            await asyncio.sleep(1)
        await settled(devices, place.database_url)
        assert check_against_log(devices, place.database_url) >= 2 * len(work.answered)
        assert work.statuses() == {"confirmed"}
        for guest in place.guests:
            await until(lambda guest=guest: listened_to(place, guest))  # type: ignore[misc]  # its own each
        assert [node.say("PUBSUB", "CHANNELS") for node in place.cluster.nodes] == [[]] * NODES
    for instance in place.pair:
        await until(lambda instance=instance: is_well(instance))  # type: ignore[misc]  # its own each


@needs_cluster
async def test_what_else_lies_in_redis_works_over_a_cluster(place: Place, database: Database) -> None:
    """Tails, shared caches with their scripts, quotas of several keys, and who was heard of."""
    redis, clock = connect(place.cluster.url, timeout_s=PATIENCE_S), SystemClock()
    try:
        keys = Keys(uuid4().hex[:8])
        tails, quotas = Tails(redis, keys, clock), Quotas(redis, keys, clock)
        tails.PATIENCE_S = PATIENCE_S
        for user_id in range(1, 10):
            await redis.execute_command(*tails.append_command(user_id, 1, b"{}"))  # type: ignore[no-untyped-call]  # redis-py leaves it so
            assert [entry.seq for entry in await tails.after(user_id, 0)] == [1]
            await until_allowed(quotas, str(user_id))
        assert await StreamLog(database).epoch()
        async with asyncio.timeout(PATIENCE_S):
            while await redis.zcard(place.keys.instances) != len(place.pair):
                await asyncio.sleep(0.1)
    finally:
        await redis.aclose()
    async with running_caches(place.cluster.url, MovableClock()) as (one, other):
        table = Table()
        assert await one.value(PROFILE, table) == await other.value(PROFILE, table)
        assert table.loads == 1, "the second had it from Redis"
        await one.tell(7, table.write("second"), "profile.changed")
        assert await other.value(PROFILE, table) == "second"


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


@needs_cluster
async def test_a_node_that_dies_takes_only_its_own_along_and_nothing_is_lost(place: Place) -> None:
    """Users of the other nodes go on over them, its own over the database; once it is back all is as before."""
    async with gathered(crowd(place)) as devices:
        for _ in range(sized(1, 5)):
            victim = place.node_of(place.guests[0])
            others = [device for device in devices if place.node_of(device.guest) is not victim]
            async with Steady(devices=devices, every_s=0.2) as work:
                await asyncio.sleep(0.5)
                victim.kill()
                for instance in place.pair:
                    await until(lambda instance=instance: instance.said_of("canary") == "deaf")  # type: ignore[misc]  # its own each
                await until(lambda: place.pair[0].said_of("redis") == "partly down")
                await until(lambda: place.pair[0].said_of("status") == "degraded")
                for device, head in [(device, device.user_seq) for device in devices]:
                    await device.reach(head + 1)
                assert {place.node_of(device.guest).port for device in others} == {
                    node.port for node in place.cluster.nodes if node is not victim
                }
                await asyncio.to_thread(victim.start)
                for instance in place.pair:
                    await until(lambda instance=instance: is_well(instance))  # type: ignore[misc]  # its own each
                await asyncio.sleep(0.5)
            await settled(devices, place.database_url)
            assert work.statuses() == {"confirmed"}
        check_against_log(devices, place.database_url, repeats=True)
        for guest in place.guests:
            await until(lambda guest=guest: listened_to(place, guest))  # type: ignore[misc]  # its own each


@needs_cluster
async def test_a_stream_moves_with_its_slot(place: Place) -> None:
    """Given to another node: both instances listen there, and nothing is missed on the way."""
    guest = place.guests[-1]
    channel = place.keys.stream(guest.user_id)
    source = place.node_of(guest)
    target = next(node for node in place.cluster.nodes if node is not source)
    async with gathered([Roamer(guest, [instance.url]) for instance in place.pair]) as devices:
        async with Steady(devices=devices, every_s=0.1):
            await asyncio.to_thread(place.cluster.move, channel, target)
            assert place.node_of(guest) is target
            await until(lambda: listened_to(place, guest))
            for instance in place.pair:
                await until(lambda instance=instance: is_well(instance))  # type: ignore[misc]  # its own each
        await settled(devices, place.database_url)
        check_against_log(devices, place.database_url, repeats=True)


@needs_cluster
async def test_the_doctor_looks_at_every_node(place: Place) -> None:
    """All by name, one that is away among them, and a setting that would let all stop with it."""
    victim = place.cluster.nodes[-1]
    place.cluster.nodes[0].say("CONFIG", "SET", "cluster-require-full-coverage", "yes")
    await asyncio.to_thread(victim.kill)
    try:
        _, said = await idling(place.pair[0], "doctor")
    finally:
        place.cluster.nodes[0].say("CONFIG", "SET", "cluster-require-full-coverage", "no")
        await asyncio.to_thread(victim.start)
    for node in place.cluster.nodes:
        assert f"{'FAIL' if node is victim else 'ok  '}  redis: {node.name}: " in said, said
    assert "warn  redis: all nodes stop when one is away" in said
    assert "does not come back" not in said
