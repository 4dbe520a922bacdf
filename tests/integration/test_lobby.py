"""The lobby of several instances: read by one of them for all, whoever dies, and whatever becomes of Redis."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.support.crowd import gathered
from tests.support.instances import Instance, give_own_epoch, running_instances
from tests.support.lobby_scene import Scene, lobby_notices, scene, until
from tests.support.servers import PostgresServer, RedisServer
from tests.support.wire_client import metric


@pytest.fixture(scope="module")
def lobby_redis() -> Iterator[RedisServer]:
    """A Redis to be emptied, frozen and killed."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def lobby_url(postgres: PostgresServer, migrated_template: str) -> Iterator[str]:
    """A database of this file's own: nobody else comes and goes."""
    url = postgres.create_database(migrated_template)
    give_own_epoch(url)
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="module")
def instances(lobby_url: str, lobby_redis: RedisServer) -> Iterator[list[Instance]]:
    """Two instances with the usual times, over both."""
    with running_instances(lobby_url, lobby_redis.url, MESSAGES_PER_S=1000) as running:
        yield running


async def ticks(instance: Instance, count: int) -> None:
    """Wait until so many seconds' worth of an instance's own clockwork have passed: its canary's."""
    name = "idling_fanout_echo_seconds_count"
    before = await metric(instance.url, name)
    await until(lambda: _has_grown(instance, name, before + count))


async def _has_grown(instance: Instance, name: str, to: float) -> bool:
    return await metric(instance.url, name) >= to


async def test_one_instance_reads_for_both(instances: list[Instance]) -> None:
    """Changes at either are told at both, to the same words."""
    async with scene(instances) as both:
        await both.one_reads()
        words = await both.change()
        await both.shown(words)
        last = [lobby_notices(watcher)[-1] for watcher in both.watchers]
        assert last[0] == last[1]


async def test_a_first_watcher_elsewhere_sees_the_whole_room_without_a_reading(instances: list[Instance]) -> None:
    """With the first notice; and nobody who stays is told again for their sake."""
    async with scene(instances, watched=[0]) as here:
        await here.shown(await here.change(), here.watchers[:1])
        assert await here.one_tells() == 0
        before = await here.reads()
        async with gathered(here.watchers[1:]) as (newcomer,):
            await newcomer.until(lambda: lobby_notices(newcomer))
            assert lobby_notices(newcomer)[0] == lobby_notices(here.watchers[0])[-1]
            assert here.seen_by(newcomer) == [f"change {here.changes}"]
        assert (await here.reads())[1] == before[1]


async def test_nobody_reads_while_nobody_watches(instances: list[Instance]) -> None:
    """Though people come and go."""
    async with scene(instances) as both:
        await both.one_reads()
        for watcher in both.watchers:
            await watcher.stop()
        await until(lambda: _all_zero(both))
        before = await both.reads()
        for _ in range(3):
            await both.change()
        await ticks(instances[0], 7)
        assert (await both.reads(), await both.tellers()) == (before, [0, 0])


async def _all_zero(scene: Scene) -> bool:
    return not any(await scene.tellers())


@pytest.mark.parametrize("end", [Instance.kill, Instance.stop, Instance.terminate], ids=["killed", "frozen", "ended"])
async def test_a_teller_that_goes_is_replaced(
    instances: list[Instance], lobby_url: str, lobby_redis: RedisServer, end: Callable[[Instance], object]
) -> None:
    """By one of the others; meanwhile nobody is shown an empty room."""
    origin = instances[0].settings["PUBLIC_URL"]
    more = await asyncio.to_thread(Instance, lobby_url, lobby_redis.url, PUBLIC_URL=origin)
    await asyncio.to_thread(more.start)
    try:
        async with scene([*instances, more], watched=[2]) as all_three:
            await all_three.shown(await all_three.change(), all_three.watchers[2:])
            assert await all_three.one_tells() == 2
            async with gathered(all_three.watchers[:2]):
                await all_three.shown(await all_three.change())
                await asyncio.to_thread(end, more)
                all_three.at, all_three.watchers = all_three.at[:2], all_three.watchers[:2]
                await all_three.shown(await all_three.change())
                await all_three.one_reads()
                for watcher in all_three.watchers:
                    assert all(notice["count"] >= 1 for notice in lobby_notices(watcher))
    finally:
        await asyncio.to_thread(more.close)


@contextlib.contextmanager
def emptied(redis: RedisServer) -> Iterator[None]:
    """FLUSHALL."""
    redis.flush()
    yield


@contextlib.contextmanager
def killed(redis: RedisServer) -> Iterator[None]:
    """kill -9."""
    redis.kill()
    try:
        yield
    finally:
        redis.start()


@contextlib.contextmanager
def frozen(redis: RedisServer) -> Iterator[None]:
    """SIGSTOP."""
    redis.stop()
    try:
        yield
    finally:
        redis.cont()


@contextlib.contextmanager
def deaf(redis: RedisServer) -> Iterator[None]:
    """Nobody hears anything: the lines that listen are cut."""
    redis.cut_subscribers()
    yield


@pytest.mark.parametrize("fault", [emptied, killed, frozen, deaf])
async def test_redis_may_go_and_come_back(
    instances: list[Instance],
    lobby_redis: RedisServer,
    fault: Callable[[RedisServer], contextlib.AbstractContextManager[None]],
) -> None:
    """Each instance reads for itself meanwhile, once a second at most; afterwards one does it for both again."""
    async with scene(instances) as both:
        await both.one_reads()
        before = await both.reads()
        with fault(lobby_redis):
            for _ in range(3):
                await both.shown(await both.change())
            grown = [now - then for then, now in zip(before, await both.reads(), strict=True)]
        if fault in (killed, frozen):
            assert min(grown) >= 1, "each reads for itself"
        await both.one_reads()
        for watcher in both.watchers:
            assert all(notice["count"] >= 1 for notice in lobby_notices(watcher)[1:])
