"""The hub under every interleaving that hypothesis thinks of: each entry once, in order, to each device."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idling_ws.delivery import hub as hub_module
from idling_ws.delivery.hearing import hearing
from idling_ws.delivery.hub import Hub
from idling_ws.delivery.parcel import Parcel
from idling_ws.domain.errors import UnavailableError
from idling_ws.domain.ids import ALL
from idling_ws.store.log import LoggedEntry, StreamLog, Tails
from idling_ws.store.redis import Keys
from idling_ws.wire.closing import Close

PATIENCE_S = 45.0
USER = 7
STREAMS = (USER, ALL)


class Truth:
    """The log as the database holds it; a read takes some turns of the loop, and may fail."""

    def __init__(self) -> None:
        self.heads = dict.fromkeys(STREAMS, 0)
        self.forgotten = 0
        self.turns = 0
        self.failures = 0

    def commit(self, stream: int) -> int:
        self.heads[stream] += 1
        return self.heads[stream]

    def read(self, stream: int, seq: int, limit: int) -> list[LoggedEntry]:
        return [
            LoggedEntry(n, f"{stream}:{n}".encode())
            for n in range(seq + 1, min(self.heads[stream], seq + limit) + 1)
            if n > self.forgotten
        ]

    async def after(self, stream: int, seq: int, limit: int = 3) -> list[LoggedEntry]:
        entries = self.read(stream, seq, limit)
        for _ in range(self.turns):
            await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise UnavailableError
        return entries


class NoTails:
    """Redis is away."""

    async def after(self, stream: int, seq: int) -> list[LoggedEntry]:
        return []


@dataclass(eq=False)
class Device:
    """A recipient that writes down what it was handed, and from where on it was live."""

    user_seq: int = 0
    all_seq: int = 0
    backlog: list[Parcel] | None = field(default_factory=list)
    reached: dict[int, int] = field(default_factory=dict)
    handed: dict[int, list[int]] = field(default_factory=lambda: {stream: [] for stream in STREAMS})
    failed: Close | None = None

    def push(self, parcel: Parcel) -> None:
        stream = ALL if parcel.is_shared else USER
        assert parcel.frame == f"{stream}:{parcel.seq}".encode()
        self.handed[stream].append(parcel.seq)

    def fail(self, code: Close) -> None:
        self.failed = code


class World:
    """A hub, the truth behind it, messages on their way, and devices at all stages."""

    def __init__(self) -> None:
        self.truth = Truth()
        self.hub = Hub(cast("StreamLog", self.truth), cast("Tails", NoTails()), fills_at_once=1)
        self.hub.retry_s = 0
        self.hub.notice_head(ALL, 0, known=True)
        self.on_the_way: list[tuple[int, int]] = []
        self.joining: list[Device] = []
        self.live: list[Device] = []

    def commit(self, choice: int) -> None:
        stream = STREAMS[choice % 2]
        self.on_the_way.append((stream, self.truth.commit(stream)))

    def deliver(self, choice: int) -> None:
        if self.on_the_way:
            stream, seq = self.on_the_way[choice % len(self.on_the_way)]
            self.hub.deliver(stream, seq, f"{stream}:{seq}".encode())

    def lose(self, choice: int) -> None:
        if self.on_the_way:
            del self.on_the_way[choice % len(self.on_the_way)]

    def notice(self, choice: int) -> None:
        stream = STREAMS[choice % 2]
        self.hub.notice_head(stream, max(0, self.truth.heads[stream] - choice % 3))

    def attach(self, choice: int) -> None:
        device = Device()
        self.hub.attach(USER, device)
        self.joining.append(device)

    def read_history(self, choice: int) -> None:
        unread = [device for device in self.joining if not device.reached]
        if unread:
            unread[choice % len(unread)].reached = dict(self.truth.heads)

    def admit(self, choice: int) -> None:
        ready = [device for device in self.joining if device.reached]
        if ready:
            device = ready[choice % len(ready)]
            self.joining.remove(device)
            self.live.append(device)
            self.hub.admit(USER, device, device.reached[USER], device.reached[ALL])

    def detach(self, choice: int) -> None:
        everybody = [*self.joining, *self.live]
        if everybody:
            device = everybody[choice % len(everybody)]
            self.hub.detach(USER, device)
            (self.joining if device in self.joining else self.live).remove(device)

    def slow_down(self, choice: int) -> None:
        self.truth.turns = choice % 4

    def break_reads(self, choice: int) -> None:
        self.truth.failures = choice % 3

    async def let_run(self, choice: int) -> None:
        for _ in range(choice % 5):
            await asyncio.sleep(0)

    async def settle(self) -> None:
        """Let every device become live, tell the true heads, and wait until nothing moves."""
        for device in list(self.joining):
            device.reached = device.reached or dict(self.truth.heads)
            self.admit(self.joining.index(device))
        self.truth.turns = 0
        for stream in STREAMS:
            self.hub.notice_head(stream, self.truth.heads[stream])
        while self.hub._tasks:
            await asyncio.gather(*self.hub._tasks)

    def check(self) -> None:
        for device in self.live:
            assert device.failed is None
            for stream in STREAMS:
                assert device.handed[stream] == list(range(device.reached[stream] + 1, self.truth.heads[stream] + 1))


STEPS: dict[str, Callable[[World, int], Awaitable[None] | None]] = {
    name: cast("Any", getattr(World, name))
    for name in (
        "commit",
        "deliver",
        "lose",
        "notice",
        "attach",
        "read_history",
        "admit",
        "detach",
        "slow_down",
        "break_reads",
        "let_run",
    )
}

# Joining is where the order matters: it is tried more often than the rest.
_names = st.sampled_from(sorted(STEPS) + ["attach", "read_history", "admit", "commit"] * 2)
_steps = st.lists(st.tuples(_names, st.integers(0, 11)), min_size=10, max_size=60)


async def play(steps: list[tuple[str, int]]) -> None:
    """Do the steps in a new world, let it come to rest and check what each device was handed."""
    world = World()
    for name, choice in steps:
        done = STEPS[name](world, choice)
        if done is not None:
            await done
    await world.settle()
    world.check()


@settings(max_examples=400, deadline=None)
@given(_steps)
def test_every_device_gets_each_entry_once_and_in_order(steps: list[tuple[str, int]]) -> None:
    """Whatever is lost, repeated, overtaken or read late on the way."""
    asyncio.run(play(steps))


async def test_a_device_that_read_an_older_head_than_another_still_misses_nothing() -> None:
    """Two join a new stream; the one that read less is admitted last."""
    await play(
        [
            ("attach", 0), ("attach", 0), ("read_history", 0),
            ("commit", 0), ("commit", 0), ("read_history", 1), ("admit", 1), ("admit", 0),
        ]
    )  # fmt: skip


async def test_a_channel_that_goes_back_while_a_gap_is_read_reads_again() -> None:
    """What was being read then is not what is missing, and no reason to give anybody up."""
    await play(
        [
            ("attach", 0), ("attach", 0), ("read_history", 0), ("commit", 0), ("commit", 0), ("read_history", 0),
            ("commit", 0), ("admit", 1), ("slow_down", 3), ("notice", 0), ("let_run", 1), ("admit", 0),
        ]
    )  # fmt: skip


async def test_a_read_that_is_older_than_what_was_seen_is_no_loss() -> None:
    """A gap closes while its read waits for its turn; what comes during the read has committed after it."""
    world = World()
    world.attach(0)
    world.read_history(0)
    world.admit(0)
    async with world.hub._fill_slots:
        world.commit(0)
        world.notice(0)
        await asyncio.sleep(0)
        world.deliver(0)
    world.truth.turns = 1
    await asyncio.sleep(0)
    world.commit(0)
    world.commit(0)
    world.deliver(2)
    await asyncio.gather(*world.hub._tasks)
    assert world.live[0].failed is None
    assert world.live[0].handed[USER] == [1, 2, 3]


async def test_what_cannot_be_had_ends_its_devices_and_the_next_one_starts_clean() -> None:
    """A head that nobody can read the way to: the devices come back, and are not ended for ever."""
    world = World()
    world.attach(0)
    world.read_history(0)
    world.admit(0)
    world.hub.notice_head(ALL, 5)
    await asyncio.gather(*world.hub._tasks)
    assert world.live[0].failed is Close.POSITION_LOST
    world.detach(0)
    world.attach(0)
    world.commit(1)
    world.deliver(0)
    await world.settle()
    world.check()


async def test_a_gap_whose_beginning_has_gone_ends_its_devices() -> None:
    """What is left of it does not join on: it is neither handed out nor read for ever."""
    world = World()
    world.attach(0)
    world.read_history(0)
    world.admit(0)
    for _ in range(3):
        world.commit(0)
    world.truth.forgotten, world.truth.turns = 1, 1
    world.hub.notice_head(USER, 3)
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*world.hub._tasks)
    assert world.live[0].failed is Close.POSITION_LOST
    assert world.live[0].handed[USER] == []


async def test_a_device_for_which_too_much_waits_while_it_reads_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came until then is all that is held for it."""
    monkeypatch.setattr(hub_module, "MAX_BACKLOG", 2)
    world = World()
    world.attach(0)
    world.attach(0)
    world.read_history(0)
    world.admit(0)
    [reading] = world.joining
    for n in range(3):
        assert reading.failed is None
        world.commit(n)
        world.deliver(n)
    assert reading.failed is Close.SLOW_CONSUMER
    assert reading.backlog is not None
    assert len(reading.backlog) == 2


