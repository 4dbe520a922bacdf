"""The first load: what it leaves for later comes when it is wanted, and says so when it cannot."""

from __future__ import annotations

from playwright.async_api import Route, expect

from tests.browser.conftest import Arrive
from tests.support.instances import Instance


async def test_a_part_that_cannot_be_fetched_says_so_and_comes_when_it_can(
    rooms: tuple[Instance, Instance], arrive: Arrive
) -> None:
    """Nothing else stands still meanwhile, and the same button opens it afterwards."""
    # As in a browser without a service worker: with it, every part is on the device already.
    visitor = await arrive(rooms[0].url, opens=False)

    async def fail(route: Route) -> None:
        await route.abort()

    await visitor.context.route("**/js/views/profile-sheet.js", fail)
    await visitor.page.goto(rooms[0].url)
    await visitor.enter()
    await visitor.choose("Profile")
    notice = visitor.page.locator("trouble-list .notice")
    await expect(notice).to_contain_text("could not be fetched just now")
    await visitor.press("Pause")
    await expect(visitor.session).to_have_attribute("data-state", "paused")
    await visitor.context.unroute("**/js/views/profile-sheet.js")
    await visitor.choose("Profile")
    await expect(visitor.page.get_by_role("dialog", name="Profile")).to_be_visible()
