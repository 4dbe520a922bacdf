"""A crowd: hundreds of people in the room, some of whom change all the time, and a page that stays smooth."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.browser.conftest import Arrive
from tests.browser.socket_gate import SocketGate
from tests.browser.visitor import Visitor
from tests.support.instances import Instance

FULL_SIZE = "IDLING_TEST_FULL_SIZE" in os.environ
CROWD = 1000 if FULL_SIZE else 300
# A notice holds the newest; the server sends one a second at most.
NEWEST = 50
CHANGES = 20
COMING, LEAVING = 7, 7
NOTICES = 8
WINDOWS = 3
WINDOW_MS = 1500
# Of the frames that the empty page draws in the same minute.
SMOOTH = 0.6
# Those of whom a card was made, moved, removed or changed since it was asked last, by user.
TOUCHED = """() => {
  const touched = new Set();
  const card = (node) => (node instanceof Element ? node : node.parentElement)?.closest('.person');
  const look = (records) => {
    for (const { target, addedNodes, removedNodes } of records) {
      for (const node of [target, ...addedNodes, ...removedNodes]) if (node && card(node)) touched.add(card(node).dataset.key);
    }
  };
  const observer = new MutationObserver(look);
  observer.observe(document.querySelector('.people'), { subtree: true, childList: true, attributes: true, characterData: true });
  window.touched = () => {
    look(observer.takeRecords());
    const count = touched.size;
    touched.clear();
    return count;
  };
}"""  # noqa: E501 -- JavaScript keeps its own lines
# Goes to somebody's card, however high what lies between turns out to be: it is in a part that ends with a whole row.
IN_ROWS = """(card) => {
  card.scrollIntoView({ block: 'center' });
  return card.checkVisibility({ contentVisibilityAuto: true }) && card.parentElement.childElementCount % 60 === 0;
}"""
FRAMES = """(ms) => new Promise((resolve) => {
  const end = performance.now() + ms;
  let frames = 0;
  const next = () => {
    frames += 1;
    if (performance.now() < end) requestAnimationFrame(next);
    else resolve(frames);
  };
  requestAnimationFrame(next);
})"""


def _member(number: int, version: int = 1) -> dict[str, Any]:
    """Somebody; greater numbers came later."""
    session = {
        "id": f"s{number}",
        "activity": f"Reading page {version}",
        "emoji": ("1F375", "1F4D6", "1F3A7", "1F331")[number % 4],
        "status": "active",
        "started_at": f"2026-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z",
        "paused_s": 0,
        "version": version,
    }
    return {"user": {"id": 10_000_000 + number, "name": f"Quiet Heron {number}"}, "session": session}


def _notice(members: list[dict[str, Any]], count: int = CROWD, **more: Any) -> dict[str, Any]:
    return {"type": "notice", "topic": "lobby", "data": {"count": count, "members": members, **more}}


def _changes() -> Iterator[dict[str, Any]]:
    """Notices of a room in which twenty of the newest change each time; five of them come as others go."""
    newest = [_member(number) for number in range(CROWD - 1, CROWD - 1 - NEWEST, -1)]
    for version in itertools.count(2):
        came = [_member(CROWD + 5 * version + number) for number in range(4, -1, -1)]
        left = [member["user"]["id"] for member in newest[-5:]]
        newest[:] = [*came, *newest[:-5]]
        for place in range(5, CHANGES):
            number = newest[place]["user"]["id"] - 10_000_000
            newest[place] = _member(number, version)
        yield _notice(list(newest), left=left)


class _Room:
    """A room in which people come, leave anywhere, and change their words."""

    def __init__(self, count: int) -> None:
        self.versions = dict.fromkeys(range(count), 1)

    def notice(self) -> dict[str, Any]:
        """Return what the server tells: of twenty changes, and otherwise only of the newest."""
        there = sorted(self.versions)
        step = len(there) // LEAVING
        leaving = [there[place * step + place] for place in range(LEAVING)]
        for number in leaving:
            del self.versions[number]
        self.versions |= {there[-1] + place: 1 for place in range(1, COMING + 1)}
        newest = self.newest()[:NEWEST]
        for number in newest[COMING : COMING + CHANGES - COMING - LEAVING]:
            self.versions[number] += 1
        left = [_member(number)["user"]["id"] for number in leaving]
        return _notice([_member(number, self.versions[number]) for number in newest], len(self.versions), left=left)

    def newest(self) -> list[int]:
        """Return who is here, in the order of the page."""
        return sorted(self.versions, reverse=True)


async def _crowd(own_room: Instance, arrive: Arrive, **options: Any) -> tuple[Visitor, SocketGate, Locator]:
    """Somebody alone in a room; what the server would tell of a crowd, and the cards of those who are there."""
    visitor = await (await arrive(own_room.url, gated=True, **options)).enter()
    assert visitor.gate is not None
    await expect(visitor.page.locator(".count")).to_have_text("1 person idling")
    visitor.gate.mutes = "lobby"
    await visitor.is_settled()
    return visitor, visitor.gate, visitor.page.locator(".person[data-key]:not(.leaving)")


async def test_a_crowd_changes_and_is_shown_as_it_is(own_room: Instance, arrive: Arrive) -> None:
    """Twenty changes at a time among hundreds: the newest stands first, all are there, nobody twice."""
    _, gate, people = await _crowd(own_room, arrive)
    gate.say(_notice([_member(number) for number in range(CROWD - 1, -1, -1)]))
    await expect(people).to_have_count(CROWD + 1)
    for notice in itertools.islice(_changes(), NOTICES):
        gate.say(notice)
        newest = notice["data"]["members"][0]["user"]["name"]
        await expect(people.nth(1)).to_contain_text(newest)
    await expect(people).to_have_count(CROWD + 1)
    names = await people.locator("bdi").all_text_contents()
    assert len(set(names)) == len(names)


@pytest.mark.skipif(not FULL_SIZE, reason="frames in a second are a matter of how busy the machine is: at full size")
async def test_a_thousand_people_are_as_smooth_as_none(own_room: Instance, arrive: Arrive) -> None:
    """Twenty changes a second among a thousand: as many frames as the empty page draws, or nearly."""
    visitor, gate, people = await _crowd(own_room, arrive, reduced_motion="no-preference")
    empty, full = [], []
    for _ in range(WINDOWS):
        empty.append(await _frames(visitor))
        gate.say(_notice([_member(number) for number in range(CROWD - 1, -1, -1)]))
        await expect(people).to_have_count(CROWD + 1)
        async with _changing(gate):
            await expect(people.nth(1)).not_to_contain_text(f"Quiet Heron {CROWD - 1}")
            full.append(await _frames(visitor))
        gate.say(_notice([], 0))
        await expect(people).to_have_count(1)
    assert max(full) >= SMOOTH * max(empty), (full, empty)


async def test_a_notice_touches_few_however_many_there_are(own_room: Instance, arrive: Arrive) -> None:
    """Twenty of a thousand come, go and change: their cards are touched, and some at the edges of what is in sight."""
    visitor, gate, people = await _crowd(own_room, arrive)
    page = visitor.page
    await page.evaluate(TOUCHED)
    room = _Room(1000)
    gate.say(_notice([_member(number) for number in room.newest()], len(room.versions)))
    await expect(people).to_have_count(1001)
    # What is out of sight is known as soon as it has been drawn.
    await visitor.is_settled()
    touched = []
    for _ in range(NOTICES):
        await page.evaluate("window.touched()")
        gate.say(room.notice())
        await expect(people.nth(1)).to_contain_text(f"Quiet Heron {room.newest()[0]}")
        touched.append(await page.evaluate("window.touched()"))
    assert max(touched) <= 2 * CHANGES, touched
    names = await people.locator("bdi").all_text_contents()
    assert names[1:] == [f"Quiet Heron {number}" for number in room.newest()]
    # Who looks at them sees whole rows, also where some have left or come meanwhile.
    for place in (90, 310, 600):
        card = await people.nth(place).element_handle()
        await page.wait_for_function(IN_ROWS, arg=card)
    assert await people.locator("bdi").all_text_contents() == names


@contextlib.asynccontextmanager
async def _changing(gate: SocketGate) -> AsyncIterator[None]:
    """Let that happen once a second."""

    async def change() -> None:
        for notice in _changes():
            gate.say(notice)
            await asyncio.sleep(1)

    task = asyncio.create_task(change())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _frames(visitor: Visitor) -> int:
    return int(await visitor.page.evaluate(FRAMES, WINDOW_MS))


async def test_who_stays_in_a_crowd_is_not_touched(own_room: Instance, arrive: Arrive) -> None:
    """Others come before and go, over the edge of a part too: the same card, with its focus, and nobody twice."""
    visitor, gate, people = await _crowd(own_room, arrive)
    page = visitor.page
    newest = [_member(number) for number in range(199, -1, -1)]
    gate.say(_notice(newest, 200))
    await expect(people).to_have_count(201)
    # The last of the first part of the list.
    button = page.get_by_role("button", name="React to Quiet Heron 141", exact=True)
    await button.focus()
    came = [_member(number) for number in range(209, 199, -1)]
    gate.say(
        _notice(
            [*came, *newest[1:41]],
            205,
            left=[newest[0]["user"]["id"], *(newest[n]["user"]["id"] for n in range(60, 64))],
        )
    )
    await expect(page.get_by_role("button", name="React to Quiet Heron 209", exact=True)).to_be_visible()
    await expect(button).to_be_focused()
    # Who goes over from one part into another may have faded out of the first a moment later.
    await expect(people).to_have_count(206)
    names = await people.locator("bdi").all_text_contents()
    assert len(names) == len(set(names))
