"""A person at a browser: what they do on the page, and what the page must never do meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import re
import warnings
from collections.abc import Callable
from typing import Any, Self

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page, expect
from playwright.async_api import TimeoutError as TooLateError

from tests.browser.in_page import DRAWN, NO_WORKER, NOTICED, OUTBOX, RECORD, WATCH
from tests.browser.own_browser import OwnBrowser
from tests.browser.socket_gate import SocketGate

# Long for two busy cores; nothing here waits that long unless something is wrong.
DEADLINE_MS = 45_000
SOCKET = re.compile(r"/ws$")
expect.set_options(timeout=DEADLINE_MS)

# What nobody wants to wait for at the end of a test, whatever the browser is busy with.
ANSWERS_WITHIN_S = 10.0
CLOSES_WITHIN_S = 20.0


async def eventually(is_so: Callable[[], bool]) -> None:
    """Wait until something is so that events of the browser make true."""
    async with asyncio.timeout(DEADLINE_MS / 1000):
        while not is_so():
            await asyncio.sleep(0.05)


class Visitor:
    """One browser profile with one page in it."""

    def __init__(self, context: BrowserContext, page: Page, base: str) -> None:
        self.context = context
        self.page = page
        self.base = base
        self.gate: SocketGate | None = None
        self.errors: list[str] = []
        self.has_entered = False
        self._watch(context)

    def _watch(self, context: BrowserContext) -> None:
        """Listen to every page there is and will be, also one that is gone when somebody asks."""
        context.set_default_timeout(DEADLINE_MS)
        context.on("weberror", lambda error: self.errors.append(error.error.stack or str(error.error)))
        context.on("console", self._listen)

    def _listen(self, said: ConsoleMessage) -> None:
        # What its policy refused before any script ran only the browser says.
        if "Content Security Policy" in said.text or said.text.startswith(NOTICED):
            self.errors.append(said.text)

    @classmethod
    async def arrive(
        cls,
        browser: Browser,
        base: str,
        *,
        of: Visitor | None = None,
        gated: bool = False,
        worker: bool = False,
        opens: bool = True,
        **options: Any,
    ) -> Self:
        """Open the page at ``base``; ``of`` makes it another device of the same person.

        With ``worker`` there is a service worker. ``options`` are those of ``Browser.new_context``; nothing
        moves unless they say so.
        """
        options.setdefault("reduced_motion", "reduce")
        state: Any = None
        if of is not None:
            state = {"cookies": (await of.context.storage_state())["cookies"], "origins": []}
        context = await browser.new_context(storage_state=state, **options)
        await context.add_init_script(WATCH if worker else WATCH + NO_WORKER)
        visitor = cls(context, await context.new_page(), base)
        if gated:
            visitor.gate = SocketGate()
            await visitor.page.route_web_socket(SOCKET, visitor.gate.serve)
        if opens:
            await visitor.page.goto(base)
        return visitor

    @classmethod
    async def at_home(cls, browser: OwnBrowser, base: str) -> Self:
        """Open the page in a browser that may be quit, killed and started again."""
        context = await browser.start()
        await context.add_init_script(WATCH)
        visitor = cls(context, context.pages[0], base)
        await visitor.page.goto(base)
        return visitor

    async def start_browser(self, browser: OwnBrowser, *, offline: bool = False) -> None:
        """Start the browser again after its end, and open the page in it."""
        self.context = await browser.start()
        await self.context.add_init_script(WATCH)
        await self.context.set_offline(offline=offline)
        self._watch(self.context)
        self.page = self.context.pages[0]
        await self.page.goto(self.base)

    async def come_again(self) -> None:
        """Close the page and open it anew, as after a walk."""
        await self.page.close()
        page = await self.context.new_page()
        self.page = page
        if self.gate is not None:
            await page.route_web_socket(SOCKET, self.gate.serve)
        await page.goto(self.base)

    # -- what they see ---------------------------------------------------------------

    @property
    def session(self) -> Locator:
        """The own session's card."""
        return self.page.locator("my-session")

    @property
    def activity(self) -> Locator:
        """The words of the own session."""
        return self.session.locator(".activity")

    @property
    def chip(self) -> Locator:
        """The connection, in words."""
        return self.page.locator(".chip")

    @property
    def troubles(self) -> Locator:
        """The cards that need an answer."""
        return self.page.locator(".trouble")

    def person(self, name: str) -> Locator:
        """Somebody's card in the room."""
        return self.page.locator(".person", has_text=name)

    def change(self, words: str) -> Locator:
        """One of the own changes in the list at the side."""
        return self.page.locator(".feed-item", has_text=words)

    async def is_live(self) -> None:
        """Wait until the line is up and everything is in."""
        await expect(self.chip).to_have_text("live", timeout=DEADLINE_MS)

    async def is_settled(self) -> None:
        """Wait until nothing at all is pending on the page: of no kind, shown or not, in no tab."""
        # What was just done is counted at once and drawn in the next frame.
        await self.page.evaluate(DRAWN)
        await expect(self.chip).not_to_have_attribute("data-waiting", re.compile("."))

    async def is_saved(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many changes are in the outbox on the disk, and return them."""
        is_so = f"(count) => ({OUTBOX})().then(({{ length }}) => length === count)"
        await self.page.wait_for_function(is_so, arg=count, polling=100)
        saved: list[dict[str, Any]] = await self.page.evaluate(OUTBOX)
        return saved

    async def hears(self, words: str) -> None:
        """Wait until a screen reader has been told so; something else may have been said since."""
        await self.page.wait_for_function("(words) => window.heard.some((text) => text.includes(words))", arg=words)

    async def record(self, selector: str, attribute: str | None = None) -> None:
        """Note from now on what an attribute, or the visible text, of such elements was."""
        await self.page.evaluate(RECORD, [selector, attribute])

    async def has_shown(self, selector: str, words: str) -> list[str]:
        """Wait until a record holds a value with these words; return all of it."""
        is_so = "([selector, words]) => window.recorded[selector].some((value) => value.includes(words))"
        await self.page.wait_for_function(is_so, arg=[selector, words])
        shown: list[str] = await self.page.evaluate("(selector) => window.recorded[selector]", selector)
        return shown

    # -- what they do ----------------------------------------------------------------

    async def enter(self, activity: str = "Reading") -> Self:
        """Come in as a guest who says what they are doing, and wait until it is so."""
        self.has_entered = True
        await self.page.locator("welcome-view input").fill(activity)
        await self.page.keyboard.press("Enter")
        await expect(self.activity).to_have_text(activity)
        await self.is_live()
        await self.is_settled()
        return self

    async def start(self, activity: str) -> None:
        """Start a session in the room."""
        await self.session.locator(".session-form:visible input").fill(activity)
        await self.page.keyboard.press("Enter")
        await expect(self.activity).to_have_text(activity)

    async def press(self, words: str) -> None:
        """Press a button of the own session."""
        await self.session.get_by_role("button", name=words, exact=True).click()

    async def choose(self, words: str) -> None:
        """Choose from the menu of the person in the corner."""
        await self.page.locator(".person-button").click()
        await self.page.locator(".menu-item", has_text=words).click()

    async def reword(self, activity: str) -> None:
        """Say something else."""
        await self.session.get_by_role("button", name="Change what you are doing").click()
        await self.session.locator(".session-form:visible input").fill(activity)
        await self.page.keyboard.press("Enter")

    async def go_offline(self) -> None:
        """Lose the line, and wait until the page has noticed: what is done from now on waits."""
        await self.context.set_offline(offline=True)
        await expect(self.chip).to_have_text(re.compile("^offline"))

    async def go_online(self) -> None:
        """Have the line back."""
        await self.context.set_offline(offline=False)

    async def resize(self, width: int, height: int = 800) -> None:
        """Give the page another size, and let it draw itself anew."""
        await self.page.set_viewport_size({"width": width, "height": height})
        await self.page.wait_for_function("(width) => innerWidth === width", arg=width)
        await self.page.evaluate(DRAWN)

    # -- what the server knows -------------------------------------------------------

    async def ask(self, path: str) -> Any:
        """Return what the server answers this person's browser."""
        response = await self.context.request.get(self.base + path)
        assert response.ok, response.status
        return await response.json()

    async def state(self) -> Any:
        """Return the state as the server has it."""
        return (await self.ask("/api/snapshot"))["state"]

    async def kept(self, account: int) -> Any:
        """Return what this browser keeps: who is signed in, and the state and changes of ``account``."""
        return await self.page.evaluate(
            """async (account) => {
              const { IndexedStorage } = await import('/static/js/client/indexed-storage.js');
              const storage = new IndexedStorage(indexedDB);
              return { account: await storage.account(), ...(await storage.load(String(account))) };
            }""",
            account,
        )

    async def behaved(self) -> None:
        """Raise if a script ran that should not have, the policy was violated, or a page threw."""
        # What it said before it answers has come before the answer. One that is going elsewhere need not answer.
        with contextlib.suppress(Error, TooLateError, TimeoutError):
            await asyncio.wait_for(self.page.evaluate("0"), ANSWERS_WITHIN_S)
        assert self.errors == [], self.errors

    async def leave(self) -> None:
        """Take the person out of the room and close the browser's profile, in any case and soon."""
        try:
            async with asyncio.timeout(CLOSES_WITHIN_S):
                if self.has_entered:
                    with contextlib.suppress(Error):
                        await self.context.request.post(
                            f"{self.base}/api/sessions/end", data={}, headers={"Origin": self.base}
                        )
                await self.context.close()
        except (Error, TimeoutError) as error:
            warnings.warn(f"a profile was left to the browser's end: {error!r}", stacklevel=1)


async def is_installed(visitor: Visitor) -> None:
    """Wait until the service worker has the whole page."""
    await visitor.page.evaluate(
        """async () => {
          await navigator.serviceWorker.ready;
          const { serviceWorker } = navigator;
          if (serviceWorker.controller) return;
          await new Promise((done) => serviceWorker.addEventListener('controllerchange', done, { once: true }));
        }"""
    )
