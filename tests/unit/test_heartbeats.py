"""Beats and the wheel they hang on: on time whatever the database does, and true when it answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idling_ws.delivery import heartbeat
from idling_ws.delivery.heartbeat import Heartbeats
from idling_ws.delivery.hub import Hub
from idling_ws.delivery.wheel import Wheel
from idling_ws.domain.errors import UnavailableError
from idling_ws.domain.ids import ALL
from idling_ws.store.log import StreamLog
from idling_ws.wire.closing import Close
from tests.support.clocks import MovableClock

BEAT_S = 10.0


@dataclass(eq=False)
class Socket:
    """Somebody who hears beats."""

    user_id: int
    user_seq: int = 0
    all_seq: int = 0
    last_inbound: float = 0.0
    next_beat: float = 0.0
    hello_deadline: float | None = None
    expires_at: float | None = None
    beats: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    failed: Close | None = None

    def send_beat(self, framed: bytes) -> None:
        self.beats.put_nowait(orjson.loads(framed[2:]))

    def fail(self, code: Close) -> None:
        self.failed = code


class Database:
    """What the heads are read from."""

    def __init__(self) -> None:
        self.heads_of: dict[int, int] = {}
        self.answers = asyncio.Event()
        self.answers.set()
        self.is_away = False

    async def heads(self, user_ids: list[int]) -> list[tuple[int, int]]:
        await self.answers.wait()
        if self.is_away:
            raise UnavailableError
        return [(user_id, self.heads_of[user_id]) for user_id in user_ids if user_id in self.heads_of]


class Noticed:
    """A hub that writes down the heads it was told."""

    def __init__(self) -> None:
        self.heads: dict[int, int] = {}

    def notice_head(self, user_id: int, seq: int) -> None:
        self.heads[user_id] = seq


class World:
    """Heartbeats over a clock that a test moves."""

    def __init__(self) -> None:
        self.clock, self.database, self.hub = MovableClock(), Database(), Noticed()
        self.heartbeats = Heartbeats(
            self.clock, cast("StreamLog", self.database), cast("Hub", self.hub), "epoch", heartbeat_s=BEAT_S
        )
        self.beating = asyncio.create_task(self.heartbeats._run())

    def add(self, user_id: int, **facts: Any) -> Socket:
        socket = Socket(user_id, last_inbound=self.clock.monotonic(), **facts)
        self.heartbeats.add(socket)
        return socket

    async def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            self.clock.move(1.0)
            await self.heartbeats._wheel.turn()

    async def close(self) -> None:
        self.beating.cancel()
        await asyncio.gather(self.beating, return_exceptions=True)


async def test_a_beat_carries_the_heads_of_the_database_and_tells_the_hub() -> None:
    """Not what this process remembers: it may be deaf."""
    world = World()
    world.database.heads_of = {7: 12, ALL: 5}
    socket = world.add(7, user_seq=10, all_seq=5)
    await world.pass_time(BEAT_S)
    beat = await socket.beats.get()
    assert (beat["cursor"], beat.get("stale")) == ("epoch.12.5", None)
    assert world.hub.heads == {7: 12, ALL: 5}
    await world.close()


async def test_a_beat_that_the_database_does_not_answer_for_says_so() -> None:
    """It still says that the line is alive."""
    world = World()
    world.database.is_away = True
    socket = world.add(7, user_seq=10, all_seq=5)
    await world.pass_time(BEAT_S)
    beat = await socket.beats.get()
    assert (beat["cursor"], beat["stale"]) == ("epoch.10.5", True)
    await world.close()


async def test_a_database_that_hangs_does_not_hold_up_the_end_of_silent_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wheel turns on while the heads are read."""
    monkeypatch.setattr(heartbeat, "HEADS_TIMEOUT_S", 600.0)
    world = World()
    world.database.answers.clear()
    silent = world.add(7)
    async with asyncio.timeout(60):
        await world.pass_time(2 * BEAT_S + 11)
    assert silent.failed is Close.NO_HEARTBEAT
    await world.close()


async def test_a_database_that_hangs_holds_no_beat_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stale beat now is better than a true one too late."""
    monkeypatch.setattr(heartbeat, "HEADS_TIMEOUT_S", 0.01)
    world = World()
    world.database.answers.clear()
    socket = world.add(7)
    await world.pass_time(BEAT_S)
    assert (await socket.beats.get())["stale"]
    await world.close()


async def test_hello_and_tokens_have_their_time() -> None:
    """No hello in time is 4102; a token that ran out is 4203, unless it was renewed."""
    world = World()
    mute = Socket(-1, last_inbound=world.clock.monotonic())
    world.heartbeats.await_hello(mute, 3.0)
    expiring = world.add(7, expires_at=world.clock.monotonic() + 4)
    renewed = world.add(8, expires_at=world.clock.monotonic() + 4)
    renewed.expires_at = world.clock.monotonic() + 100
    world.heartbeats.expiry_changed(renewed)
    await world.pass_time(5)
    assert [mute.failed, expiring.failed, renewed.failed] == [Close.NO_HELLO, Close.TOKEN_EXPIRED, None]
    await world.close()


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 40)), max_size=30), st.integers(1, 60))
def test_the_wheel_is_never_early_and_late_by_a_tick_at_most(plan: list[tuple[int, float]], turns: int) -> None:
    """The last time that was set counts, and forgetting forgets."""

    async def run() -> None:
        came: dict[int, int] = {}
        now = 0

        async def on_due(due: list[int]) -> None:
            for thing in due:
                came[thing] = now

        wheel: Wheel[int] = Wheel(MovableClock(), on_due, tick_s=0.5, slots=128)
        wanted: dict[int, float] = {}
        for thing, delay_s in plan:
            wheel.schedule(thing, delay_s)
            wanted[thing] = delay_s
        wheel.forget(5)
        wanted.pop(5, None)
        for turn in range(1, turns + 1):
            now = turn
            await wheel.turn()
        for thing, delay_s in wanted.items():
            if thing in came:
                assert delay_s <= came[thing] * 0.5 < delay_s + 1.0
            else:
                assert turns * 0.5 < delay_s + 0.5
        assert came.keys() <= wanted.keys()

    asyncio.run(run())
