"""The roster without servers: who is silent, what the tail is told of, and who did not answer a question."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

import orjson
import pytest

from idling_ws.delivery.fanout import Fanout
from idling_ws.delivery.publisher import Publisher
from idling_ws.delivery.pulses import FORGOTTEN_S, SILENT_S, Pulses
from idling_ws.delivery.roster import SAMPLE, TAIL, TICK_S, VIEW, Roster
from idling_ws.domain.errors import UnavailableError
from idling_ws.store.redis import Keys
from tests.support.clocks import MovableClock

KEYS = Keys("epoch")
FRAME = orjson.dumps(
    {"type": "entry", "items": [{"kind": "profile.changed", "patch": {"kind": "no kind"}}, {"kind": "verdict"}]}
)


class Line:
    """What is published, kept as well; whoever listens to its channel hears it at once."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.channels: dict[bytes, list[Roster]] = {}

    def send(self, channel: bytes, message: bytes) -> None:
        """Take a message."""
        self.said.append(json.loads(message))
        for roster in self.channels.get(channel, []):
            roster.heard(message)


class Ear:
    """The channels that one instance listens to."""

    def __init__(self, line: Line) -> None:
        self.line = line

    def handle(self, channel: bytes, handler: Callable[[bytes], None]) -> None:
        """Listen."""
        self.line.channels.setdefault(channel, []).append(cast("Any", handler).__self__)
        self.roster = cast("Any", handler).__self__

    def unsubscribe(self, channel: bytes) -> None:
        """Listen no more."""
        self.line.channels[channel].remove(self.roster)


class Wall:
    """The pulses of all, as they would lie in Redis."""

    def __init__(self) -> None:
        self.pulses: dict[str, tuple[dict[str, Any], float]] = {}
        self.seconds: list[dict[str, Any]] = []
        self.tailed_until = 0.0
        self.keeper = ""
        self.reads = 0
        self.is_away = False


class HeldPulses:
    """The same, in one instance's hands."""

    def __init__(self, clock: MovableClock, wall: Wall, name: str) -> None:
        self.clock, self.wall, self.name = clock, wall, name

    @property
    def is_kept_here(self) -> bool:
        """Whether this one adds up."""
        return self.wall.keeper == self.name and not self.wall.is_away

    async def write(self, pulse: dict[str, Any], *, tails: bool) -> bool:
        """Write down a pulse."""
        if self.wall.is_away:
            raise UnavailableError
        self.wall.keeper = self.wall.keeper or self.name
        now = self.clock.monotonic()
        self.wall.pulses[self.name] = pulse, now
        if tails:
            self.wall.tailed_until = now + SILENT_S
        return now < self.wall.tailed_until

    async def read(self) -> dict[str, tuple[dict[str, Any], float]]:
        """Return all."""
        if self.wall.is_away:
            raise UnavailableError
        self.wall.reads += 1
        now = self.clock.monotonic()
        return {name: (pulse, now - at) for name, (pulse, at) in self.wall.pulses.items() if now - at < FORGOTTEN_S}

    async def keep(self, together: dict[str, Any]) -> None:
        """Add a second."""
        self.wall.seconds.append(together)

    async def history(self) -> list[dict[str, Any]]:
        """Return them."""
        if self.wall.is_away:
            raise UnavailableError
        return self.wall.seconds

    async def end(self) -> None:
        """Be forgotten."""
        self.wall.pulses.pop(self.name)


class Page:
    """Somebody who watches."""

    def __init__(self) -> None:
        self.notices: list[dict[str, Any]] = []

    def send_notice(self, topic: str, framed: bytes) -> None:
        """Take a notice."""
        self.notices.append(json.loads(framed[framed.index(b"{") :])["data"])


class World:
    """Two instances."""

    def __init__(self) -> None:
        self.clock, self.line, self.wall = MovableClock(), Line(), Wall()
        self.a, self.b = (self.roster(name) for name in ("a", "b"))

    def roster(self, name: str) -> Roster:
        """Return that of one instance, which listens."""
        roster = Roster(
            self.clock,
            cast("Fanout", Ear(self.line)),
            cast("Publisher", self.line),
            cast("Pulses", HeldPulses(self.clock, self.wall, name)),
            KEYS,
            name,
        )
        roster.figures = lambda: {"started_at": "2026-01-01T00:00:00.000Z", "connections": 2, "lag_ms": None}
        for channel in (KEYS.control, KEYS.answers(name)):
            self.line.channels.setdefault(channel, []).append(roster)
        return roster

    async def tick(self) -> None:
        """Let both tell of themselves."""
        await self.a.tick()
        await self.b.tick()
        self.clock.move(TICK_S)


@pytest.fixture
async def world() -> World:
    """Two instances."""
    return World()


