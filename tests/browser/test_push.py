"""Being told while away: the switch in words, the note a device shows, and the way from it to the page.

A browser without a line to its maker's push service gets no subscription, so this goes two ways: with
the browser's own answer, as far as that goes; and with a push service of the test's own, which decrypts
what the server sends, handed to the service worker by the browser's own debugging protocol.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import CDPSession, Locator, Page, Worker, expect

from tests.browser.conftest import Arrive
from tests.browser.visitor import DEADLINE_MS, Visitor, eventually, is_installed
from tests.support.instances import Instance, give_own_epoch, running_instances
from tests.support.push_service import PushService
from tests.support.rows import run_sql
from tests.support.scenes import set_scene
from tests.support.servers import PostgresServer, RedisServer

Rooms = tuple[Instance, Instance]

# The browser's maker, in its place: the one thing that cannot be had without the internet.
SUBSCRIBE = """(subscription) => {
  let current = null;
  const made = { endpoint: subscription.endpoint, toJSON: () => subscription, unsubscribe: async () => ((current = null), true) };
  PushManager.prototype.subscribe = async () => (current = made);
  PushManager.prototype.getSubscription = async () => current;
}"""  # noqa: E501 -- JavaScript keeps its own lines
# To ask the browser for its notes while it is showing one can take that one away: they are noted on the way.
NOTE = """() => {
  self.notes = [];
  const show = self.registration.showNotification.bind(self.registration);
  self.registration.showNotification = (title, options) =>
    show(title, options).then(() => self.notes.push({ title, ...options }));
}"""
SHOWN = """async () => {
  while (!self.notes.length) await new Promise((resolve) => setTimeout(resolve));
  return [self.notes[0].title, self.notes[0].tag];
}"""
PRESS = """async () => {
  while (!self.notes.length) await new Promise((resolve) => setTimeout(resolve));
  const note = self.notes.shift();
  const event = new ExtendableEvent('notificationclick');
  let isClosed = false;
  event.notification = { data: note.data, close: () => { isClosed = true; } };
  self.dispatchEvent(event);
  return [note.title, isClosed];
}"""


def _switch(visitor: Visitor) -> Locator:
    return visitor.page.get_by_role("switch", name="Tell me when I am away")


def _state(visitor: Visitor) -> Locator:
    return visitor.page.locator("#preference-push-state")


async def _debugger(page: Page) -> tuple[CDPSession, str]:
    """Return a session at the browser's debugging protocol, and what it calls the page's service worker."""
    session = await page.context.new_cdp_session(page)
    known: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def heard(event: dict[str, list[dict[str, str]]]) -> None:
        for registration in event["registrations"]:
            if not known.done():
                known.set_result(registration["registrationId"])

    session.on("ServiceWorker.workerRegistrationUpdated", heard)
    await session.send("ServiceWorker.enable")
    return session, await asyncio.wait_for(known, DEADLINE_MS / 1000)


async def _worker(visitor: Visitor) -> Worker:
    """Return the service worker as the test can reach into it; it may be known a moment later than to the page."""
    await eventually(lambda: bool(visitor.context.service_workers))
    return visitor.context.service_workers[0]


async def _deliver(page: Page, base: str, text: str) -> None:
    session, registration = await _debugger(page)
    told = {"origin": base, "registrationId": registration, "data": text}
    await session.send("ServiceWorker.deliverPushMessage", told)


@pytest_asyncio.fixture
async def push_service() -> AsyncIterator[PushService]:
    async with PushService().running() as service:
        yield service


@pytest.fixture
def pushing_room(
    postgres: PostgresServer, redis_server: RedisServer, browser_template: str, push_service: PushService
) -> Iterator[Instance]:
    """An instance that posts to the test's push service."""
    url = postgres.create_database(browser_template)
    give_own_epoch(url)
    hosts = urlsplit(push_service.origin).netloc
    with running_instances(url, redis_server.url, 1, PUSH_HOSTS=hosts, PUSH_PRIVATE="true") as (instance,):
        yield instance
    postgres.drop_database(url)


async def test_what_stands_in_its_way_is_said(rooms: Rooms, arrive: Arrive) -> None:
    """Off, then refused by the browser's settings, and how to allow it; allowed, but no push service to be had."""
    visitor = await (await arrive(rooms[0].url, worker=True)).enter()
    await is_installed(visitor)
    await visitor.choose("Preferences")
    await expect(_state(visitor)).to_have_text("Off on this device.")
    await _switch(visitor).click()
    await expect(_state(visitor)).to_contain_text("Blocked in this browser. To allow it")
    await expect(_switch(visitor)).to_be_disabled()
    await expect(_switch(visitor)).not_to_be_checked()
    await visitor.page.keyboard.press("Escape")
    await visitor.context.grant_permissions(["notifications"])
    await visitor.choose("Preferences")
    await expect(_state(visitor)).to_have_text("Off on this device.")
    await _switch(visitor).click()
    await expect(_state(visitor)).to_contain_text("could not reach its push service, so it is off")
    await expect(_switch(visitor)).not_to_be_checked()
    await expect(visitor.troubles).to_have_count(0)
    await visitor.is_settled()
    assert not (await visitor.state())["preferences"].get("push")


