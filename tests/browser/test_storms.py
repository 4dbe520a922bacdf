"""Random weather: offline and on, reloads, crashed tabs, killed servers and browsers, more tabs; nothing shown is lost or doubled.

A change counts from the moment it shows, since it is in the outbox by then; one that the page
was ended over counts if the page shows it when it is back. So at the end the server must hold
exactly those: the version of the session says how many took effect. ``IDLING_STORMS`` sets how
many storms there are, ``IDLING_STORM`` repeats the one with that number.
"""  # noqa: E501 -- one idea, one line

from __future__ import annotations

import os
import random

import pytest
from playwright.async_api import Page, expect

from tests.browser.crash import crash
from tests.browser.in_page import OUTBOX
from tests.browser.own_browser import OwnBrowser
from tests.browser.visitor import Visitor, is_installed
from tests.support.instances import Instance

STORMS = int(os.environ.get("IDLING_STORMS", "2"))
NUMBERS = [int(os.environ["IDLING_STORM"])] if "IDLING_STORM" in os.environ else range(1, STORMS + 1)
STEPS = 12

REWORD = """(words) => {
  document.querySelector('my-session [aria-label="Change what you are doing"]').click();
  const form = [...document.querySelectorAll('my-session form')].find((one) => !one.hidden);
  form.querySelector('input').value = words;
  form.requestSubmit();
}"""


KEPT = f"""async () => {{
  const waiting = Number(document.querySelector('.chip').dataset.waiting ?? 0);
  const kept = await ({OUTBOX})();
  return kept.filter(({{ delivery }}) => ['queued', 'sent', 'in_doubt'].includes(delivery)).length >= waiting;
}}"""