async def test_each_knows_of_both_and_adds_them_up(world: World) -> None:
    """Figures that add up are added; what nobody has to tell is told as nothing."""
    page = Page()
    world.b.watch(VIEW, page)
    await world.tick()
    await world.tick()
    assert [one["instance"] for one in world.b.instances()] == ["a", "b"]
    together = {
        "connections": 4, "mutations_per_s": 0, "deliveries_per_s": 0, "errors_per_s": 0,
        "lag_ms": None, "confirm_ms": None, "instances": 2,
    }  # fmt: skip
    assert page.notices[-1]["together"] == together
    for roster in (world.a, world.b):
        assert (await roster.history())[-1] == together
    world.b.unwatch(VIEW, page)
    told = len(page.notices)
    await world.tick()
    assert len(page.notices) == told


async def test_one_reads_the_pulses_for_the_history_and_else_only_who_watches(world: World) -> None:
    """However many there are."""
    for name in "cdefgh":
        more = world.roster(name)
        await more.tick()
    assert world.wall.reads == 1
    for _ in range(5):
        await world.tick()
    assert (world.wall.keeper, world.wall.reads, len(world.wall.seconds)) == ("c", 1, 1)
    world.a.watch(VIEW, Page())
    for _ in range(5):
        await world.tick()
    assert world.wall.reads == 6
    assert world.line.said == [], "nothing of it is told to all"


async def test_one_that_falls_silent_is_shown_as_silent_and_then_forgotten(world: World) -> None:
    """And counts no more; one that leaves is gone at once."""
    await world.tick()
    world.clock.move(SILENT_S)
    await world.a.tick()
    silent = {one["instance"]: one["silent_s"] for one in world.a.instances()}
    assert silent == {"a": 0, "b": SILENT_S + TICK_S}
    assert (await world.a.history())[-1]["instances"] == 1
    world.clock.move(FORGOTTEN_S)
    await world.a.tick()
    assert [one["instance"] for one in world.a.instances()] == ["a"]
    await world.b.tick()
    await world.a.look()
    assert len(world.a.instances()) == 2
    await world.b.stop()
    await world.a.look()
    assert [one["instance"] for one in world.a.instances()] == ["a"]


async def test_without_redis_each_knows_itself_and_what_it_knew(world: World) -> None:
    """Whoever was heard of before is silent, and forgotten after a while."""
    page = Page()
    world.b.watch(VIEW, page)
    await world.tick()
    world.wall.is_away = True
    world.clock.move(SILENT_S)
    await world.b.tick()
    assert [(one["instance"], one["silent_s"]) for one in world.b.instances()] == [("a", SILENT_S + TICK_S), ("b", 0)]
    assert page.notices[-1]["together"] == (await world.b.history())[-1]
    world.clock.move(FORGOTTEN_S)
    await world.b.tick()
    assert [one["instance"] for one in world.b.instances()] == ["b"]


async def test_the_tail_is_a_bounded_sample_without_words(world: World) -> None:
    """Told only while somebody watches, by whichever instance, and to those only; how many there were is told, too."""
    for seq in range(5):
        world.b.note_entry(7, seq, FRAME)
    await world.tick()
    page = Page()
    world.a.watch(TAIL, page)
    await world.tick()
    assert world.line.said == []
    for seq in range(SAMPLE + 30):
        world.b.note_entry(7, seq, FRAME)
    world.a.note_entry(8, 1, FRAME)
    await world.b.tick()
    await world.a.tick()
    (data,) = page.notices
    assert (data["count"], len(data["entries"])) == (SAMPLE + 31, SAMPLE + 1)
    assert data["entries"][0] == {
        "user": 7, "seq": 0, "kinds": ["profile.changed", "verdict"], "bytes": len(FRAME), "instance": "b",
    }  # fmt: skip
    world.a.unwatch(TAIL, page)
    assert world.line.channels[KEYS.tailing] == []
    world.clock.move(SILENT_S + 1)
    await world.b.tick()
    said = len(world.line.said)
    world.clock.move(SILENT_S + 1)
    world.b.note_entry(7, 99, FRAME)
    await world.b.tick()
    assert len(world.line.said) == said


async def test_where_somebody_is_connected_is_asked_of_all(world: World) -> None:
    """Whoever is heard of and does not say is named."""
    world.a.connections = lambda user_id: [{"connection": f"here-{user_id}"}]
    world.b.connections = lambda user_id: [{"connection": f"there-{user_id}"}]
    await world.tick()
    found, missing = await world.a.connections_of(7)
    assert [(one["connection"], one["instance"]) for one in found] == [("here-7", "a"), ("there-7", "b")]
    assert missing == []
    assert [one["kind"] for one in world.line.said] == ["where", "there"]
    world.line.channels[KEYS.control].remove(world.b)
    async with asyncio.timeout(45):
        found, missing = await world.a.connections_of(7)
    assert ([one["instance"] for one in found], missing) == (["a"], ["b"])


@pytest.mark.parametrize("message", [b"", b"nonsense", b"[]", b"{}", b'{"instance":"c"}', b'{"instance":"c","kind":1}'])
async def test_what_cannot_be_read_does_no_harm(world: World, message: bytes) -> None:
    """From another version, say."""
    await world.tick()
    await world.a.look()
    world.a.heard(message)
    assert len(world.a.instances()) == 2
