"""How far devices have come, over a real Redis: the furthest counts, whoever says so, and what is not known is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from idling_ws.delivery import acknowledged as acknowledged_module
from idling_ws.delivery.acknowledged import MEMBER, Acknowledged
from idling_ws.delivery.fanout import Fanout
from idling_ws.domain.clock import SystemClock
from idling_ws.store.redis import Keys
from idling_ws.wire.cursor import Cursor

PATIENCE_S = 45.0
USER = 7


class Place:
    """One instance; Redis is away until it is ``connect``ed."""

    def __init__(self, url: str) -> None:
        self.keys = Keys(uuid4().hex[:8])
        self.fanout = Fanout(url, self.keys, "one", SystemClock())
        self.acknowledged = Acknowledged(self.fanout, self.keys)

    def saw(self, user_id: int, seq: int) -> None:
        self.acknowledged.saw(user_id, Cursor(self.keys.epoch, seq, 0))

    async def connect(self) -> None:
        await self.fanout.start()
        async with asyncio.timeout(PATIENCE_S):
            while not self.fanout.connected:
                await asyncio.sleep(0.01)

    async def until_written(self, user_id: int, seq: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await self.fanout.ask(("ZSCORE", self.keys.acknowledged(user_id), MEMBER)) != [b"%d" % seq]:
                await asyncio.sleep(0.01)


@pytest.fixture
async def place(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setattr(acknowledged_module, "EVERY_S", 0.01)
    made = Place(redis_url)
    yield made
    await made.acknowledged.stop()
    await made.fanout.stop()


async def test_what_is_known_here_counts_before_it_is_written(place: Place) -> None:
    """Without Redis it is not all that is known."""
    place.saw(USER, 5)
    place.saw(USER, 3)
    place.acknowledged.saw(USER, Cursor("formerly", 99, 0))  # of another life of the log
    assert await place.acknowledged.newest([USER, 8]) == ({USER: 5}, False)
    await place.connect()
    assert await place.acknowledged.newest([USER, 8]) == ({USER: 5}, True)
    await place.fanout.ask(("ZADD", place.keys.acknowledged(USER), 9, MEMBER))
    assert await place.acknowledged.newest([USER]) == ({USER: 9}, True)


async def test_of_two_that_write_the_further_one_stays(place: Place) -> None:
    """What was held while Redis was away is written once it is back, and takes nothing back."""
    for user_id, seq in ((USER, 5), (8, 2)):
        place.saw(user_id, seq)
    place.acknowledged.start()
    await asyncio.sleep(0.05)
    await place.connect()
    await place.until_written(USER, 5)
    place.saw(USER, 3)
    place.saw(8, 4)
    await place.until_written(8, 4)
    assert await place.acknowledged.newest([USER, 8]) == ({USER: 5, 8: 4}, True)


async def test_what_cannot_be_read_is_not_all(place: Place) -> None:
    """Late is better than wrong: nobody is pushed what they may have seen."""
    await place.connect()
    await place.fanout.ask(("SET", place.keys.acknowledged(USER), "something else"))
    assert await place.acknowledged.newest([USER, 8]) == ({}, False)
