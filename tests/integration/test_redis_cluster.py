"""A Redis Cluster of three real nodes: entries over sharded pub/sub, and a node that dies takes only its own along."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from uuid import uuid4

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
from tests.support.cluster_place import (
    PATIENCE_S,
    Place,
    crowd,
    is_well,
    listened_to,
    needs_cluster,
    over_cluster,
    until,
    until_allowed,
)
from tests.support.crowd import Roamer, check_against_log, gathered, sized
from tests.support.lobby_scene import scene
from tests.support.raw_socket import JsonObject
from tests.support.redis_cluster import NODES, RedisCluster
from tests.support.rows import run_sql
from tests.support.servers import PostgresServer
from tests.support.steady import Steady, settled
from tests.support.wire_client import call


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


@pytest.fixture(scope="module")
def place(postgres: PostgresServer, migrated_template: str) -> Iterator[Place]:
    """Servers of this file's own. Heartbeats come late, so that no device finds out by a head what it missed."""
    with over_cluster(postgres, migrated_template, RedisCluster()) as found:
        yield found


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
async def test_the_lobby_is_read_by_one_instance_over_a_cluster_too(place: Place) -> None:
    """All of it lies on one node; while that is away each reads for itself."""
    node = place.cluster.owner(place.keys.lobby)
    async with scene(place.pair) as both:
        await both.one_reads()
        before = await both.reads()
        await asyncio.to_thread(node.kill)
        try:
            for _ in range(3):
                await both.shown(await both.change())
            assert all(now > then for then, now in zip(before, await both.reads(), strict=True))
        finally:
            await asyncio.to_thread(node.start)
        await both.one_reads()
        names = {place.keys.beside(place.keys.lobby, name) for name in ("teller", "told", "words")}
        assert {place.cluster.owner(name.encode()).port for name in names} == {node.port}


@needs_cluster
async def test_an_admin_sees_both_instances_over_a_cluster(place: Place) -> None:
    """Their pulses lie on one node, and are told to nobody; while that is away each knows itself."""
    guest = place.guests[0]
    run_sql(place.database_url, "INSERT INTO roles (user_id, role) VALUES (%s, 'admin')", guest.user_id)

    async def shown(count: int) -> JsonObject:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                answer = await call(place.pair[0].url, "GET", "/api/admin/instances", token=guest.token)
                assert answer.status == 200, answer.body
                told: JsonObject = answer.json
                if len([one for one in told["instances"] if not one["silent_s"]]) == count:
                    return told
                await asyncio.sleep(0.1)

    assert (await shown(2))["history"][-1].keys() >= {"instances", "connections", "lag_ms"}
    node = place.cluster.owner(place.keys.control)
    assert node.say("SCARD", place.keys.beside(place.keys.control, "names")) == len(place.pair)
    await asyncio.to_thread(node.kill)
    try:
        assert (await shown(1))["history"]
    finally:
        await asyncio.to_thread(node.start)
    told = await shown(2)
    while told["history"][-1]["instances"] != len(place.pair):
        told = await shown(2)


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
