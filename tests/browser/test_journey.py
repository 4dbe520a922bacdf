"""The state machine of a change, as a person walks it: every way that it has is taken on the page, and shows there."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from playwright.async_api import Locator, expect

from tests.browser.conftest import Arrive
from tests.browser.visitor import Visitor
from tests.support.instances import Instance

Rooms = tuple[Instance, Instance]

HOPED = "Idle → UserAction → Validating → Processing → OptimisticUpdate"
UNHOPED = "Idle → UserAction → Validating → Processing"


@dataclass(frozen=True)
class Walk:
    """One change: what it is called on the page, what became of it, and the way that it went."""

    title: str
    ends: str
    way: str


# Together they are the whole table (`static/js/client/journey.js`); the test holds them against it.
CONFIRMED = Walk("Pause", "done", f"{HOPED} → Confirmed → Idle")
REFUSED = Walk("Go by", "not accepted", f"{HOPED} → Rollback → ErrorDisplay → Idle")
UNSHOWN = Walk("Send a reaction", "done", f"{UNHOPED} → DatabaseWrite → CacheUpdate → UIUpdate → Idle")
UNSHOWN_REFUSED = Walk("Send a reaction", "not accepted", f"{UNHOPED} → Error → ErrorDisplay → Idle")
WRONG = Walk("Say", "not accepted", "Idle → UserAction → Validating → Error → ErrorDisplay → Idle")
WALKS = (CONFIRMED, REFUSED, UNSHOWN, UNSHOWN_REFUSED, WRONG)

JOURNEY = """async () => {
  const { JOURNEY } = await import('/static/js/client/journey.js');
  return JOURNEY.map(({ from, to }) => [from, to]);
}"""


async def test_every_transition_is_walked_and_seen(rooms: Rooms, arrive: Arrive) -> None:
    """Confirmed and refused, shown before and not, and what cannot be right: together the whole table."""
    visitor = await (await arrive(rooms[0].url)).enter("Looking around")
    other = await (await arrive(rooms[1].url)).enter("Cooking")
    name = (await other.state())["profile"]["name"]

    # Idle, and a change that is hoped for and comes true.
    assert await visitor.session.get_attribute("data-delivery") is None
    await visitor.press("Pause")
    await expect(visitor.session).to_have_attribute("data-state", "paused")
    await visitor.is_settled()
    await _walked(visitor, CONFIRMED)

    # Hoped for and refused: it slides back, and waits until the person has said that they know.
    before = str(await visitor.page.locator(".person-menu-name").text_content())
    await visitor.choose("Profile")
    await visitor.page.get_by_label("Name").fill(name)
    await visitor.page.get_by_role("button", name="Save").click()
    await expect(visitor.troubles).to_contain_text("Somebody already goes by")
    await expect(visitor.page.locator(".person-menu-name")).to_have_text(before)
    await _is_at(visitor, REFUSED, "ErrorDisplay")
    await _acknowledge(visitor)
    await _walked(visitor, REFUSED)

    # What happens to somebody else is not shown before the server has it.
    await visitor.record(".sent-reaction", "data-delivery")
    await _react(visitor, name)
    await _walked(visitor, UNSHOWN)
    await visitor.has_shown(".sent-reaction", "confirmed")
    await other.hears("sent you")

    # The same to somebody who has left meanwhile: nothing to slide back, and an answer all the same.
    await visitor.go_offline()
    await other.press("End")
    await other.is_settled()
    await _react(visitor, name)
    await visitor.go_online()
    await expect(visitor.troubles).to_have_attribute("data-code", "session_not_active")
    await _is_at(visitor, UNSHOWN_REFUSED, "ErrorDisplay")
    await _acknowledge(visitor)
    await _walked(visitor, UNSHOWN_REFUSED)

    # What cannot be right does not leave the page.
    await visitor.reword("Tea\u0007")
    await expect(visitor.troubles).to_have_attribute("data-code", "invalid_arguments")
    await expect(visitor.activity).to_have_text("Looking around")
    await _is_at(visitor, WRONG, "ErrorDisplay")
    await _acknowledge(visitor)
    await _walked(visitor, WRONG)

    table = {tuple(way) for way in await visitor.page.evaluate(JOURNEY)}
    walked = {step for walk in WALKS for step in pairwise(walk.way.split(" → "))}
    assert table == walked
    assert (await visitor.state())["session"]["version"] == 2


async def _react(visitor: Visitor, name: str) -> None:
    await visitor.person(name).get_by_role("button", name=f"React to {name}").click()
    await visitor.page.get_by_role("dialog").locator(".picker-cell").first.click()


async def _acknowledge(visitor: Visitor) -> None:
    await visitor.troubles.get_by_role("button", name="All right").click()
    await expect(visitor.troubles).to_have_count(0)


def _told(visitor: Visitor, walk: Walk) -> Locator:
    """The latest of the own changes of that title."""
    return visitor.change(walk.title).first


async def _is_at(visitor: Visitor, walk: Walk, phase: str) -> None:
    """Wait until the change stands at ``phase`` of its way, and the page says so."""
    told = _told(visitor, walk)
    await expect(told.locator(".feed-state")).to_have_text(walk.ends)
    until = walk.way[: walk.way.rindex(phase) + len(phase)]
    await expect(told.locator(".feed-way")).to_have_text(until)


async def _walked(visitor: Visitor, walk: Walk) -> None:
    """Wait until the change has gone its whole way, and read it on the page."""
    await _is_at(visitor, walk, "Idle")
    told = _told(visitor, walk)
    await told.locator("summary").click()
    await expect(told.locator(".feed-way")).to_be_visible()
    await told.locator("summary").click()
