"""The operator's page in a real browser: it lives, finds people, acts, and axe finds nothing serious."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import ConsoleMessage, expect

from tests.browser.conftest import Arrive
from tests.browser.test_axe import DESKTOP, LOOK, PHONE
from tests.browser.visitor import Visitor
from tests.support.instances import Instance
from tests.support.rows import run_sql
from tests.support.wire_client import connect, sign_in

Rooms = tuple[Instance, Instance]
LOOKS = {"light-phone": PHONE | {"color_scheme": "light"}, "dark-desktop": DESKTOP | {"color_scheme": "dark"}}


async def operate(arrive: Arrive, room: Instance, **options: Any) -> Visitor:
    """Open the page as an admin."""
    visitor = await arrive(room.url, opens=False, **options)
    answer = await visitor.context.request.post(f"{room.url}/auth/guest", data={}, headers={"Origin": room.url})
    user_id = (await answer.json())["user"]["id"]
    database_url = room.settings["DATABASE_URL"]
    run_sql(database_url, "INSERT INTO roles (user_id, role) VALUES (%s, 'admin')", user_id)
    run_sql(database_url, "INSERT INTO revocations (user_id, reason) VALUES (%s, 'roles_changed')", user_id)
    async with asyncio.timeout(60):
        # As for anybody whose roles change: it is known within two seconds.
        while (await visitor.context.request.get(f"{room.url}/api/admin/instances")).status != 200:
            await asyncio.sleep(0.2)
    await visitor.page.goto(f"{room.url}/admin")
    await expect(visitor.page.locator(".chip")).to_have_text("live")
    return visitor


@pytest.mark.parametrize("look", LOOKS)
async def test_an_operator_sees_the_place_and_acts_on_it(rooms: Rooms, arrive: Arrive, axe: str, look: str) -> None:
    """Figures of both instances, a person on the other one, the tail, disconnecting, suspending, announcing."""
    a, b = rooms
    someone = await sign_in(b.url, f"<b>Sought</b> {uuid4().hex[:8]}")
    device = await connect(b.url, someone.token)
    await device.mutate("session.start", {"activity": "being looked for"})
    visitor = await operate(arrive, a, **LOOKS[look])
    page = visitor.page

    await expect(page.locator("#instances tbody tr")).to_have_count(2)
    await expect(page.locator("#instances")).to_contain_text(device.welcome["instance"])
    await expect(page.locator("#figure-connections")).to_have_text(re.compile(r"\d+"))

    await page.get_by_role("button", name="Follow").click()
    await page.get_by_label("Id, or how the name begins").fill(someone.name)
    await page.get_by_role("button", name="Look", exact=True).click()
    person = page.locator("#person")
    await expect(person.get_by_role("heading", name=someone.name)).to_be_visible()
    await expect(person).to_contain_text("being looked for")
    await expect(person).to_contain_text(device.welcome["instance"])
    async with asyncio.timeout(60):
        # Until the other instance has heard that somebody watches, it tells nothing.
        while "profile.changed" not in await page.locator("#tail").inner_text():
            await device.mutate("profile.update", {"bio": f"seen {uuid4().hex}"})
            await asyncio.sleep(0.3)

    await page.evaluate(axe)
    assert await page.evaluate(LOOK) == []

    await person.get_by_role("button", name="Disconnect: ").click()
    await expect(person).to_contain_text("Asked for.")
    assert (await device.expect("bye"))["code"] == 4104
    await person.get_by_text("Suspend", exact=True).first.click()
    await person.get_by_label("Reason, which they will read").fill("for a test")
    await person.get_by_role("button", name="Suspend").click()
    await expect(person).to_contain_text("Suspended.")

    title = f"Tea {uuid4().hex[:6]}"
    await page.get_by_label("Title").fill(title)
    await page.get_by_role("button", name="Publish").click()
    await expect(page.get_by_text("Published.")).to_be_visible()


async def test_an_admin_finds_the_way_from_the_room_and_nobody_else_is_shown_it(rooms: Rooms, arrive: Arrive) -> None:
    """In the menu under one's name; who is no admin is told so in words, and led back."""
    room = rooms[0]
    visitor = await arrive(room.url, opens=False)
    await visitor.context.request.post(f"{room.url}/auth/guest", data={}, headers={"Origin": room.url})
    refused = await visitor.page.goto(f"{room.url}/admin")
    assert refused is not None
    assert refused.status == 403
    await expect(visitor.page.get_by_text("This page is for whoever runs the place.")).to_be_visible()
    visitor.errors.clear()  # the browser's own word about the 403
    await visitor.page.get_by_role("link", name="To the room").click()
    way = visitor.page.get_by_role("button", name="Operations: how the place does")
    await visitor.page.locator(".person-button").click()
    await expect(visitor.page.get_by_role("button", name="Sign out", exact=True)).to_be_visible()
    await expect(way).to_be_hidden()
    await visitor.page.keyboard.press("Escape")
    user_id = (await visitor.state())["profile"]["id"]
    await asyncio.to_thread(room.run, "user", "grant", "--user", str(user_id), "--role", "admin")
    async with asyncio.timeout(60):
        # The room may show what somebody is a moment before each instance goes by it: two seconds are promised.
        while (await visitor.context.request.get(f"{room.url}/admin", max_redirects=0)).status != 200:
            await asyncio.sleep(0.2)
    await visitor.page.locator(".person-button").click()
    await way.click()
    await expect(visitor.page.locator(".chip")).to_have_text("live")
    await expect(visitor.page.locator("#figure-connections")).to_have_text(re.compile(r"\d+"))


async def test_the_api_page_is_drawn_from_here_alone(rooms: Rooms, arrive: Arrive) -> None:
    """Swagger UI under the policy of all pages: nothing is refused by it, and nothing comes from elsewhere."""
    visitor = await arrive(rooms[0].url, opens=False)
    page = visitor.page
    said: list[str] = []
    asked: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error":
            said.append(message.text)

    page.on("console", heard)
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"{rooms[0].url}/api/docs")
    await expect(page.get_by_text("/api/sessions/create", exact=True).first).to_be_visible(timeout=60_000)
    assert said == []
    assert {url.partition("?")[0] for url in asked if not url.startswith((rooms[0].url, "data:", "blob:"))} == set()
