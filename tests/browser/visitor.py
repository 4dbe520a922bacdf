"""A person at a browser: what they do on the page, and what the page must never do meanwhile."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page, WebSocketRoute, expect

from tests.browser.own_browser import OwnBrowser

# Long for two busy cores; nothing here waits that long unless something is wrong.
DEADLINE_MS = 45_000
SOCKET = re.compile(r"/ws$")
expect.set_options(timeout=DEADLINE_MS)

# Before any script of the page: what the content security policy refused, and anything that ran but should not have.
WATCH = """
  window.violations = [];
  window.ran = [];
  addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  window.alert = window.confirm = window.prompt = (text) => window.ran.push(String(text));
"""  # noqa: E501 -- JavaScript keeps its own lines


@dataclass
class SocketGate:
    """Stands between a page and its sockets: may refuse them, hold back what the server says, or let it come late."""

    refuses: bool = False
    holds: bool = False
    delay_s: float = 0.0
    opened: int = 0
    held: list[tuple[WebSocketRoute, str | bytes]] = field(default_factory=list)
    newest: WebSocketRoute | None = None

    async def serve(self, route: WebSocketRoute) -> None:
        """Take a socket that the page opens."""
        if self.refuses:
            await route.close(code=1011)
            return
        self.opened += 1
        self.newest = route
        server = route.connect_to_server()
        server.on_message(lambda message: self._pass(route, message))
        route.on_message(server.send)

    def _pass(self, route: WebSocketRoute, message: str | bytes) -> None:
        if self.holds:
            self.held.append((route, message))
        else:
            asyncio.get_running_loop().call_later(self.delay_s, route.send, message)

    def say(self, frame: Mapping[str, Any]) -> None:
        """Tell the page something in the server's place."""
        assert self.newest is not None
        self.newest.send(json.dumps(frame))

    def open(self) -> None:
        """Let pass what was held, and everything after it."""
        self.holds = False
        held, self.held = self.held, []
        for route, message in held:
            route.send(message)


class Visitor:
    """One browser profile with one page in it."""

    def __init__(self, context: BrowserContext, page: Page, base: str) -> None:
        self.context = context
        self.page = page
        self.base = base
        self.gate: SocketGate | None = None
        self.errors: list[str] = []
        self._watch(page)

    def _watch(self, page: Page) -> None:
        page.set_default_timeout(DEADLINE_MS)
        page.on("pageerror", lambda error: self.errors.append(error.stack or str(error)))
        page.on("console", self._listen)

    def _listen(self, said: ConsoleMessage) -> None:
        # Also what a page said that is gone by now, and what its policy refused before any script ran.
        if "Content Security Policy" in said.text:
            self.errors.append(said.text)

    @classmethod
    async def arrive(
        cls, browser: Browser, base: str, *, of: Visitor | None = None, gated: bool = False, **options: Any
    ) -> Self:
        """Open the page at ``base``; ``of`` makes it another device of the same person.

        ``options`` are those of ``Browser.new_context``.
        """
        state: Any = None
        if of is not None:
            state = {"cookies": (await of.context.storage_state())["cookies"], "origins": []}
        context = await browser.new_context(storage_state=state, **options)
        await context.add_init_script(WATCH)
        visitor = cls(context, await context.new_page(), base)
        if gated:
            visitor.gate = SocketGate()
            await visitor.page.route_web_socket(SOCKET, visitor.gate.serve)
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
        self.page = self.context.pages[0]
        self._watch(self.page)
        await self.page.goto(self.base)

    async def come_again(self) -> None:
        """Close the page and open it anew, as after a walk."""
        await self.page.close()
        page = await self.context.new_page()
        self._watch(page)
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
        """Wait until nothing is pending any more."""
        # What was just done is drawn in the next frame; before it the page still looks settled.
        await self.page.evaluate(
            "new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))"
        )
        await expect(self.session).not_to_have_attribute("data-delivery", re.compile("."), timeout=DEADLINE_MS)

    # -- what they do ----------------------------------------------------------------

    async def enter(self, activity: str = "Reading") -> Self:
        """Come in as a guest who says what they are doing, and wait until it is so."""
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
        """Raise if a script ran that should not have, the policy was violated, or the page threw."""
        noticed = await self._noticed()
        assert noticed == {"violations": [], "ran": []}, noticed
        assert self.errors == [], self.errors

    async def _noticed(self) -> Any:
        """Return what the page has noted about itself; one that is just going elsewhere is asked where it arrives."""
        while True:
            try:
                return await self.page.evaluate("({ violations: window.violations, ran: window.ran })")
            except Error as error:
                if "Execution context was destroyed" not in error.message:
                    raise
                await self.page.wait_for_load_state()


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
