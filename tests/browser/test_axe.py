"""axe looks at every view, with all that can be open over it: nothing serious, in light and dark, on phones and desktops.

Each half of the views' four looks is tried; ``IDLING_EVERY_LOOK`` tries all four.
"""  # noqa: E501 -- one idea, one line

from __future__ import annotations

import os
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Arrive
from tests.browser.test_inspector import enter_inspector
from tests.browser.visitor import Visitor
from tests.support.instances import Instance
from tests.support.scenes import LATER, set_scene

Rooms = tuple[Instance, Instance]

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
LOOKS = {
    "light-phone": PHONE | {"color_scheme": "light"},
    "dark-desktop": DESKTOP | {"color_scheme": "dark"},
    "dark-phone": PHONE | {"color_scheme": "dark"},
    "light-desktop": DESKTOP | {"color_scheme": "light"},
}
TRIED = list(LOOKS) if "IDLING_EVERY_LOOK" in os.environ else list(LOOKS)[:2]

LOOK = """async () => {
  const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
  return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)} ${failureSummary}`));
}"""  # noqa: E501 -- JavaScript keeps its own lines


class Inspection:
    """What axe has found so far, by what was looked at."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.found: dict[str, list[str]] = {}
        self.looked_at: list[str] = []

    async def look(self, what: str) -> None:
        """Look at the page as it is."""
        found = await self.visitor.page.evaluate(LOOK)
        self.looked_at.append(what)
        if found:
            self.found[what] = found

    async def close(self) -> None:
        """Close what is open over the page."""
        await self.visitor.page.keyboard.press("Escape")
        await expect(self.visitor.page.locator("dialog[open], :popover-open")).to_have_count(0)


@pytest.mark.parametrize("look", TRIED)
async def test_axe_finds_nothing_serious(rooms: Rooms, arrive: Arrive, axe: str, look: str) -> None:
    """The door, the room, each tab and sheet, the picker, the menus, errors and the account page."""
    other = await (await arrive(rooms[1].url)).enter("Cooking soup")
    name = (await other.state())["profile"]["name"]
    visitor = await arrive(rooms[0].url, opens=False, **LOOKS[look])
    await visitor.context.add_init_script(axe)
    await visitor.page.goto(rooms[0].url)
    inspection = Inspection(visitor)
    is_phone = look.endswith("phone")
    page = visitor.page

    await expect(page.locator("welcome-view input")).to_be_visible()
    await inspection.look("the door")
    await page.locator("welcome-view .emoji-button").click()
    await expect(page.locator("[data-section=smileys-emotion] .picker-cell").first).to_be_attached()
    await inspection.look("the picker at the door")
    await inspection.close()
    await page.locator("welcome-view input").fill(" ")
    await page.keyboard.press("Enter")
    await expect(page.locator("welcome-view .problem:visible")).to_have_count(1)
    await inspection.look("an error at the door")

    await visitor.enter("Reading")
    await expect(visitor.person(name)).to_be_visible()
    scene = await set_scene(rooms[0].url, rooms[0].settings["DATABASE_URL"], "admin")
    told = {"title": "The kettle is on", "body": "In the kitchen.", "level": "warning", "expires_at": LATER}
    await scene.did("announcement.publish", told)
    await scene.did("reaction.send", {"session": (await visitor.state())["session"]["id"], "emoji": "1F375"})
    await expect(page.locator(".announcement", has_text="The kettle is on").first).to_be_attached()
    await expect(page.locator(".notification[data-unread]")).to_be_attached()
    await inspection.look("the room")
    await visitor.person(name).get_by_role("button", name=f"React to {name}").click()
    await expect(page.get_by_role("dialog").locator(".picker-cell").first).to_be_attached()
    await inspection.look("a reaction being chosen")
    await page.get_by_role("dialog").locator(".picker-cell").first.click()
    await visitor.chip.click()
    await inspection.look("the line explained")
    await inspection.close()
    await page.locator(".person-button").click()
    await inspection.look("the menu")
    await inspection.close()

    await visitor.choose("Profile")
    await inspection.look("the profile")
    await page.get_by_label("Name").fill("A")
    await inspection.look("an error in the profile")
    await page.get_by_label("Name").fill(name)
    await page.get_by_role("button", name="Save").click()
    await expect(visitor.troubles).to_have_count(1)
    await inspection.look("a refusal")
    for words in ("Preferences", "Sign out"):
        await visitor.choose(words)
        await expect(page.locator("dialog[open]")).to_have_count(1)
        await inspection.look(words)
        await inspection.close()

    if is_phone:
        await page.locator(".tab[data-tab=bell]").click()
        await inspection.look("the bell")
        await page.locator(".tab[data-tab=me]").click()
        await inspection.look("me")
    await visitor.session.get_by_role("button", name="Change what you are doing").click()
    await visitor.session.locator(".session-form:visible input").fill("")
    await page.keyboard.press("Enter")
    await expect(visitor.session.locator(".problem:visible")).to_have_count(1)
    await inspection.look("an error in the own session")
    await visitor.session.locator(".emoji-button:visible").click()
    await expect(page.locator("[data-section=smileys-emotion] .picker-cell").first).to_be_attached()
    await page.get_by_role("searchbox", name="Search emoji").fill("zzzzqqqq")
    await expect(page.get_by_role("dialog").get_by_role("status")).to_contain_text("Nothing goes by")
    await inspection.look("nothing found in the picker")
    await page.get_by_role("searchbox", name="Search emoji").fill("")
    await page.get_by_role("button", name="Bring your own").click()
    await page.get_by_role("button", name="Hand it in").click()
    await expect(page.get_by_role("dialog", name="Your own emoji").get_by_role("alert")).to_be_visible()
    await inspection.look("an error in what one brings")
    await inspection.close()
    await visitor.session.get_by_role("button", name="Cancel").click()

    await visitor.go_offline()
    await visitor.press("Pause")
    await expect(visitor.chip).to_have_text("offline, 1 change waiting")
    await inspection.look("offline, with a change that waits")
    await visitor.go_online()
    await visitor.is_live()
    await visitor.is_settled()
    await visitor.press("End")
    await expect(visitor.session).to_have_attribute("data-state", "none")
    await inspection.look("no session of one's own")
    await visitor.choose("Account")
    await expect(page.locator("device-list li.row")).to_have_count(1)
    await inspection.look("the account page")
    assert not inspection.found, inspection.found
    assert len(inspection.looked_at) == (20 if is_phone else 18)


@pytest.mark.parametrize("look", TRIED)
async def test_axe_finds_nothing_serious_in_the_inspector(rooms: Rooms, arrive: Arrive, axe: str, look: str) -> None:
    """Its frames, opened and paused, its form for each kind of field, a verdict, a trial, and without a line."""
    visitor = await arrive(rooms[0].url, opens=False, **LOOKS[look])
    await visitor.context.add_init_script(axe)
    await enter_inspector(visitor)
    inspection = Inspection(visitor)
    page = visitor.page
    await expect(page.get_by_label("Mutation", exact=True).locator("option")).not_to_have_count(0)
    await page.locator(".frame summary").first.click()
    await expect(page.locator(".frame details[open] pre")).to_be_visible()
    await page.get_by_role("button", name="Pause").click()
    await inspection.look("a frame")
    await page.get_by_label("Mutation", exact=True).select_option("session.start")
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.locator(".verdict")).to_be_visible()
    await inspection.look("a verdict")
    for mutation in ("preferences.set", "favorite.move", "notification.read"):
        await page.get_by_label("Mutation", exact=True).select_option(mutation)
        await inspection.look(mutation)
    card = page.locator('[data-trial="duplicate"]')
    await card.get_by_role("button", name="Try it").click()
    await expect(card.locator('[data-kept="yes"]')).to_be_visible()
    await inspection.look("a trial")
    await page.get_by_role("button", name="Go offline").click()
    await expect(page.get_by_role("button", name="Go online")).to_be_visible()
    await inspection.look("without a line")
    assert not inspection.found, inspection.found
