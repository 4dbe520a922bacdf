"""Reach: by keyboard alone, on narrow and wide screens, and with motion switched off."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Arrive
from tests.support.instances import Instance

Rooms = tuple[Instance, Instance]

WIDTHS = [320, 390, 720, 899, 900, 1024, 1180, 1440, 1920]


async def _is_within(page: Page) -> None:
    overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{overflow} px wider than the screen"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_is_wider_than_the_screen(rooms: Rooms, arrive: Arrive, scheme: str) -> None:
    """From 320 to 1920 px, with words as long as they may be; each tab, the door, and the sheets."""
    visitor = await arrive(rooms[0].url, color_scheme=scheme)
    for width in WIDTHS:
        await visitor.resize(width)
        await _is_within(visitor.page)
    await visitor.resize(1440, 900)
    await visitor.enter("W" * 80)
    for width in WIDTHS:
        await visitor.resize(width)
        for tab in ("me", "bell", "room") if width < 900 else ():
            await visitor.page.locator(f".tab[data-tab={tab}]").click()
            await _is_within(visitor.page)
        await visitor.page.locator(".chip").click()
        await _is_within(visitor.page)
        await visitor.page.keyboard.press("Escape")


async def test_everything_can_be_done_by_keyboard(rooms: Rooms, arrive: Arrive) -> None:
    """From the door through a session and a sheet, without a mouse; the focus is always somewhere visible."""
    visitor = await arrive(rooms[0].url)
    page = visitor.page
    await expect(page.locator("welcome-view input")).to_be_focused()
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("searchbox", name="Search emoji")).to_be_focused()
    await expect(page.locator("[data-section=smileys-emotion] .picker-cell").first).to_be_attached()
    for key in ("ArrowDown", "ArrowRight", "ArrowDown"):
        await page.keyboard.press(key)
    await expect(page.locator("[data-section=smileys-emotion] .picker-cell:focus")).to_have_count(1)
    chosen = await page.evaluate("document.activeElement.dataset.id")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.type("Reading by keyboard")
    await page.keyboard.press("Enter")
    await expect(visitor.activity).to_have_text("Reading by keyboard")
    await visitor.is_live()
    await visitor.is_settled()
    assert (await visitor.state())["session"]["emoji"] == chosen
    await page.keyboard.press("Home")
    await visitor.session.get_by_role("button", name="Pause").focus()
    await page.keyboard.press("Space")
    await expect(visitor.session).to_have_attribute("data-state", "paused")
    await page.locator(".person-button").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Name")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_label("Name")).to_be_hidden()


async def test_targets_are_large_enough_for_thumbs(rooms: Rooms, arrive: Arrive) -> None:
    """44 px at least, for everything that can be pressed on a phone."""
    visitor = await arrive(rooms[0].url, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    small = """() => [...document.querySelectorAll('button, input, a[href]')]
      .filter((one) => one.checkVisibility({visibilityProperty: true}) && !one.classList.contains('skip'))
      .map((one) => [one.className, Math.round(one.getBoundingClientRect().width), Math.round(one.getBoundingClientRect().height)])
      .filter(([, width, height]) => width < 44 || height < 44)"""  # noqa: E501 -- JavaScript keeps its own lines
    assert await visitor.page.evaluate(small) == []
    await visitor.enter()
    for tab in ("me", "bell", "room"):
        await visitor.page.locator(f".tab[data-tab={tab}]").click()
        assert await visitor.page.evaluate(small) == []


@pytest.mark.parametrize("by", ["device", "choice"])
async def test_nothing_moves_for_who_does_not_want_it(rooms: Rooms, arrive: Arrive, by: str) -> None:
    """Neither by the device's setting nor by the preference is anything animated."""
    visitor = await arrive(rooms[0].url, reduced_motion="reduce" if by == "device" else "no-preference")
    await visitor.enter()
    if by == "choice":
        await visitor.choose("Preferences")
        await visitor.page.get_by_role("switch", name="Keep everything still").click()
        await expect(visitor.page.locator("html")).to_have_attribute("data-motion", "still")
        await visitor.page.keyboard.press("Escape")
    running = """() => document.getAnimations().filter((one) => one instanceof CSSAnimation)
      .map((one) => one.animationName)"""
    assert await visitor.page.evaluate(running) == []


async def test_a_screen_reader_hears_what_counts(rooms: Rooms, arrive: Arrive) -> None:
    """The line by name, the clock as a timer, refusals as alerts, lists with their names."""
    visitor = await (await arrive(rooms[0].url)).enter()
    page = visitor.page
    await expect(page.get_by_role("button", name="Connection: live")).to_be_visible()
    await expect(page.get_by_role("timer")).to_have_attribute("aria-label", re.compile("Idling for"))
    await expect(page.get_by_role("list", name="The room")).to_be_visible()
    await visitor.go_offline()
    await visitor.hears("Connection: offline")
    await visitor.go_online()
    await visitor.hears("Connection: live")