@pytest.mark.parametrize("stream", STREAMS)
async def test_a_device_that_lacks_an_entry_is_ended_and_not_handed_the_next(stream: int) -> None:
    """However it came to be behind its channel: it comes back by its cursor, instead of waiting for ever."""
    world = World()
    world.attach(0)
    world.read_history(0)
    world.admit(0)
    [device] = world.live
    device.user_seq = device.all_seq = -1
    world.commit(STREAMS.index(stream))
    world.deliver(0)
    assert device.failed is Close.POSITION_LOST
    assert device.handed[stream] == []


def test_what_redis_says_reaches_the_hub() -> None:
    """An entry with its number, whatever is in it, and a head alone; on the channels of users and on that of all."""
    told: list[tuple[object, ...]] = []

    class Listening(Hub):
        def deliver(self, user_id: int, seq: int, frame: bytes) -> None:
            told.append((user_id, seq, frame))

        def notice_head(self, user_id: int, seq: int, *, known: bool = False) -> None:
            told.append((user_id, seq))

    keys = Keys("e{0}p")
    heard = hearing(Listening(cast("StreamLog", None), cast("Tails", None)), keys)
    heard([(keys.stream(USER), b"3 a {b} 4"), (keys.stream(1_234_567_890), b"17"), (keys.stream(ALL), b"1 x")])
    assert told == [(USER, 3, b"a {b} 4"), (1_234_567_890, 17), (ALL, 1, b"x")]
