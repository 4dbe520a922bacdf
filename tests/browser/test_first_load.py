"""The first load: what it leaves for later comes when it is wanted, and says so when it cannot."""

from __future__ import annotations

from playwright.async_api import Route, expect

from tests.browser.conftest import Arrive
from tests.browser.visitor import is_installed
from tests.support.instances import Instance


async def test_a_part_that_cannot_be_fetched_says_so_and_comes_when_it_can(
    rooms: tuple[Instance, Instance], arrive: Arrive
) -> None:
    """Nothing else stands still meanwhile, and the same button opens it afterwards."""
    visitor = await arrive(rooms[0].url)
    # As in a browser that has none: with it, every part is on the device already.
    await is_installed(visitor)
    await visitor.context.add_init_script("delete Navigator.prototype.serviceWorker")
    await visitor.page.evaluate(
        "navigator.serviceWorker.getRegistration().then((registration) => registration.unregister())"
    )

    async def fail(route: Route) -> None:
        await route.abort()

    await visitor.context.route("**/js/views/profile-sheet.js", fail)
    await visitor.page.reload()
    await visitor.enter()
    await visitor.choose("Profile")
    notice = visitor.page.locator("trouble-list .notice")
    await expect(notice).to_contain_text("could not be fetched just now")
    await visitor.press("Pause")
    await expect(visitor.session).to_have_attribute("data-state", "paused")
    await visitor.context.unroute("**/js/views/profile-sheet.js")
    await visitor.choose("Profile")
    await expect(visitor.page.get_by_role("dialog", name="Profile")).to_be_visible()
