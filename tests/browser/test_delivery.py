"""The delivery of a change, as the page shows it: each state that the table has is reached, by each way that it has."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from itertools import pairwise

from playwright.async_api import expect

from tests.browser.conftest import Arrive
from tests.browser.socket_gate import SocketGate
from tests.browser.visitor import Visitor
from tests.support.instances import Instance

Rooms = tuple[Instance, Instance]

# From one state to another, as `static/js/client/delivery.js` has it.
TABLE = """async () => {
  const { DELIVERY } = await import('/static/js/client/delivery.js');
  return Object.entries(DELIVERY).flatMap(([from, ways]) => Object.values(ways).map((to) => [from, to]))
    .filter(([from, to]) => from !== to);
}"""
# Each change's states in the list of the own changes, one after the other.
FOLLOW = """() => {
  window.ways = {};
  const list = document.querySelector('change-feed');
  new MutationObserver(() => {
    for (const { dataset } of list.querySelectorAll('.feed-item')) {
      const way = (window.ways[dataset.key] ??= []);
      if (way.at(-1) !== dataset.delivery) way.push(dataset.delivery);
    }
  }).observe(list, { subtree: true, childList: true, attributes: true });
}"""
LATER = "() => { const now = Date.now.bind(Date), later = 7 * 24 * 3600 * 1000; Date.now = () => now() + later; }"
# What the server says when it has not taken a change, and wants it again in a while.
BUSY = {"code": "busy", "class": "capacity", "message": "Busy.", "retryable": True, "retry_after_ms": 60_000}
TRIES = 20
# Long enough to be drawn, and short enough not to be doubted.
LATE_S = 0.4


class Walker:
    """Somebody who changes things over a line that the test holds in its hands."""

    def __init__(self, visitor: Visitor, gate: SocketGate, taken: str) -> None:
        self.visitor = visitor
        self.gate = gate
        self.taken = taken
        self.is_paused = False

    async def walked(self) -> set[tuple[str, str]]:
        """Return every step that was seen so far."""
        ways: dict[str, list[str]] = await self.visitor.page.evaluate("window.ways")
        return {step for way in ways.values() for step in pairwise(way)}

    async def until(self, step: tuple[str, str], attempt: Callable[[], Awaitable[None]]) -> None:
        """Try it until that step was seen: on a busy machine a doubt may come before what was meant to."""
        for _ in range(TRIES):
            await attempt()
            if step in await self.walked():
                return
        raise AssertionError(f"{step} was not seen")

    async def turn(self) -> None:
        """Pause or go on: what the server will take."""
        await self.visitor.press("Go on" if self.is_paused else "Pause")
        self.is_paused = not self.is_paused
        await expect(self.visitor.session).to_have_attribute("data-state", "paused" if self.is_paused else "active")

    async def ask_for_a_taken_name(self) -> None:
        """Do what the server will refuse."""
        count = await self.visitor.change("Go by").count()
        await self.visitor.choose("Profile")
        await self.visitor.page.get_by_label("Name").fill(self.taken)
        await self.visitor.page.get_by_role("button", name="Save").click()
        await expect(self.visitor.change("Go by")).to_have_count(count + 1)

    async def is_in(self, states: str) -> str:
        """Wait until the latest change is in one of these states."""
        latest = self.visitor.page.locator(".feed-item").first
        await expect(latest).to_have_attribute("data-delivery", re.compile(f"^({states})$"))
        return str(await latest.get_attribute("data-key"))

    async def settle(self) -> None:
        """Let pass what was held, and say that what was refused was understood."""
        self.gate.open()
        self.gate.delay_s = 0.0
        await self.visitor.is_settled()
        troubles = self.visitor.troubles
        while await troubles.count():
            await troubles.first.get_by_role("button", name="All right").click()
            await self.visitor.is_settled()

    async def late(self, change: Callable[[], Awaitable[None]]) -> None:
        """Change something over a slow line."""
        self.gate.delay_s = LATE_S
        await change()
        await self.is_in("confirmed|rolled_back")
        await self.settle()

    async def doubted(self, change: Callable[[], Awaitable[None]]) -> None:
        """Change something, and hear nothing of it for long."""
        self.gate.holds = True
        await change()
        await self.is_in("in_doubt")
        await self.settle()

    async def put_off(self, change: Callable[[], Awaitable[None]]) -> None:
        """Change something that the server wants again later; then comes the answer to the first time."""
        self.gate.holds = True
        await change()
        mid = await self.is_in("sent|in_doubt")
        self.gate.say({"type": "error", "mid": mid, "error": BUSY})
        await self.is_in("queued|in_doubt")
        await self.settle()

    async def after_a_while_offline(self) -> None:
        """Change something that waits for the line."""
        await self.visitor.go_offline()
        await self.turn()
        await self.is_in("queued")
        self.gate.delay_s = LATE_S
        await self.visitor.go_online()
        await self.settle()


async def test_every_step_of_delivery_is_seen(rooms: Rooms, arrive: Arrive) -> None:
    """Queued, sent, in doubt, confirmed, rolled back and expired: over a line that comes, goes, holds back and lies."""
    other = await (await arrive(rooms[1].url)).enter("Being called so")
    visitor = await (await arrive(rooms[0].url, gated=True)).enter("Walking")
    assert visitor.gate is not None
    await visitor.page.evaluate(FOLLOW)
    table = {tuple(step) for step in await visitor.page.evaluate(TABLE)}
    walker = Walker(visitor, visitor.gate, (await other.state())["profile"]["name"])
    await walker.until(("sent", "confirmed"), lambda: walker.late(walker.turn))
    await walker.until(("sent", "rolled_back"), lambda: walker.late(walker.ask_for_a_taken_name))
    await walker.until(("queued", "sent"), walker.after_a_while_offline)
    await walker.until(("in_doubt", "confirmed"), lambda: walker.doubted(walker.turn))
    await walker.until(("in_doubt", "rolled_back"), lambda: walker.doubted(walker.ask_for_a_taken_name))
    await walker.until(("queued", "confirmed"), lambda: walker.put_off(walker.turn))
    await walker.until(("queued", "rolled_back"), lambda: walker.put_off(walker.ask_for_a_taken_name))

    # One that nobody has answered and one that never left, and a week goes by.
    visitor.gate.holds = True
    await walker.turn()
    await walker.is_in("in_doubt")
    await visitor.go_offline()
    await visitor.reword("Walking on")
    await walker.is_in("queued")
    await visitor.page.evaluate(LATER)
    expired = visitor.page.locator(".feed-item[data-delivery=expired]")
    await expect(expired).to_have_count(2)
    await expect(expired.locator(".feed-state").first).to_have_text("too old to be sent")
    await expect(visitor.troubles).to_have_count(2)
    await expect(visitor.troubles.first).to_contain_text("Try again")
    await expect(visitor.activity).to_have_text("Walking")

    assert table <= await walker.walked()
    # What was in doubt has happened, and the page learns of it; what never left has not.
    visitor.gate.open()
    await visitor.go_online()
    await expect(visitor.session).to_have_attribute("data-state", "paused" if walker.is_paused else "active")
    session = (await visitor.state())["session"]
    assert (session["activity"], session["status"]) == ("Walking", "paused" if walker.is_paused else "active")
