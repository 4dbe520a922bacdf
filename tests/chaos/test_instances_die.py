"""Instances that are killed, deaf or told to leave: devices go on elsewhere, and nothing is lost on the way.

One of the two reaches Redis over a way that can be blocked. Heartbeats are ten minutes apart, so
that no device finds out by a head that it missed something.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.support.blackhole import Blackhole, blackholes
from tests.support.crowd import FULL_SIZE, Guest, Roamer, check_against_log, gathered, sized
from tests.support.halves import halves
from tests.support.instances import Instance, running_instances
from tests.support.raw_socket import ClosedError
from tests.support.rows import run_sql
from tests.support.servers import PostgresServer, RedisServer
from tests.support.steady import Steady, settled
from tests.support.wire_client import Device, connect

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]

Pair = tuple[Instance, Instance]

# What is promised, with what a busy machine adds: judged by a run at full size, on a machine that has nothing
# else to do. Beside a whole suite how long something takes tells of the neighbours; that it comes, of the server.
TOLD_S = sized(60.0, 4.0)
LEFT_S = sized(60.0, 10.0)
NOTICED_S = sized(60.0, 8.0)
Figures = Callable[..., dict[str, Any]]


@pytest_asyncio.fixture(scope="module")
async def hole(frail_redis: RedisServer) -> AsyncIterator[Blackhole]:
    """The way of the second instance to Redis."""
    async with blackholes(frail_redis.port) as hole:
        yield hole


@pytest_asyncio.fixture(scope="module")
async def frail_pair(frail_url: str, frail_redis: RedisServer, hole: Blackhole) -> AsyncIterator[Pair]:
    """One beside Redis, and one behind the hole."""
    redis_urls = [frail_redis.url, f"redis://127.0.0.1:{hole.port}/0"]
    running = running_instances(frail_url, redis_urls, MESSAGES_PER_S=10000, HEARTBEAT_S=600)
    # In a thread: what goes through the hole goes through this loop.
    near, far = await asyncio.to_thread(running.__enter__)
    yield near, far
    await asyncio.to_thread(running.__exit__, None, None, None)


async def status(instance: Instance) -> str:
    """Return what ``/readyz`` calls it."""
    return str((await asyncio.to_thread(instance.readiness))[1]["status"])


async def until_status(instance: Instance, wanted: str) -> None:
    """Wait until ``/readyz`` calls it so."""
    async with asyncio.timeout(60):
        while await status(instance) != wanted:
            await asyncio.sleep(0.05)


async def test_what_a_killed_instance_had_committed_is_told_by_the_other(
    frail_pair: Pair, frail_url: str, guests: list[Guest], hole: Blackhole, figures: Figures
) -> None:
    """What it says to Redis is swallowed, then it is killed: nobody announces the entry."""
    staying, doomed = frail_pair
    delays: list[float] = []
    async with gathered([Roamer(guests[0], [staying.url])]) as (device,):
        for _ in range(sized(1, 10)):
            async with await connect(doomed.url, guests[0].token) as writer:
                hole.swallow()
                head = device.user_seq
                mid = writer.ask("profile.update", {"bio": "last words"})
                while not await asyncio.to_thread(run_sql, frail_url, "SELECT FROM entries WHERE mid = %s", mid):
                    await asyncio.sleep(0.005)
                since = time.monotonic()
                doomed.kill()
            await device.reach(head + 1)
            delays.append(round(time.monotonic() - since, 3))
            hole.drop()
            await asyncio.to_thread(doomed.start)
        check_against_log([device], frail_url)
        await until_status(staying, "ready")
    figures(delays_s=delays)
    assert max(delays) < TOLD_S


async def test_instances_killed_under_load_lose_nothing(
    frail_pair: Pair, frail_url: str, guests: list[Guest], figures: Figures
) -> None:
    """Each in turn, kill -9 and back: every device resumes by its cursor, every mutation gets its verdict once."""
    bases = [instance.url for instance in frail_pair]
    devices = [Roamer(guest, bases, seed=n) for n, guest in enumerate(guests[: sized(15, 50)] * 2)]
    async with gathered(devices):
        async with Steady(devices=devices) as work:
            for instance in frail_pair * sized(1, 5):
                await asyncio.sleep(0.7)
                instance.kill()
                await asyncio.sleep(0.7)
                await asyncio.to_thread(instance.start)
        await settled(devices, frail_url)
        figures(
            entries=check_against_log(devices, frail_url, repeats=True),
            resumed=sum(device.welcomes - 1 for device in devices),
        )
        assert work.statuses() == {"confirmed"}
        assert any(device.closes for device in devices)


async def _ask_on(device: Device, session: str, told: dict[str, str]) -> None:
    """Ask for one change after the other until the line breaks, some at the same time; note every verdict."""
    with contextlib.suppress(ClosedError, OSError, asyncio.IncompleteReadError):
        while True:
            mids = [device.ask("profile.update", {"bio": f"the {n}th"}) for n in range(3)]
            mids.append(device.ask("reaction.send", {"session": session, "emoji": "1F600"}))
            for mid in mids:
                told[mid] = (await device.verdict(mid))["status"]


async def test_killed_at_any_moment_a_change_is_whole_or_not_there(
    frail_pair: Pair, frail_url: str, guests: list[Guest], figures: Figures
) -> None:
    """Rows, both users' entries and the trail, all or nothing; and whatever was told is there."""
    doomed, staying = frail_pair
    owner, *senders = guests[:7]
    async with await connect(staying.url, owner.token) as device:
        session = (await device.mutate("session.start", {"activity": "being waved at"}))["result"]["session"]["id"]
    draw, told = random.Random(11), dict[str, str]()
    for _ in range(sized(2, 50)):
        devices = [await connect(doomed.url, guest.token) for guest in senders]
        asking = [asyncio.create_task(_ask_on(device, session, told)) for device in devices]
        heard = len(told)
        while len(told) == heard:
            await asyncio.sleep(0.005)
        await asyncio.sleep(draw.uniform(0, 0.2))
        doomed.kill()
        await asyncio.gather(*asking)
        for device in devices:
            device.cut()
        assert await asyncio.to_thread(halves, frail_url) == []
        await asyncio.to_thread(doomed.start)
    stored = {mid for (mid,) in run_sql(frail_url, "SELECT mid FROM entries WHERE mid IS NOT NULL")}
    figures(told=len(told), stored=len(stored))
    assert set(told.values()) == {"confirmed"}
    assert told.keys() <= stored