class Storm:
    """One run: what was shown so far, and what is broken at the moment."""

    def __init__(self, number: int, room: Instance, browser: OwnBrowser, visitor: Visitor) -> None:
        self.dice = random.Random(number)
        self.room = room
        self.browser = browser
        self.visitor = visitor
        self.shown = 0
        self.words = "Reading"
        self.is_paused = False
        self.is_offline = False
        self.is_down = False
        self.others: list[Page] = []
        self.log = [f"IDLING_STORM={number} repeats it"]

    async def step(self) -> None:
        """Let something happen."""
        often = [self.reword] * 6 + [self.pause] * 2 + [self.switch] * 3
        ways = [*often, self.reload, self.crash, self.kill, self.tab, self.restart, self.end]
        way = self.dice.choice(ways)
        self.log.append(way.__name__)
        await way()

    async def reword(self) -> None:
        """Say something else, in any tab, and see it."""
        page = self.dice.choice([self.visitor.page, *self.others])
        self.words = f"edit {self.shown}"
        await expect(page.locator("my-session .activity")).to_be_visible()
        await page.evaluate(REWORD, self.words)
        await expect(page.locator("my-session .activity")).to_have_text(self.words)
        self.shown += 1
        await self.is_seen()

    async def pause(self) -> None:
        """Pause or go on."""
        await self.visitor.press("Go on" if self.is_paused else "Pause")
        self.is_paused = not self.is_paused
        self.shown += 1
        await self.is_seen()

    async def is_seen(self) -> None:
        """Wait until all tabs show the latest: what is done next is done knowing it."""
        for page in (self.visitor.page, *self.others):
            await expect(page.locator("my-session .activity")).to_have_text(self.words)
            state = "paused" if self.is_paused else "active"
            await expect(page.locator("my-session")).to_have_attribute("data-state", state)

    async def is_kept(self) -> None:
        """Wait until what waits is on the disk: the page does not wait for a slow one for longer than a second."""
        await self.visitor.page.wait_for_function(KEPT)

    async def switch(self) -> None:
        """Go offline or back."""
        self.is_offline = not self.is_offline
        await self.visitor.context.set_offline(offline=self.is_offline)

    async def reload(self) -> None:
        """Load the page anew, with or without a line."""
        words = await self.begin_to_say()
        await self.visitor.page.reload()
        await self.is_back(words)

    async def crash(self) -> None:
        """Kill the page's process, and open another page."""
        words = await self.begin_to_say()
        await crash(self.visitor.page)
        await self.visitor.come_again()
        await self.is_back(words)

    async def restart(self) -> None:
        """Quit the browser and start it again."""
        words = await self.begin_to_say()
        await self.browser.quit()
        await self.start_browser(words)

    async def end(self) -> None:
        """``kill -9`` the browser and start it again."""
        words = await self.begin_to_say()
        await self.browser.kill()
        await self.start_browser(words)

    async def start_browser(self, words: str | None) -> None:
        """Start the browser over what it kept."""
        self.others.clear()
        await self.visitor.start_browser(self.browser, offline=self.is_offline)
        await self.is_back(words)

    async def begin_to_say(self) -> str | None:
        """Maybe say something at the very moment before the page ends."""
        await self.is_kept()
        if self.dice.random() < 0.5:
            return None
        words = f"edit {self.shown}"
        self.log.append(f"({words}?)")
        await self.visitor.page.evaluate(REWORD, words)
        return words

    async def is_back(self, words: str | None) -> None:
        """Wait for the page; what was said just before its end is there as a whole, or was never said."""
        activity = self.visitor.activity
        await expect(activity).to_be_visible()
        if words is not None and await activity.text_content() == words:
            self.words = words
            self.shown += 1
        await self.is_seen()

    async def kill(self) -> None:
        """``kill -9`` the server, or bring it back."""
        if self.is_down:
            self.room.start()
        else:
            self.room.kill()
        self.is_down = not self.is_down

    async def tab(self) -> None:
        """Open one more tab, or close one."""
        if self.others:
            await self.others.pop().close()
        else:
            page = await self.visitor.context.new_page()
            self.others.append(page)
            await page.goto(self.visitor.base)
            await self.is_seen()

    async def calm(self) -> None:
        """Everything works again, and what waits is done."""
        if self.is_down:
            await self.kill()
        await self.visitor.context.set_offline(offline=False)
        if await self.visitor.chip.text_content() != "live":
            await self.visitor.page.evaluate("dispatchEvent(new Event('online'))")
        for page in (self.visitor.page, *self.others):
            await expect(page.locator(".chip")).to_have_text("live", timeout=60_000)
        await self.visitor.is_settled()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", NUMBERS)
async def test_after_the_storm_the_page_is_the_server(own_room: Instance, own_browser: OwnBrowser, number: int) -> None:
    """Whatever happened: the page, what is kept and the server agree, and each change took effect once."""
    visitor = await (await Visitor.at_home(own_browser, own_room.url)).enter("Reading")
    await is_installed(visitor)
    account = (await visitor.state())["profile"]["id"]
    # Who is signed in, the browser writes down when it likes, at the latest when it is quit.
    await own_browser.quit()
    await visitor.start_browser(own_browser)
    storm = Storm(number, own_room, own_browser, visitor)
    try:
        await storm.is_seen()
        for _ in range(STEPS):
            await storm.step()
        await storm.calm()
        await storm.is_seen()
        await _agree(storm, account)
        await visitor.behaved()
    except BaseException as error:
        error.add_note(str(storm.log))
        raise


async def _agree(storm: Storm, account: int) -> None:
    """Wait until what is kept is what the server has, and that is what was shown."""
    visitor = storm.visitor
    state = await visitor.state()
    session = state["session"]
    assert (session["activity"], session["version"]) == (storm.words, 1 + storm.shown), session
    await visitor.page.wait_for_function(
        """async ([account, version]) => {
          const { IndexedStorage } = await import('/static/js/client/indexed-storage.js');
          const { state, changes } = await new IndexedStorage(indexedDB).load(String(account));
          return changes.length === 0 && state.session?.version === version;
        }""",
        arg=[account, session["version"]],
    )
    kept = await visitor.kept(account)
    assert kept["state"] == state, kept
