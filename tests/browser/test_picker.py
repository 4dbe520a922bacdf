"""The emoji picker: found while typing, walked by keys, kept in one's own order, brought by people."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Locator, Route, expect

from tests.browser.conftest import Arrive
from tests.browser.in_page import DRAWN
from tests.browser.pictures import picture
from tests.browser.visitor import Visitor
from tests.support.instances import Instance

Rooms = tuple[Instance, Instance]
WIDTHS = (320, 390, 720, 899, 900, 1440, 1920)


async def _open(visitor: Visitor) -> None:
    """Open the picker beside the form in which one says what one does."""
    await visitor.session.get_by_role("button", name="Change what you are doing").click()
    await visitor.session.locator(".emoji-button:visible").click()
    await _is_filled(visitor, "smileys-emotion")


async def _is_filled(visitor: Visitor, section: str) -> None:
    """Wait until all of a section is there; a large one comes in slices."""
    await expect(visitor.page.locator(f".picker-section[data-section={section}]:not([aria-busy])")).to_be_attached()


def _panel(visitor: Visitor) -> Locator:
    return visitor.page.get_by_role("dialog", name="Choose an emoji")


def _search(visitor: Visitor) -> Locator:
    return visitor.page.get_by_role("searchbox", name="Search emoji")


def _cells(visitor: Visitor, section: str) -> Locator:
    return visitor.page.locator(f".picker-section[data-section={section}] .picker-cell")


async def _ids(visitor: Visitor, section: str) -> list[str]:
    return [str(await cell.get_attribute("data-id")) for cell in await _cells(visitor, section).all()]


async def _are(visitor: Visitor, section: str, ids: list[str]) -> None:
    """Wait until a section holds just these, in this order."""
    await expect(_cells(visitor, section)).to_have_count(len(ids))
    for place, one in enumerate(ids):
        await expect(_cells(visitor, section).nth(place)).to_have_attribute("data-id", one)


async def _favor(visitor: Visitor, *names: str) -> None:
    for name in names:
        # By focus: under a mouse that rests the cells move away as the favourites grow.
        await _cells(visitor, "smileys-emotion").and_(visitor.page.get_by_label(name, exact=True)).focus()
        await visitor.page.get_by_role("button", name=f"Keep {name} as a favourite").click()
        await visitor.is_settled()


async def test_found_while_typing_and_a_late_answer_is_dropped(rooms: Rooms, arrive: Arrive) -> None:
    """What is shown answers what stands in the field, though an earlier answer comes after it."""
    visitor = await (await arrive(rooms[0].url)).enter()
    await _open(visitor)
    let_go = asyncio.Event()

    async def late(route: Route) -> None:
        if "q=ca&" in route.request.url:
            await let_go.wait()
        await route.continue_()

    await visitor.page.route("**/api/emojis/search**", late)
    async with visitor.page.expect_request(re.compile("q=ca&")):
        await _search(visitor).press_sequentially("ca")
    await _search(visitor).press_sequentially("ke")
    await expect(_cells(visitor, "found").first).to_have_accessible_name(re.compile("cake"))
    shown = await _ids(visitor, "found")
    let_go.set()
    await visitor.page.evaluate(DRAWN)
    await _are(visitor, "found", shown)
    await _search(visitor).fill("zzzzqqqq")
    await expect(_panel(visitor).get_by_role("status")).to_contain_text("Nothing goes by “zzzzqqqq”")
    await _search(visitor).fill("grining")
    await expect(_cells(visitor, "found").first).to_have_accessible_name("grinning face")
    await _search(visitor).press("Enter")
    await expect(_panel(visitor)).to_be_hidden()
    await expect(visitor.session.locator(".emoji-button:visible")).to_have_accessible_name(
        "Emoji: grinning face. Choose another"
    )


async def test_categories_come_when_they_are_looked_at(rooms: Rooms, arrive: Arrive) -> None:
    """Opening asks for what is near, not for all; going to the last fetches that one, and its room was kept."""
    visitor = await (await arrive(rooms[0].url)).enter()
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url.partition("/api/emojis/categories/")[2]))
    await _open(visitor)
    assert "flags" not in asked
    height = "document.querySelector('[data-section=flags]').offsetHeight > 800"
    assert await visitor.page.evaluate(height)
    await visitor.page.get_by_role("button", name="Flags", exact=True).click()
    await expect(_cells(visitor, "flags")).to_have_count(270)
    assert asked.count("flags") == 1
    await expect(_cells(visitor, "flags").first).to_be_in_viewport()


async def test_a_large_category_comes_in_slices(rooms: Rooms, arrive: Arrive) -> None:
    """Hundreds are not made at one go: in between the browser draws. None is there twice or missing."""
    visitor = await (await arrive(rooms[0].url)).enter()
    await _open(visitor)
    await visitor.page.evaluate(
        """() => {
          window.slices = 0;
          const rows = document.querySelector('[data-section=people-body] .picker-rows');
          new MutationObserver(() => (window.slices += 1)).observe(rows, { childList: true });
        }"""
    )
    await visitor.page.get_by_role("button", name="People & Body").click()
    await expect(_cells(visitor, "people-body")).to_have_count(388)
    ids = await _cells(visitor, "people-body").evaluate_all("(cells) => cells.map((cell) => cell.dataset.id)")
    assert len(set(ids)) == len(ids)
    assert await visitor.page.evaluate("window.slices") > 1


async def test_a_category_that_cannot_be_had_says_so_and_can_be_tried_again(rooms: Rooms, arrive: Arrive) -> None:
    """The rest of the picker goes on. It is the person who asks again, not each scroll."""
    visitor = await (await arrive(rooms[0].url)).enter()
    asked: list[str] = []

    async def fail(route: Route) -> None:
        asked.append(route.request.url)
        await route.abort()

    await visitor.page.route("**/categories/flags", fail)
    await _open(visitor)
    await visitor.page.get_by_role("button", name="Flags", exact=True).click()
    flags = visitor.page.locator("[data-section=flags]")
    await expect(flags.get_by_role("alert")).to_contain_text("could not be fetched")
    for section in ("smileys-emotion", "flags"):
        await visitor.page.locator(f"[data-section={section}]").evaluate("(section) => section.scrollIntoView()")
        await visitor.page.evaluate(DRAWN)
    assert len(asked) == 1
    await visitor.page.unroute("**/categories/flags")
    await flags.get_by_role("button", name="Try again").click()
    await expect(_cells(visitor, "flags")).to_have_count(270)


async def test_walked_by_keys(rooms: Rooms, arrive: Arrive) -> None:
    """Arrows, Home, End, over sections; letters search; Escape first clears and then closes; focus comes back."""
    visitor = await (await arrive(rooms[0].url)).enter()
    await _open(visitor)
    page = visitor.page
    focused = page.locator(".picker-cell:focus")
    first = await _ids(visitor, "smileys-emotion")
    columns = int(str(await page.get_by_role("grid").get_attribute("aria-colcount")))
    await expect(_search(visitor)).to_be_focused()
    await _cells(visitor, "smileys-emotion").first.focus()
    for key, expected in (
        ("ArrowRight", first[1]),
        ("ArrowDown", first[1 + columns]),
        ("Home", first[columns]),
        ("End", first[2 * columns - 1]),
        ("ArrowRight", first[2 * columns]),
        ("ArrowLeft", first[2 * columns - 1]),
        ("ArrowUp", first[columns - 1]),
    ):
        await page.keyboard.press(key)
        await expect(focused, key).to_have_attribute("data-id", expected)
    await expect(page.locator(".picker-cell[tabindex='0']")).to_have_count(1)
    await page.keyboard.press("Control+End")
    await expect(page.locator("[data-section=flags] .picker-cell:focus")).to_have_accessible_name("flag: Wales")
    await page.keyboard.press("Control+Home")
    await page.keyboard.press("ArrowUp")
    await expect(_search(visitor)).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.type("tea")
    await expect(_search(visitor)).to_have_value("tea")
    await expect(_cells(visitor, "found").first).to_be_attached()
    await page.keyboard.press("Escape")
    await expect(_search(visitor)).to_have_value("")
    await expect(_panel(visitor)).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(_panel(visitor)).to_be_hidden()
    await expect(visitor.session.locator(".emoji-button:visible")).to_be_focused()


async def test_a_skin_tone_holds_everywhere(rooms: Rooms, arrive: Arrive) -> None:
    """Chosen once: people wear it in the grid, in the search and on the other device; others stay as they are."""
    visitor = await (await arrive(rooms[0].url)).enter()
    await _open(visitor)
    await visitor.page.get_by_role("button", name="Skin tone").click()
    await visitor.page.get_by_role("radio", name="Dark", exact=True).press("Space")
    await visitor.page.get_by_role("button", name="People & Body").click()
    await expect(_cells(visitor, "people-body").first).to_have_attribute("data-id", "1F44B-1F3FF")
    await _search(visitor).fill("thumbs")
    await expect(_cells(visitor, "found").first).to_have_attribute("data-id", "1F44D-1F3FF")
    await _search(visitor).fill("grinning")
    await expect(_cells(visitor, "found").first).to_have_attribute("data-id", "1F600")
    await visitor.is_settled()
    assert (await visitor.state())["preferences"]["skin_tone"] == "dark"


async def test_favourites_by_button_keys_and_drag_on_both_devices(rooms: Rooms, arrive: Arrive) -> None:
    """Kept, moved, let go of: each shows at once here, and the same on the other device and the server."""
    here = await (await arrive(rooms[0].url)).enter()
    there = await arrive(rooms[1].url, of=here)
    await there.is_live()
    await _open(here)
    await _favor(here, "grinning face", "grinning face with big eyes", "winking face")
    favorites = _cells(here, "favorites")
    await expect(favorites).to_have_count(3)
    await favorites.first.focus()
    await here.page.keyboard.press("Alt+ArrowRight")
    await _are(here, "favorites", ["1F603", "1F600", "1F609"])
    await expect(favorites.nth(1)).to_be_focused()
    # What is pending is drawn anew when it is confirmed; that must not be in the middle of a drag.
    await here.is_settled()
    await favorites.nth(2).drag_to(favorites.first)
    await _are(here, "favorites", ["1F609", "1F603", "1F600"])
    await here.is_settled()
    await favorites.nth(2).focus()
    await here.page.get_by_role("button", name="Move earlier").click()
    await _are(here, "favorites", ["1F609", "1F600", "1F603"])
    await favorites.first.focus()
    await here.page.keyboard.press("Delete")
    order = ["1F600", "1F603"]
    await _are(here, "favorites", order)
    await here.is_settled()
    assert (await here.state())["favorites"] == order
    await _open(there)
    await _are(there, "favorites", order)


async def test_a_move_that_is_refused_slides_back_and_says_why(rooms: Rooms, arrive: Arrive) -> None:
    """Moved offline, let go of elsewhere meanwhile: shown as pending, then as the server has it, with the reason."""
    here = await (await arrive(rooms[0].url)).enter()
    await _open(here)
    await _favor(here, "grinning face", "winking face")
    there = await arrive(rooms[1].url, of=here)
    await there.is_live()
    await _open(there)
    await _are(there, "favorites", ["1F600", "1F609"])
    await there.go_offline()
    await _cells(there, "favorites").nth(1).focus()
    await there.page.keyboard.press("Alt+ArrowLeft")
    await expect(_cells(there, "favorites").first).to_have_attribute("data-id", "1F609")
    await expect(_cells(there, "favorites").first).to_have_attribute("data-note", "saving…")
    await _cells(here, "favorites").nth(1).focus()
    await here.page.keyboard.press("Delete")
    await expect(_cells(here, "favorites")).to_have_count(1)
    await here.is_settled()
    await there.go_online()
    await expect(there.troubles).to_contain_text("not among your favourites any more")
    await _are(there, "favorites", ["1F600"])


async def _hand_in(visitor: Visitor, name: str, content: bytes) -> None:
    file: Any = {"name": "picture.png", "mimeType": "image/png", "buffer": content}
    await visitor.page.get_by_label("A picture").set_input_files(file)
    await visitor.page.get_by_label("What it is called").fill(name)
    await visitor.page.get_by_role("button", name="Hand it in").click()


async def test_brought_reviewed_and_used_by_others(rooms: Rooms, arrive: Arrive) -> None:
    """Handed in, waiting, approved by somebody who keeps order, told, and in everybody's picker."""
    owner = await (await arrive(rooms[0].url)).enter()
    keeper = await (await arrive(rooms[1].url)).enter("Keeping order")
    user = (await keeper.state())["profile"]["id"]
    await asyncio.to_thread(rooms[1].run, "user", "grant", "--user", str(user), "--role", "moderator")
    await _open(owner)
    await owner.page.get_by_role("button", name="Bring your own").click()
    await _hand_in(owner, "no picture", b"GIF89a but not really")
    rows = owner.page.get_by_role("list", name="Emoji you brought").get_by_role("listitem")
    await expect(rows.first).to_have_attribute("data-status", "refused")
    await rows.first.get_by_role("button", name="Delete").click()
    await _hand_in(owner, "orange dot", picture())
    await expect(rows.first).to_contain_text("waiting for review")
    await expect(rows).to_have_count(1)

    await expect(keeper.page.locator("#person-menu .tag")).to_have_text("moderator")
    await keeper.is_live()
    await _open(keeper)
    await keeper.page.get_by_role("button", name="Bring your own").click()
    await keeper.page.get_by_role("button", name="Approve orange dot").click()
    await expect(keeper.page.get_by_role("button", name="Approve orange dot")).to_be_hidden()
    await expect(rows.first).to_contain_text("everybody can use it")
    await keeper.page.get_by_role("dialog", name="Your own emoji").get_by_role("button", name="Close").click()
    await keeper.session.locator(".emoji-button:visible").click()
    await keeper.page.get_by_role("button", name="Brought by people").click()
    await _cells(keeper, "custom").and_(keeper.page.get_by_label("orange dot")).click()
    await keeper.session.get_by_role("button", name="Save").click()
    await expect(keeper.session.locator(".disc img")).to_be_visible()
    name = (await keeper.state())["profile"]["name"]
    await owner.page.keyboard.press("Escape")
    await expect(owner.person(name).locator(".disc img")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_picker_fits_every_screen_and_thumb(rooms: Rooms, arrive: Arrive, scheme: str) -> None:
    """Within the window at every width; on a phone nothing in it is smaller than 44 px."""
    visitor = await (await arrive(rooms[0].url, color_scheme=scheme)).enter()
    small = """() => [...document.querySelectorAll('#emoji-panel button, #emoji-panel input')]
      .filter((one) => one.checkVisibility({contentVisibilityAuto: true})).map((one) => one.getBoundingClientRect())
      .filter(({width, height}) => Math.round(width) < 44 || Math.round(height) < 44)
      .map(({width, height}) => [width, height])"""
    for width in WIDTHS:
        await visitor.resize(width, 700)
        if width < 900:
            await visitor.page.locator(".tab[data-tab=me]").click()
        await _open(visitor)
        box = await _panel(visitor).bounding_box()
        assert box is not None
        assert (box["x"] >= 0, box["x"] + box["width"] <= width, box["y"] + box["height"] <= 700) == (True, True, True)
        if 390 <= width < 900:
            assert await visitor.page.evaluate(small) == []
        await visitor.page.keyboard.press("Escape")
        await visitor.session.get_by_role("button", name="Cancel").click()