async def test_leaving_says_bye_to_all_and_loses_no_mutation(
    frail_pair: Pair, frail_url: str, guests: list[Guest], figures: Figures
) -> None:
    """SIGTERM under load: every socket hears ``bye`` and 4200, the process exits with 0, the rest comes by resume."""
    leaving, staying = frail_pair
    devices = [Roamer(guest, [leaving.url], seed=n) for n, guest in enumerate(guests[: sized(60, 200)])]
    async with gathered(devices):
        async with Steady(devices=devices, every_s=0.3) as work:
            await asyncio.sleep(1)
            for device in devices:
                device.bases = [staying.url]
            since = time.monotonic()
            exit_status = await asyncio.to_thread(leaving.terminate)
            took_s = time.monotonic() - since
            await asyncio.sleep(1)
        await settled(devices, frail_url)
        figures(took_s=took_s, entries=check_against_log(devices, frail_url, repeats=True))
        assert exit_status == 0
        assert took_s < LEFT_S
        assert work.statuses() == {"confirmed"}
        assert [device.closes for device in devices] == [[4200]] * len(devices)
        assert [device.goodbyes[0]["code"] for device in devices] == [4200] * len(devices)
        assert len({device.goodbyes[0]["retry_ms"] for device in devices}) > 1
    await asyncio.to_thread(leaving.start)


@pytest.mark.parametrize("frozen", ["postgres", "redis"])
@pytest.mark.skipif(not FULL_SIZE, reason="a rarer double fault: `make chaos-tests` runs it")
async def test_leaving_takes_ten_seconds_at_most_when_a_store_is_frozen(
    frail_pair: Pair,
    frail_postgres: PostgresServer,
    frail_redis: RedisServer,
    guests: list[Guest],
    frozen: str,
    figures: Figures,
) -> None:
    """Somebody else decides then that it hangs, and kills it."""
    leaving = frail_pair[0]
    store = frail_postgres if frozen == "postgres" else frail_redis
    devices = [Roamer(guest, [leaving.url]) for guest in guests[:20]]
    async with gathered(devices):
        for device in devices:
            device.is_away = True
        store.stop()
        try:
            for device in devices:
                device.ask("profile.update", {"bio": "on the way out"})
            since = time.monotonic()
            exit_status = await asyncio.to_thread(leaving.terminate)
            took_s = time.monotonic() - since
        finally:
            store.cont()
        figures(took_s=took_s)
        assert exit_status == 0
        assert took_s < 10
        assert [device.closes for device in devices] == [[4200]] * len(devices)
    await asyncio.to_thread(leaving.start)


async def test_a_deaf_instance_notices_says_so_and_catches_up(
    frail_pair: Pair, frail_url: str, guests: list[Guest], hole: Blackhole, figures: Figures
) -> None:
    """Its connections to Redis stay up, yet nothing comes back over them: the canary finds out."""
    hearing, deaf = frail_pair
    async with gathered([Roamer(guests[0], [url]) for url in (hearing.url, deaf.url)]) as (writer, device):
        await until_status(deaf, "ready")
        hole.swallow()
        since = time.monotonic()
        await writer.verdict(writer.ask("profile.update", {"bio": "can you hear me"}))
        async with asyncio.timeout(60):
            while (await asyncio.to_thread(deaf.readiness))[1]["parts"]["canary"] != "deaf":
                await asyncio.sleep(0.05)
        noticed_s = time.monotonic() - since
        assert await status(deaf) == "degraded"
        await device.reach(writer.user_seq)
        # The others hear and announce these, so nothing that is left behind tells of them.
        for n in range(3):
            await writer.verdict(writer.ask("profile.update", {"bio": f"still deaf, {n}"}))
            await device.reach(writer.user_seq, timeout_s=TOLD_S)
        hole.let_through()
        await until_status(deaf, "ready")
        await writer.verdict(writer.ask("profile.update", {"bio": "and now"}))
        await device.reach(writer.user_seq)
        check_against_log([writer, device], frail_url)
    figures(noticed_s=noticed_s)
    assert noticed_s < NOTICED_S
