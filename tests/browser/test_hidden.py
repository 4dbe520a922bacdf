"""A tab that nobody looks at: its timers are slowed down by the browser for real, and nothing is lost by it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.async_api import Page, WebSocket, expect

from tests.browser.conftest import Arrive
from tests.browser.own_browser import OwnBrowser
from tests.browser.test_tabs import UNANSWERED, second_tab, unanswered
from tests.browser.visitor import Visitor, eventually
from tests.support.instances import Instance, give_own_epoch, running_instances
from tests.support.servers import PostgresServer, RedisServer

Rooms = tuple[Instance, Instance]

HEARTBEAT_S = 1
# A socket that is silent for longer is closed by the server, with 4202.
LIMIT_S = 2 * HEARTBEAT_S + 10
# As after minutes in the background: a timer of a hidden page may run once a minute only.
THROTTLED = "--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/1"


@pytest.fixture
def quick_room(postgres: PostgresServer, redis_server: RedisServer, browser_template: str) -> Iterator[Instance]:
    """An instance that beats every second."""
    url = postgres.create_database(browser_template)
    give_own_epoch(url)
    with running_instances(url, redis_server.url, 1, HEARTBEAT_S=HEARTBEAT_S) as (instance,):
        yield instance
    postgres.drop_database(url)


async def test_a_hidden_tab_keeps_its_line_and_loses_nothing(
    quick_room: Instance, own_browser: OwnBrowser, arrive: Arrive
) -> None:
    """Hidden and slowed down for longer than the server waits: one socket all along. Frozen: back where it was."""
    context = await own_browser.start_bare(THROTTLED)
    page = context.pages[0]
    sockets: list[WebSocket] = []
    heard: list[str] = []

    def opened(socket: WebSocket) -> None:
        sockets.append(socket)
        socket.on("framereceived", lambda text: heard.append(str(text)))

    page.on("websocket", opened)
    await page.goto(quick_room.url)
    visitor = Visitor(context, page, quick_room.url)
    await visitor.enter("Reading")
    front = await context.new_page()
    await front.bring_to_front()
    await page.wait_for_function("() => document.hidden", polling=100)
    other = await arrive(quick_room.url, of=visitor)
    await expect(other.activity).to_have_text("Reading")
    # From here on this one has to last.
    await page.evaluate("window.turns = 0; setInterval(() => { window.turns += 1 }, 50)")
    count, socket = len(sockets), sockets[-1]
    heard.clear()
    while sum(_is_beat(text) for text in heard) * HEARTBEAT_S <= LIMIT_S:
        await socket.wait_for_event("framereceived")
    turns = await page.evaluate("window.turns")
    # Else it would have had twenty in each second.
    assert turns <= 2 * LIMIT_S / HEARTBEAT_S, "the browser has not slowed it down"
    assert (len(sockets), socket.is_closed()) == (count, False)
    await other.reword("Reading on")
    await other.is_settled()
    await page.bring_to_front()
    await expect(visitor.activity).to_have_text("Reading on")
    await visitor.is_live()
    assert len(sockets) == count

    # Frozen, nothing of it runs at all; what was done in it and elsewhere comes together when it thaws.
    await page.evaluate("document.addEventListener('freeze', () => { window.froze = true })")
    await visitor.press("Pause")
    await expect(visitor.session).to_have_attribute("data-state", "paused")
    await front.bring_to_front()
    await _freeze(page, "frozen")
    await other.reword("Reading still")
    await other.is_settled()
    await _freeze(page, "active")
    await page.bring_to_front()
    await expect(visitor.activity).to_have_text("Reading still")
    await visitor.is_live()
    await visitor.is_settled()
    assert await page.evaluate("window.froze")
    state = await other.state()
    assert (state["session"]["status"], state["session"]["version"]) == ("paused", 4)
    assert quick_room.logged("4202") == []


async def test_a_frozen_tab_hands_its_line_over(rooms: Rooms, own_browser: OwnBrowser) -> None:
    """The browser freezes the line's holder: the tab in front has it, given and not taken; thawed, it follows."""
    context = await own_browser.start_bare()
    holder = context.pages[0]
    await holder.goto(rooms[0].url)
    visitor = await Visitor(context, holder, rooms[0].url).enter("Reading")
    tab, sockets = await second_tab(visitor)
    await _freeze(holder, "frozen")
    assert await unanswered(tab, "say lead") <= UNANSWERED + 1
    assert "steal" not in await tab.evaluate("window.told")
    await tab.locator("my-session").get_by_role("button", name="Pause", exact=True).click()
    await eventually(lambda: len(sockets) >= 1)
    await expect(tab.locator(".chip")).to_have_text("live")
    assert len(sockets) == 1
    await _freeze(holder, "active")
    await holder.bring_to_front()
    await expect(visitor.session).to_have_attribute("data-state", "paused")
    await visitor.is_live()
    await visitor.is_settled()
    assert len(sockets) == 1
    assert (await visitor.state())["session"]["version"] == 2


async def _freeze(page: Page, state: str) -> None:
    """Freeze the page as the browser does with a tab that nobody has looked at for long, or thaw it."""
    session = await page.context.new_cdp_session(page)
    await session.send("Page.setWebLifecycleState", {"state": state})


def _is_beat(text: str) -> bool:
    return any(json.loads(line)["type"] == "heartbeat" for line in text.split("\n"))
