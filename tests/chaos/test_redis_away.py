"""Redis is disposable: whatever becomes of it under load, nothing is lost or doubled, and nobody waits for it.

Heartbeats are ten minutes apart here, so that no device finds out by a head that it missed something.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.crowd import Guest, Roamer, check_against_log, gathered, sized
from tests.support.instances import Instance
from tests.support.servers import RedisServer
from tests.support.steady import Callers, Steady, settled, spread_s
from tests.support.wire_client import connect

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]

Pair = tuple[Instance, Instance]
GoesOn = Callable[[], Awaitable[None]]
Fault = Callable[[RedisServer, GoesOn], Awaitable[None]]

# Two seconds are promised for an answer and for an entry's way to the other instance; doubled,
# for a busy machine is late by itself. What is normal afterwards is a fraction of that. A run at full
# size judges it. Beside a whole suite the order of events does: Redis stays away until everybody went on without.
WAIT_S = sized(60.0, 4.0)
SPREAD_S = sized(60.0, 4.0)
NORMAL_S = sized(60.0, 1.5)
# Whoever waited for Redis when they join would wait for half a second at least.
QUICK_S = 0.4


@pytest.fixture(scope="module")
def heartbeat_s() -> float:
    """None comes while a test lasts."""
    return 600.0


async def flush_often(redis: RedisServer, goes_on: GoesOn) -> None:
    """FLUSHALL, again and again."""
    for _ in range(20):
        await asyncio.to_thread(redis.flush)
        await asyncio.sleep(sized(0.05, 0.25))


async def cut_subscribers_often(redis: RedisServer, goes_on: GoesOn) -> None:
    """CLIENT KILL TYPE pubsub, twenty times."""
    for _ in range(20):
        await asyncio.to_thread(redis.cut_subscribers)
        await asyncio.sleep(sized(0.1, 0.5))


async def kill(redis: RedisServer, goes_on: GoesOn) -> None:
    """kill -9, and empty again after a while."""
    redis.kill()
    try:
        await asyncio.sleep(sized(1, 30))
        await goes_on()
    finally:
        await asyncio.to_thread(redis.start)


async def freeze(redis: RedisServer, goes_on: GoesOn) -> None:
    """SIGSTOP: it takes everything and answers nothing, longer than it takes to find out."""
    redis.stop()
    try:
        await asyncio.sleep(sized(4, 30))
        await goes_on()
    finally:
        redis.cont()


async def until_ready(pair: Pair, status: str = "ready") -> None:
    """Wait until both instances say so."""
    async with asyncio.timeout(90):
        for instance in pair:
            while (await asyncio.to_thread(instance.readiness))[1]["status"] != status:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("fault", [flush_often, cut_subscribers_often, kill, freeze])
async def test_nothing_is_lost_or_doubled_and_nobody_waits(
    frail_pair: Pair,
    frail_url: str,
    frail_redis: RedisServer,
    guests: list[Guest],
    fault: Fault,
    figures: Callable[..., dict[str, Any]],
) -> None:
    """Every device on its one socket: no gap, no repeat, no resume, other instances' entries in two seconds."""
    bases = [base.url for base in frail_pair]
    staying, callers = guests[: sized(20, 100)], guests[sized(20, 100) :][: sized(4, 10)]
    devices = [Roamer(guest, [base]) for guest in staying for base in bases]
    async with gathered(devices):

        async def goes_on() -> None:
            """Everybody has had one more change confirmed by now, on the device at the other instance too."""
            for here, there in zip(devices[::2], devices[1::2], strict=True):
                await here.reach(here.user_seq + 1)
                await there.reach(here.user_seq)

        every_s = sized(0.5, 0.25)
        async with Steady(devices=devices, every_s=every_s) as work, Callers(guests=callers, bases=bases) as calls:
            await asyncio.sleep(0.5)
            await fault(frail_redis, goes_on)
            returned = time.monotonic()
            await until_ready(frail_pair)
            ready_after_s = time.monotonic() - returned
            # At full size the five seconds are over that it may take; here both say that it is over.
            await asyncio.sleep(max(0.0, sized(0.0, 5.0) - ready_after_s))
            normal_from = time.monotonic()
            await asyncio.sleep(sized(1, 10))
            ended = time.monotonic()
        await settled(devices, frail_url)
        measured = figures(
            entries=check_against_log(devices, frail_url),
            calls=len(calls.answered),
            slowest_verdict_s=work.slowest_s(),
            slowest_call_s=calls.slowest_s(),
            longest_spread_s=spread_s(devices),
            ready_after_s=ready_after_s,
            spread_when_normal_s=spread_s(devices, normal_from, ended),
        )
        assert work.statuses() == {"confirmed"}
        assert calls.statuses() <= {"confirmed", 200}
        assert [device for device in devices if device.closes or device.resumes_asked or device.refused] == []
        assert measured["slowest_verdict_s"] < WAIT_S
        assert measured["slowest_call_s"] < WAIT_S
        assert measured["longest_spread_s"] < SPREAD_S
        assert measured["spread_when_normal_s"] < NORMAL_S


async def test_a_busy_stream_reaches_the_other_instance_while_redis_is_frozen(
    frail_pair: Pair, frail_url: str, frail_redis: RedisServer, guests: list[Guest]
) -> None:
    """One that never rests for as long as the sweeper lets an entry be young."""
    async with gathered([Roamer(guests[0], [base.url]) for base in frail_pair]) as (here, there):
        frail_redis.stop()
        try:
            async with Steady(devices=[here], every_s=0.02):
                for _ in range(3):
                    await here.reach(here.user_seq + 1)
                    await there.reach(here.user_seq, timeout_s=SPREAD_S)
        finally:
            frail_redis.cont()
        await settled([here, there], frail_url)
        check_against_log([here, there], frail_url)
    await until_ready(frail_pair)


async def test_devices_join_quickly_while_redis_is_frozen(
    frail_pair: Pair, frail_redis: RedisServer, guests: list[Guest]
) -> None:
    """Once it is known nobody waits for it any more: whoever the machine keeps waiting is not counted."""
    frail_redis.stop()
    try:
        await until_ready(frail_pair, "degraded")
        quick = 0
        async with asyncio.timeout(90):
            for guest in itertools.cycle(guests):
                since = time.monotonic()
                async with await connect(frail_pair[1].url, guest.token):
                    quick += time.monotonic() - since < QUICK_S
                if quick == 20:
                    break
    finally:
        frail_redis.cont()
    await until_ready(frail_pair)
