"""Several tabs of one browser: one socket, one outbox, and the line is handed over when its holder goes."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Arrive
from tests.browser.crash import crash
from tests.browser.visitor import DEADLINE_MS, Visitor, eventually
from tests.support.instances import Instance

Rooms = tuple[Instance, Instance]
CONTRACT = Path(__file__).parents[1] / "js" / "support" / "storage-contract.js"


# What this tab asks and says, each word of the line's holder, and each taking away of the lock.
LISTEN = """
  window.told = [];
  const { postMessage } = BroadcastChannel.prototype;
  BroadcastChannel.prototype.postMessage = function (message) {
    window.told.push(`say ${message.kind}`);
    return postMessage.call(this, message);
  };
  const { request } = LockManager.prototype;
  LockManager.prototype.request = function (name, options, run) {
    if (options.steal) window.told.push('steal');
    return request.call(this, name, options, run);
  };
  const answers = ['here', 'whole', 'news'];
  new BroadcastChannel('idling.line').onmessage = ({ data }) => {
    if (answers.includes(data.kind)) window.told.push('heard');
  };
"""
# The product's own deadline: a tab asks twice a second, and this many questions may stay without an answer.
UNANSWERED = 3


async def second_tab(visitor: Visitor) -> tuple[Page, list[str]]:
    """Open one more tab; return it and the addresses of the sockets that it opens."""
    sockets: list[str] = []
    tab = await visitor.context.new_page()
    tab.set_default_timeout(DEADLINE_MS)
    tab.on("websocket", lambda socket: sockets.append(socket.url))
    await tab.add_init_script(LISTEN)
    await tab.goto(visitor.base)
    await expect(tab.locator(".chip")).to_have_text("live")
    return tab, sockets


async def unanswered(tab: Page, until: str) -> int:
    """Return how often the tab had asked in vain when it said or did ``until`` for the first time."""
    await tab.wait_for_function("(until) => window.told.includes(until)", arg=until)
    told: list[str] = await tab.evaluate("window.told")
    before = told[: told.index(until)]
    heard = max(index for index, word in enumerate(before) if word == "heard")
    return before[heard:].count("say ask")


async def test_two_tabs_have_one_socket_and_show_the_same(rooms: Rooms, arrive: Arrive) -> None:
    """What is done in either shows in both; the second never opens a socket of its own."""
    visitor = await (await arrive(rooms[0].url)).enter("Reading")
    tab, sockets = await second_tab(visitor)
    await expect(tab.locator("my-session .activity")).to_have_text("Reading")
    await tab.locator("my-session").get_by_role("button", name="Pause", exact=True).click()
    await expect(visitor.session).to_have_attribute("data-state", "paused")
    await visitor.reword("Reading on")
    await expect(tab.locator("my-session .activity")).to_have_text("Reading on")
    await visitor.is_settled()
    assert sockets == []
    state = await visitor.state()
    assert (state["session"]["status"], state["session"]["version"]) == ("paused", 3)


@pytest.mark.parametrize("how", ["closed", "crashed"])
async def test_the_line_is_handed_over(rooms: Rooms, arrive: Arrive, how: str) -> None:
    """Whatever ends its holder: the browser hands the line on; what was under way is asked again and happens once."""
    visitor = await (await arrive(rooms[0].url, gated=True)).enter("Reading")
    assert visitor.gate is not None
    tab, sockets = await second_tab(visitor)
    visitor.gate.holds = True
    await visitor.press("Pause")
    await expect(tab.locator("my-session")).to_have_attribute("data-state", "paused")
    await expect(tab.locator("my-session")).to_have_attribute("data-delivery", re.compile("sent|in_doubt"))
    holder, visitor.page = visitor.page, tab
    if how == "crashed":
        await crash(holder)
    await holder.close()
    # Given and not taken away, so before the tab had asked in vain for two seconds.
    assert await unanswered(tab, "say lead") <= UNANSWERED + 1
    assert "steal" not in await tab.evaluate("window.told")
    await visitor.is_settled()
    await visitor.is_live()
    await eventually(lambda: len(sockets) >= 1)
    assert len(sockets) == 1
    assert (await visitor.state())["session"]["version"] == 2


async def test_a_tab_that_hangs_loses_the_line_to_one_that_moves(rooms: Rooms, arrive: Arrive) -> None:
    """Stopped like a tab in a debugger: the other takes over after three questions in vain; let go, it follows."""
    visitor = await (await arrive(rooms[0].url)).enter("Reading")
    tab, sockets = await second_tab(visitor)
    debugger = await visitor.context.new_cdp_session(visitor.page)
    await debugger.send("Debugger.enable")
    await debugger.send("Debugger.pause")
    # Stops at the next statement that it runs, and with it everything that this page does.
    stopped = asyncio.Event()
    debugger.on("Debugger.paused", lambda _: stopped.set())
    await asyncio.wait_for(stopped.wait(), DEADLINE_MS / 1000)
    await tab.locator("my-session").get_by_role("button", name="Pause", exact=True).click()
    assert UNANSWERED <= await unanswered(tab, "steal") <= UNANSWERED + 1
    await eventually(lambda: len(sockets) >= 1)
    await expect(tab.locator(".chip")).not_to_have_attribute("data-waiting", re.compile("."))
    await debugger.send("Debugger.disable")
    await expect(visitor.session).to_have_attribute("data-state", "paused")
    await visitor.is_live()
    await visitor.is_settled()
    assert len(sockets) == 1
    assert (await visitor.state())["session"]["version"] == 2


async def test_who_signs_out_in_one_tab_is_out_in_the_other(rooms: Rooms, arrive: Arrive) -> None:
    """Both are at the door; who comes in next is in with both."""
    visitor = await (await arrive(rooms[0].url)).enter("Reading")
    tab, _ = await second_tab(visitor)
    await visitor.choose("Sign out")
    async with visitor.page.expect_event("load"), tab.expect_event("load"):
        await visitor.page.get_by_role("button", name="Sign out anyway").click()
    await expect(visitor.page.locator("welcome-view input")).to_be_visible()
    await expect(tab.locator("welcome-view input")).to_be_visible()
    await visitor.enter("Cooking soup")
    await expect(tab.locator("my-session .activity")).to_have_text("Cooking soup")
    name = (await visitor.state())["profile"]["name"]
    await expect(tab.locator(".person-menu-name")).to_have_text(name)


async def test_what_is_kept_is_kept_as_the_contract_says(rooms: Rooms, arrive: Arrive) -> None:
    """The same checks as the storage in memory passes, over IndexedDB."""
    visitor = await arrive(rooms[0].url)
    await visitor.page.route("**/storage-contract.js", lambda route: route.fulfill(path=CONTRACT))
    await visitor.page.evaluate(
        """async () => {
          const { checkStorage } = await import('/storage-contract.js');
          const { IndexedStorage } = await import('/static/js/client/indexed-storage.js');
          await checkStorage(() => new IndexedStorage(indexedDB, 'contract'));
        }"""
    )


async def test_where_nothing_may_be_kept_it_works_and_says_so(rooms: Rooms, arrive: Arrive) -> None:
    """Storage denied: everything goes on in memory."""
    visitor = await arrive(rooms[0].url)
    await visitor.context.add_init_script(
        "Object.defineProperty(window, 'indexedDB', { get() { throw new DOMException('no', 'SecurityError') } })"
    )
    await visitor.page.reload()
    await visitor.enter("Reading")
    await expect(visitor.page.get_by_text("does not let us keep anything")).to_be_visible()
    await visitor.press("Pause")
    await visitor.is_settled()
    assert (await visitor.state())["session"]["status"] == "paused"


async def test_what_is_broken_beyond_use_is_begun_anew(rooms: Rooms, arrive: Arrive) -> None:
    """A database that lacks what it should hold, or of a later version: used if it can be, else made anew."""
    visitor = await arrive(rooms[0].url)
    await visitor.page.evaluate(
        """async () => {
          const { IndexedStorage } = await import('/static/js/client/indexed-storage.js');
          const open = (name, version, stores) => new Promise((resolve, reject) => {
            const request = indexedDB.open(name, version);
            request.onupgradeneeded = () => stores.forEach((store) => request.result.createObjectStore(store));
            request.onsuccess = () => resolve(request.result.close());
            request.onerror = () => reject(request.error);
          });
          await open('hollow', 1, []);
          const hollow = new IndexedStorage(indexedDB, 'hollow');
          await hollow.setAccount('1');
          if ((await hollow.account()) !== '1') throw new Error('not begun anew');
          const first = new IndexedStorage(indexedDB, 'later');
          await first.setAccount('7');
          await open('later', 5, ['more']);
          if ((await new IndexedStorage(indexedDB, 'later').account()) !== '7') throw new Error('not kept');
        }"""
    )