async def test_who_is_away_is_told(pushing_room: Instance, push_service: PushService, arrive: Arrive) -> None:
    """Switched on, off and on, left, waved at: what the server posts, decrypted, makes a note on the device."""
    visitor = await (await arrive(pushing_room.url, worker=True, permissions=["notifications"])).enter()
    await is_installed(visitor)
    browser = push_service.browser("mine")
    await visitor.page.evaluate(SUBSCRIBE, browser.subscription)
    await visitor.choose("Preferences")
    await _switch(visitor).click()
    await expect(_state(visitor)).to_have_text("On: this device is told.")
    await _switch(visitor).click()
    await expect(_state(visitor)).to_have_text("Off on this device.")
    await _switch(visitor).click()
    await expect(_state(visitor)).to_have_text("On: this device is told.")
    await expect(
        visitor.change("Tell this device").and_(visitor.page.locator("[data-delivery=confirmed]"))
    ).to_have_count(3)
    await visitor.is_settled()
    state = await visitor.state()
    assert state["preferences"]["push"] is True
    # Somewhere else in the same browser: no page of ours is open.
    await visitor.page.goto(f"{pushing_room.url}/healthz")
    scene = await set_scene(pushing_room.url, pushing_room.settings["DATABASE_URL"])
    await scene.did("reaction.send", {"session": state["session"]["id"], "emoji": "👋"})
    await push_service.posted(browser)
    message = browser.posts[0]["message"]
    worker = await _worker(visitor)
    await worker.evaluate(NOTE)
    await _deliver(visitor.page, pushing_room.url, json.dumps(message))
    shown = await asyncio.wait_for(worker.evaluate(SHOWN), DEADLINE_MS / 1000)
    assert shown == [message["title"], message["id"]]


async def test_a_note_leads_to_the_page_that_is_open(rooms: Rooms, arrive: Arrive) -> None:
    """And whatever comes, something is shown: a browser takes the right away from who stays silent."""
    visitor = await (await arrive(rooms[0].url, worker=True, permissions=["notifications"])).enter()
    await is_installed(visitor)
    worker = await _worker(visitor)
    await worker.evaluate(NOTE)
    for text, title, place in (
        ('{"id":"n1","kind":"device.signed_in","title":"A phone signed in."}', "A phone signed in.", "account"),
        ('{"id":"n2","kind":"reaction.received","title":"Ada waved at you."}', "Ada waved at you.", "bell"),
        ("not what we send", None, "bell"),
    ):
        await _deliver(visitor.page, rooms[0].url, text)
        said, is_closed = await asyncio.wait_for(worker.evaluate(PRESS), DEADLINE_MS / 1000)
        assert said == title or (title is None and said)
        assert is_closed
        await expect(visitor.page).to_have_url(f"{rooms[0].url}/#{place}")
    await expect(visitor.page.get_by_role("heading", name="Notifications")).to_be_focused()


CHANGE = """async ([before, after, anew]) => {
  const made = (subscription) => subscription && { endpoint: subscription.endpoint, toJSON: () => subscription };
  PushManager.prototype.subscribe = async () => made(anew);
  const event = new ExtendableEvent('pushsubscriptionchange');
  Object.assign(event, { oldSubscription: made(before), newSubscription: made(after) });
  let done;
  event.waitUntil = (work) => (done = work);
  self.dispatchEvent(event);
  await done;
}"""


async def test_a_subscription_that_the_browser_changes_is_told(
    pushing_room: Instance, push_service: PushService, arrive: Arrive
) -> None:
    """By the worker alone, no page being open: the new one in the old one's place, or one that it makes itself."""
    visitor = await (await arrive(pushing_room.url, worker=True, permissions=["notifications"])).enter()
    await is_installed(visitor)
    first, second, third = (push_service.browser(name).subscription for name in ("first", "second", "third"))
    await visitor.page.evaluate(SUBSCRIBE, first)
    await visitor.choose("Preferences")
    await _switch(visitor).click()
    await expect(_state(visitor)).to_have_text("On: this device is told.")
    await visitor.is_settled()
    worker = await _worker(visitor)
    await visitor.page.goto(f"{pushing_room.url}/healthz")

    async def change(*subscriptions: dict[str, Any] | None) -> None:
        await asyncio.wait_for(worker.evaluate(CHANGE, list(subscriptions)), DEADLINE_MS / 1000)

    def known() -> list[tuple[Any, ...]]:
        return run_sql(pushing_room.settings["DATABASE_URL"], "SELECT endpoint FROM push_subscriptions")

    assert known() == [(first["endpoint"],)]
    await change(first, second, None)
    assert known() == [(second["endpoint"],)]
    # It is gone, and the browser has no other: one is made for the key that the server has now.
    await change(second, None, third)
    assert known() == [(third["endpoint"],)]
