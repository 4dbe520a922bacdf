"""What Redis does for the deployment as a whole, by its own process clock: who was heard of, and who shares the lobby.

By the very parts that do it in an instance, over one line for each, with nothing else of one around them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

import redis

from idling_ws.delivery.fanout import Fanout
from idling_ws.delivery.lobby import SHOWN
from idling_ws.delivery.lobby_board import Board
from idling_ws.delivery.presence import Presence
from idling_ws.delivery.pulses import Pulses
from idling_ws.domain.clock import SystemClock
from idling_ws.store.redis import Keys
from idling_ws.store.sessions import SessionStore

INSTANCES = 50
SECONDS = 40
PEOPLE = 100_000
AT_ONCE = 1_000
NOTICE = b"x" * (300 * SHOWN)
"""A notice with as many members as it holds."""
PULSE = {"figures": "x" * 500}


@dataclass(frozen=True, slots=True)
class SharedCosts:
    """CPU microseconds of Redis: for one sign of life; for one instance and second, with its lobby and its pulse."""

    redis_sign_us: float
    redis_second_us: float


async def measure_shared(redis_url: str, salt: str) -> SharedCosts:
    """Let many people be heard of, and many instances share a lobby."""
    keys, clock = Keys(salt), SystemClock()
    async with _lines(redis_url, keys) as fanouts:
        presence = Presence(clock, fanouts[0], keys, cast("SessionStore", None), "0")
        await _sign(presence)
        start = _cpu_s(redis_url)
        await _sign(presence)
        signed = _cpu_s(redis_url)
        boards = [Board(clock, fanout, keys, str(n)) for n, fanout in enumerate(fanouts)]
        pulses = [Pulses(clock, fanout, keys, str(n)) for n, fanout in enumerate(fanouts)]
        for board in boards:
            board.listen(lambda message: None)
        await asyncio.gather(*[board.look() for board in boards])
        began = _cpu_s(redis_url)
        for _ in range(SECONDS):
            await boards[0].tell(boards[0].next_number(), NOTICE, 0)
            await asyncio.gather(
                *[board.look() for board in boards], *[each.write(dict(PULSE), tails=False) for each in pulses]
            )
        ended = _cpu_s(redis_url)
    return SharedCosts((signed - start) / PEOPLE * 1e6, (ended - began) / SECONDS / INSTANCES * 1e6)


async def _sign(presence: Presence) -> None:
    for first in range(0, PEOPLE, AT_ONCE):
        for user_id in range(first, first + AT_ONCE):
            presence.saw(user_id)
        await presence.to_redis()


@contextlib.asynccontextmanager
async def _lines(redis_url: str, keys: Keys) -> AsyncIterator[list[Fanout]]:
    fanouts = [Fanout(redis_url, keys, str(n), SystemClock()) for n in range(INSTANCES)]
    for fanout in fanouts:
        await fanout.start()
    try:
        yield fanouts
    finally:
        await asyncio.gather(*[fanout.stop() for fanout in fanouts])


def _cpu_s(redis_url: str) -> float:
    with contextlib.closing(redis.Redis.from_url(redis_url)) as client:
        cpu: dict[str, Any] = client.info("cpu")
    return float(cpu["used_cpu_user"] + cpu["used_cpu_sys"])
