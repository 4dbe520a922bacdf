"""A Redis Cluster whose nodes have replicas: one that dies is replaced by the cluster itself, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.cluster_place import Place, crowd, is_well, listened_to, needs_cluster, over_cluster, until
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
            await asyncio.to_thread(victim.start)
            await until(lambda victim=victim: follows(victim))  # type: ignore[misc]  # its own each
            await both_are_well(place)
        check_against_log(devices, place.database_url, repeats=True)


def follows(node: ClusterNode) -> bool:
    """Whether a node is a replica that has everything."""
    said = node.say("INFO", "replication")
    return isinstance(said, dict) and said.get("master_link_status") == "up"


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
            await asyncio.to_thread(victim.start)
