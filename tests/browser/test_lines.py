"""Bad lines: offline and back, reloads with a full outbox, a killed instance, and transports that are not there."""

from __future__ import annotations

import re

from playwright.async_api import Route, expect

from tests.browser.conftest import Arrive
from tests.support.instances import Instance

Rooms = tuple[Instance, Instance]


async def test_offline_by_the_browsers_switch_and_back(rooms: Rooms, arrive: Arrive) -> None:
    """Said at once, in words, with how much waits; back on, everything goes out in order and once."""
    visitor = await (await arrive(rooms[0].url)).enter("Reading")
    await visitor.go_offline()
    await visitor.press("End")
    await visitor.start("Cooking soup")
    await visitor.press("Pause")
    await expect(visitor.chip).to_have_text("offline, 3 changes waiting")
    await expect(visitor.session.locator(".pending-note")).to_have_text("saved here, sent when the line is back")
    await expect(visitor.change("Pause").locator(".feed-state")).to_have_text("waiting for the line")
    await visitor.go_online()
    await visitor.is_live()
    await visitor.is_settled()
    sessions = (await visitor.ask("/api/sessions"))["sessions"]
    assert [(one["activity"], one["status"]) for one in sessions] == [("Cooking soup", "paused"), ("Reading", "ended")]


async def test_a_change_that_never_left_can_be_taken_back(rooms: Rooms, arrive: Arrive) -> None:
    """Undone before it was sent, it is as if it had not been."""
    visitor = await (await arrive(rooms[0].url)).enter("Reading")
    await visitor.go_offline()
    await visitor.press("Pause")
    await visitor.change("Pause").get_by_role("button", name="Take back").click()
    await expect(visitor.session).to_have_attribute("data-state", "active")
    await expect(visitor.change("Pause")).to_have_count(0)
    await visitor.go_online()
    await visitor.is_live()
    assert (await visitor.state())["session"]["version"] == 1


async def test_the_queue_outlives_the_page(rooms: Rooms, arrive: Arrive) -> None:
    """The page is closed offline with changes waiting; opened again it sends them."""
    visitor = await (await arrive(rooms[0].url)).enter("Reading")
    await visitor.go_offline()
    await visitor.press("End")
    await visitor.start("Cooking soup")
    await expect(visitor.chip).to_have_text("offline, 2 changes waiting")
    await visitor.is_saved(2)
    await visitor.page.close()
    await visitor.go_online()
    visitor.page = await visitor.context.new_page()
    await visitor.page.goto(rooms[1].url)
    # Storage belongs to an origin: the other instance's page knows nothing, this one's does.
    await visitor.page.goto(rooms[0].url)
    await expect(visitor.activity).to_have_text("Cooking soup")
    await visitor.is_live()
    await visitor.is_settled()
    assert (await visitor.state())["session"]["activity"] == "Cooking soup"


async def test_a_reload_in_doubt_asks_again_and_nothing_happens_twice(rooms: Rooms, arrive: Arrive) -> None:
    """Sent, the answer lost with the page: the next page asks under the same id."""
    visitor = await (await arrive(rooms[0].url, gated=True)).enter("Reading")
    assert visitor.gate is not None
    visitor.gate.holds = True
    await visitor.reword("Reading on")
    await expect(visitor.session).to_have_attribute("data-delivery", re.compile("sent|in_doubt"))
    await visitor.page.reload()
    await expect(visitor.activity).to_have_text("Reading on")
    visitor.gate.open()
    await visitor.is_live()
    await visitor.is_settled()
    assert (await visitor.state())["session"]["version"] == 2


async def test_a_killed_instance_is_waited_for_and_nothing_is_lost(own_room: Instance, arrive: Arrive) -> None:
    """``kill -9`` under the page's feet: it says so, keeps what is done, and sends it when the server is back."""
    visitor = await (await arrive(own_room.url)).enter("Reading")
    own_room.kill()
    await expect(visitor.chip).not_to_have_text("live")
    await visitor.press("Pause")
    await visitor.reword("Reading on")
    await expect(visitor.session).to_have_attribute("data-delivery", re.compile("queued|in_doubt"))
    own_room.start()
    await visitor.is_live()
    await visitor.is_settled()
    session = (await visitor.state())["session"]
    assert (session["status"], session["activity"], session["version"]) == ("paused", "Reading on", 3)


async def test_without_a_socket_it_goes_on_over_events_and_climbs_back(rooms: Rooms, arrive: Arrive) -> None:
    """No WebSocket gets through: limited, and everything works; once one does, live again by itself or at once."""
    here = await (await arrive(rooms[0].url)).enter("Reading")
    there = await arrive(rooms[1].url, of=here, gated=True)
    assert there.gate is not None
    await there.is_live()
    there.gate.refuses = True
    await there.page.reload()
    await expect(there.chip).to_have_text("limited")
    await there.press("Pause")
    await expect(here.session).to_have_attribute("data-state", "paused")
    await there.is_settled()
    await here.reword("Reading on")
    await expect(there.activity).to_have_text("Reading on")
    await there.chip.click()
    try_now = there.page.get_by_role("button", name="Try now", include_hidden=True)
    await expect(try_now).to_be_attached()
    there.gate.refuses = False
    # By its own event: it may be up again by itself before the button is reached.
    await try_now.dispatch_event("click")
    await there.is_live()


async def test_without_socket_and_events_it_asks_every_few_seconds(rooms: Rooms, arrive: Arrive) -> None:
    """Somebody in between swallows the event stream too: the poll carries it all."""
    here = await (await arrive(rooms[0].url)).enter("Reading")
    there = await arrive(rooms[1].url, of=here, gated=True)
    assert there.gate is not None
    await there.is_live()
    there.gate.refuses = True

    async def swallow(route: Route) -> None:
        if route.request.headers.get("accept") == "text/event-stream":
            await route.fulfill(status=502, body="")
        else:
            await route.fallback()

    await there.page.route("**/api/events*", swallow)
    async with there.page.expect_request(re.compile("wait_s=")):
        await there.page.reload()
    await expect(there.chip).to_have_text("limited")
    await here.reword("Reading on")
    await expect(there.activity).to_have_text("Reading on")
    await there.press("Pause")
    await expect(here.session).to_have_attribute("data-state", "paused")
