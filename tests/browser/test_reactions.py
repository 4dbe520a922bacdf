"""Reactions: sent from a card in the room, pending, there or refused; and how they come in."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Arrive
from tests.browser.visitor import Visitor
from tests.support.instances import Instance

Rooms = tuple[Instance, Instance]

# Every reaction that flies, though it is gone a second later.
WATCH_FLIGHTS = """() => {
  window.flights = 0;
  new MutationObserver((changes) => {
    for (const {addedNodes} of changes)
      for (const node of addedNodes) if (node.classList?.contains('flying')) window.flights += 1;
  }).observe(document.querySelector('reaction-flight'), {childList: true});
}"""


async def _two(rooms: Rooms, arrive: Arrive, **options: object) -> tuple[Visitor, Visitor, str]:
    """Somebody who sends and somebody who is sent to, each at an instance; and the other's name."""
    sender = await (await arrive(rooms[0].url, gated=True)).enter("Waving")
    other = await (await arrive(rooms[1].url, **options)).enter("Being waved at")
    name = (await other.state())["profile"]["name"]
    await expect(sender.person(name)).to_be_visible()
    await other.page.evaluate(WATCH_FLIGHTS)
    await other.record(".reaction-note")
    return sender, other, name


async def _react(sender: Visitor, name: str, words: str) -> None:
    await sender.page.get_by_role("button", name=f"React to {name}").click()
    await sender.page.get_by_role("searchbox", name="Search emoji").fill(words)
    await sender.page.locator("[data-section=found] .picker-cell").first.click()


async def test_a_reaction_is_pending_then_there_and_flies_in(rooms: Rooms, arrive: Arrive) -> None:
    """On the card at once, confirmed when the server has it; the other hears who and what."""
    sender, other, name = await _two(rooms, arrive, reduced_motion="no-preference")
    me = (await sender.state())["profile"]["name"]
    assert sender.gate is not None
    sender.gate.holds = True
    await sender.record(".sent-reaction", "data-delivery")
    await _react(sender, name, "waving hand")
    sent = sender.person(name).locator(".sent-reaction")
    await other.has_shown(".reaction-note", me)
    await other.hears(f"{me} sent you wav")
    await other.page.wait_for_function("() => window.flights === 1")
    await expect(sent).to_have_attribute("data-delivery", "in_doubt")
    sender.gate.open()
    shown = await sender.has_shown(".sent-reaction", "confirmed")
    assert shown[-3:] == ["sent", "in_doubt", "confirmed"]
    await sender.is_settled()
    assert len((await other.state())["notifications"]["items"]) == 1
    assert (await sender.state())["recent_emojis"][0] == "1F44B"
    await expect(sent).to_be_hidden()


async def test_a_reaction_to_somebody_who_left_says_so(rooms: Rooms, arrive: Arrive) -> None:
    """Sent without a line while they end: it goes from the card, and the reason is said."""
    sender, other, name = await _two(rooms, arrive)
    await sender.go_offline()
    await sender.page.get_by_role("button", name=f"React to {name}").click()
    await sender.page.locator("[data-section=recent] .picker-cell").first.click()
    await expect(sender.person(name).locator(".sent-reaction")).to_be_visible()
    await other.press("End")
    await other.is_settled()
    await sender.go_online()
    await expect(sender.troubles).to_contain_text("stopped idling in the meantime")
    await expect(sender.person(name)).to_have_count(0)


@pytest.mark.parametrize("by", ["device", "choice"])
async def test_nothing_flies_for_who_wants_it_still(rooms: Rooms, arrive: Arrive, by: str) -> None:
    """The name and the emoji stand there all the same."""
    sender, other, name = await _two(rooms, arrive, reduced_motion="reduce" if by == "device" else "no-preference")
    if by == "choice":
        await other.choose("Preferences")
        await other.page.get_by_role("switch", name="Keep everything still").click()
        await expect(other.page.locator("html")).to_have_attribute("data-motion", "still")
        await other.page.keyboard.press("Escape")
    me = (await sender.state())["profile"]["name"]
    await _react(sender, name, "red heart")
    await other.has_shown(".reaction-note", me)
    assert await other.page.evaluate("window.flights") == 0
