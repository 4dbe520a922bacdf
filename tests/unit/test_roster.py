"""The roster without servers: who is silent, what the tail is told of, and who did not answer a question."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import orjson
import pytest

from idling_ws.delivery.publisher import Publisher
from idling_ws.delivery.roster import FORGOTTEN_S, SAMPLE, SILENT_S, TAIL, VIEW, Roster
from idling_ws.store.redis import Keys
from tests.support.clocks import MovableClock

FRAME = orjson.dumps(
    {"type": "entry", "items": [{"kind": "profile.changed", "patch": {"kind": "no kind"}}, {"kind": "verdict"}]}
)


class Line:
    """What instances say to all, kept instead of sent; ``others`` hear it at once."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.others: list[Roster] = []

    def send(self, channel: bytes, message: bytes) -> None:
        """Take a message for all."""
        self.said.append(json.loads(message))
        for other in self.others:
            other.heard(message)


class Page:
    """Somebody who watches."""

    def __init__(self) -> None:
        self.notices: list[dict[str, Any]] = []

    def send_notice(self, topic: str, framed: bytes) -> None:
        """Take a notice."""
        self.notices.append(json.loads(framed[framed.index(b"{") :])["data"])


class World:
    """Two instances on one line."""

    def __init__(self) -> None:
        self.clock = MovableClock()
        self.line = Line()
        self.a, self.b = (Roster(self.clock, cast("Publisher", self.line), Keys("epoch"), name) for name in ("a", "b"))
        for roster in (self.a, self.b):
            roster.figures = lambda: {"started_at": "2026-01-01T00:00:00.000Z", "connections": 2, "lag_ms": None}
        self.line.others = [self.a, self.b]

    def tick(self) -> None:
        """Let both tell of themselves."""
        self.a.tick()
        self.b.tick()


@pytest.fixture
async def world() -> World:
    """Two instances."""
    return World()


async def test_each_knows_of_both_and_adds_them_up(world: World) -> None:
    """Figures that add up are added; what nobody has to tell is told as nothing."""
    page = Page()
    world.a.watch(VIEW, page)
    world.tick()
    world.tick()
    assert [one["instance"] for one in world.b.instances()] == ["a", "b"]
    assert page.notices[-1]["together"] == {
        "connections": 4, "mutations_per_s": 0, "deliveries_per_s": 0, "errors_per_s": 0,
        "lag_ms": None, "confirm_ms": None, "instances": 2,
    }  # fmt: skip
    world.a.unwatch(VIEW, page)
    told = len(page.notices)
    world.tick()
    assert len(page.notices) == told


async def test_one_that_falls_silent_is_shown_as_silent_and_then_forgotten(world: World) -> None:
    """And counts no more; one that leaves is gone at once."""
    world.tick()
    world.clock.move(SILENT_S + 1)
    world.a.tick()
    silent = {one["instance"]: one["silent_s"] for one in world.a.instances()}
    assert silent == {"a": 0, "b": SILENT_S + 1}
    assert world.a.history[-1]["instances"] == 1
    world.clock.move(FORGOTTEN_S)
    world.a.tick()
    assert [one["instance"] for one in world.a.instances()] == ["a"]
    world.b.start()
    world.b.tick()
    await world.b.stop()
    assert [one["instance"] for one in world.a.instances()] == ["a"]


async def test_the_tail_is_a_bounded_sample_without_words(world: World) -> None:
    """Told only while somebody watches, by whichever instance; how many there were is told, too."""
    for seq in range(5):
        world.b.note_entry(7, seq, FRAME)
    world.tick()
    assert "entries" not in str(world.line.said)
    page = Page()
    world.a.watch(TAIL, page)
    world.tick()
    for seq in range(SAMPLE + 30):
        world.b.note_entry(7, seq, FRAME)
    world.b.tick()
    world.a.tick()
    (data,) = page.notices
    assert (data["count"], len(data["entries"])) == (SAMPLE + 30, SAMPLE)
    assert data["entries"][0] == {
        "user": 7, "seq": 0, "kinds": ["profile.changed", "verdict"], "bytes": len(FRAME), "instance": "b",
    }  # fmt: skip
    world.a.unwatch(TAIL, page)
    world.clock.move(SILENT_S + 1)
    world.b.note_entry(7, 99, FRAME)
    world.b.tick()
    assert "entries" not in world.line.said[-1]


async def test_where_somebody_is_connected_is_asked_of_all(world: World) -> None:
    """Whoever is heard of and does not say is named."""
    world.a.connections = lambda user_id: [{"connection": f"here-{user_id}"}]
    world.b.connections = lambda user_id: [{"connection": f"there-{user_id}"}]
    world.tick()
    found, missing = await world.a.connections_of(7)
    assert [(one["connection"], one["instance"]) for one in found] == [("here-7", "a"), ("there-7", "b")]
    assert missing == []
    world.line.others = [world.a]
    async with asyncio.timeout(45):
        found, missing = await world.a.connections_of(7)
    assert ([one["instance"] for one in found], missing) == (["a"], ["b"])


@pytest.mark.parametrize("message", [b"", b"nonsense", b"[]", b"{}", b'{"instance":"c"}', b'{"instance":"c","kind":1}'])
async def test_what_cannot_be_read_does_no_harm(world: World, message: bytes) -> None:
    """From another version, say."""
    world.tick()
    world.a.heard(message)
    assert len(world.a.instances()) == 2
