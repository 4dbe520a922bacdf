"""A Redis Cluster whose nodes have replicas: one that dies is replaced by the cluster itself, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest

from idling_ws.domain.clock import SystemClock
from idling_ws.store.log import Tails
from idling_ws.store.quotas import Quotas
from idling_ws.store.redis import Failures, Keys, connect
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
from tests.support.crowd import check_against_log, gathered, sized
from tests.support.lobby_scene import scene
from tests.support.redis_cluster import ClusterNode, RedisCluster
from tests.support.servers import PostgresServer
from tests.support.steady import Steady, settled

pytestmark = [needs_cluster, pytest.mark.timeout(600)]

# Short, and long enough for a machine that is busy with something else.
TIMEOUT_MS = 4000


@pytest.fixture(scope="module")
def place(postgres: PostgresServer, migrated_template: str) -> Iterator[Place]:
    """Two instances over three masters with a replica each."""
    cluster = RedisCluster(with_replicas=True, timeout_ms=TIMEOUT_MS)
    with over_cluster(postgres, migrated_template, cluster) as found:
        yield found


async def both_are_well(place: Place) -> None:
    """Wait until both instances are ready, with every line up and everything heard."""
    for instance in place.pair:
        await until(lambda instance=instance: is_well(instance) and instance.said_of("status") == "ready")  # type: ignore[misc]  # its own each


async def lose(place: Place, name: bytes) -> ClusterNode:
    """Kill the node that owns ``name``, wait until another was put in its place, and return the dead one."""
    victim = place.cluster.owner(name)
    await asyncio.to_thread(victim.kill)
    await until(lambda: place.cluster.owner(name) is not victim)
    return victim


async def come_back(victim: ClusterNode) -> None:
    """Start a node that was killed, and wait until it follows whoever has its place."""
    await asyncio.to_thread(victim.start)
    await until(victim.follows)


async def test_entries_go_over_a_replica_that_was_promoted(place: Place) -> None:
    """Both instances are ready again without the dead node; once it is back as a replica it may be its turn again."""
    guest = place.guests[0]
    channel = place.keys.stream(guest.user_id)
    async with gathered(crowd(place)) as devices:
        for _ in range(sized(2, 6)):
            async with Steady(devices=devices, every_s=0.2) as work:
                await asyncio.sleep(0.5)
                victim = await lose(place, channel)
                for device, head in [(device, device.user_seq) for device in devices]:
                    await device.reach(head + 1)
                await both_are_well(place)
                await until(lambda: listened_to(place, guest))
                await asyncio.sleep(0.5)
            await settled(devices, place.database_url)
            assert work.statuses() == {"confirmed"}
            await come_back(victim)
            await both_are_well(place)
        check_against_log(devices, place.database_url, repeats=True)


async def test_the_lobby_goes_over_a_replica_that_was_promoted(place: Place) -> None:
    """One instance reads for both again, though what they share has moved to another node."""
    async with scene(place.pair) as both:
        await both.one_reads()
        victim = await lose(place, place.keys.lobby)
        try:
            await both.shown(await both.change())
            await both_are_well(place)
            await both.one_reads()
        finally:
            await come_back(victim)


async def test_what_else_lies_in_redis_goes_over_it_too(place: Place) -> None:
    """Tails, and quotas with their scripts, by a client that lived through it."""
    keys = Keys(uuid4().hex[:8])
    owners = {place.cluster.owner(keys.tail(user_id)).port: user_id for user_id in range(1, 60)}
    redis, clock = connect(place.cluster.url), SystemClock()
    quotas, tails = Quotas(redis, keys, clock), Tails(redis, keys, clock)
    tails.PATIENCE_S = PATIENCE_S

    async def write_all(seq: int) -> bool:
        for user_id in owners.values():
            try:
                await redis.execute_command(*tails.append_command(user_id, seq, b"{}"))  # type: ignore[no-untyped-call]  # redis-py leaves it so
            except Failures:
                return False
            if [entry.seq for entry in await tails.after(user_id, seq - 1)] != [seq]:
                return False
        return True

    try:
        assert await write_all(1)
        victim = await lose(place, keys.tail(next(iter(owners.values()))))
        try:
            async with asyncio.timeout(PATIENCE_S):
                seq = 2
                while not await write_all(seq):
                    seq += 1
                    await asyncio.sleep(0.1)
            for whose in range(20):
                await until_allowed(quotas, str(whose))
        finally:
            await come_back(victim)
    finally:
        await redis.aclose()
