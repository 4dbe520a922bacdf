"""The main job, as a newcomer does it: two browsers, two instances, one change on both."""

from __future__ import annotations

import re

from playwright.async_api import expect

from tests.browser.conftest import Arrive
from tests.support.instances import Instance
from tests.support.wire_client import call, sign_in

Rooms = tuple[Instance, Instance]


async def test_a_newcomer_is_in_and_idling_with_one_field_and_one_key(rooms: Rooms, arrive: Arrive) -> None:
    """Five seconds from the door to a running session, known to the server."""
    visitor = await arrive(rooms[0].url)
    await visitor.enter("Drinking tea")
    await expect(visitor.session.locator(".clock")).to_have_text(re.compile(r"^\d+:\d\d$"))
    await expect(visitor.change("Start “Drinking tea”")).to_have_attribute("data-delivery", "confirmed")
    assert (await visitor.state())["session"]["activity"] == "Drinking tea"
    assert (await visitor.state())["session"]["emoji"] == "1F375"


async def test_what_one_device_does_shows_on_the_other_at_another_instance(rooms: Rooms, arrive: Arrive) -> None:
    """Start, reword, pause, go on, end: each arrives, and both ends agree with the server."""
    here = await (await arrive(rooms[0].url)).enter("Reading")
    there = await arrive(rooms[1].url, of=here)
    await expect(there.activity).to_have_text("Reading")
    await here.reword("Reading on")
    await expect(there.activity).to_have_text("Reading on")
    await there.press("Pause")
    await expect(here.session).to_have_attribute("data-state", "paused")
    await here.press("Go on")
    await expect(there.session).to_have_attribute("data-state", "active")
    await there.press("End")
    await expect(here.session).to_have_attribute("data-state", "none")
    await expect(here.page.locator(".past-activity")).to_have_text("Reading on")
    await here.is_settled()
    await there.is_settled()
    assert "session" not in await here.state()


async def test_the_room_shows_who_comes_and_goes(rooms: Rooms, arrive: Arrive) -> None:
    """People of the other instance drift in, say other words, and out."""
    me = await (await arrive(rooms[0].url)).enter("Watching the door")
    other = await (await arrive(rooms[1].url)).enter("Passing by")
    name = (await other.state())["profile"]["name"]
    await expect(me.person(name)).to_contain_text("Passing by")
    await other.reword("Staying a while")
    await expect(me.person(name)).to_contain_text("Staying a while")
    await other.press("Pause")
    await expect(me.person(name)).to_have_attribute("data-status", "paused")
    await other.press("End")
    await expect(me.person(name)).to_have_count(0)


async def test_a_full_room_is_read_page_by_page(own_room: Instance, arrive: Arrive) -> None:
    """The newest are told; the others are there when asked for, and go when they leave."""
    early = await sign_in(own_room.url)
    await _idle(own_room.url, early.token)
    for _ in range(60):
        await _idle(own_room.url, (await sign_in(own_room.url)).token)
    visitor = await (await arrive(own_room.url)).enter("Looking around")
    await expect(visitor.page.locator(".count")).to_have_text("62 people idling")
    # A page of fifty; and oneself, where that came behind it.
    more = visitor.page.get_by_role("button", name=re.compile(r"^Show 1[12] more$"))
    await expect(more).to_be_visible()
    await visitor.page.wait_for_function(
        """() => {
            const left = Number(/Show (\\d+) more/.exec(document.body.innerText)?.[1]);
            return document.querySelectorAll('.person:not(.skeleton)').length + left === 62;
        }"""
    )
    await more.click()
    await expect(visitor.page.locator(".person:not(.skeleton)")).to_have_count(62)
    await expect(visitor.person(early.name)).to_be_visible()
    await call(own_room.url, "POST", "/api/sessions/end", token=early.token, json={})
    await expect(visitor.person(early.name)).to_have_count(0)
    await expect(visitor.page.locator(".count")).to_have_text("61 people idling")


async def _idle(base: str, token: str) -> None:
    answer = await call(base, "POST", "/api/sessions/create", token=token, json={"activity": "Being one of many"})
    assert answer.status == 201, answer.json


async def test_preferences_and_profile_hold_on_every_device(rooms: Rooms, arrive: Arrive) -> None:
    """Chosen on one, worn by the other."""
    here = await (await arrive(rooms[0].url)).enter()
    there = await arrive(rooms[1].url, of=here)
    await there.is_live()
    await here.choose("Preferences")
    await here.page.locator(".segment", has_text="Dark").click()
    await here.page.get_by_role("switch", name="Keep everything still").click()
    for visitor in (here, there):
        await expect(visitor.page.locator("html")).to_have_attribute("data-theme", "dark")
        await expect(visitor.page.locator("html")).to_have_attribute("data-motion", "still")
    await here.page.keyboard.press("Escape")
    await here.choose("Profile")
    name = f"Visitor {(await here.state())['profile']['id']}"
    await here.page.get_by_label("Name").fill(f"  {name} ")
    await here.page.get_by_label("A few words about you").fill("Likes rain.")
    await here.page.get_by_role("button", name="Save").click()
    for visitor in (here, there):
        await expect(visitor.page.locator(".person-menu-name")).to_have_text(name)
    profile = (await there.state())["profile"]
    assert (profile["name"], profile["bio"]) == (name, "Likes rain.")


async def test_who_signs_out_is_at_the_door_and_leaves_nothing_behind(rooms: Rooms, arrive: Arrive) -> None:
    """A guest is asked first; then the account is forgotten here."""
    visitor = await (await arrive(rooms[0].url)).enter()
    account = (await visitor.state())["profile"]["id"]
    assert (await visitor.kept(account))["account"] == str(account)
    await visitor.choose("Sign out")
    await expect(visitor.page.get_by_text("A guest account is gone")).to_be_visible()
    async with visitor.page.expect_event("load"):
        await visitor.page.get_by_role("button", name="Sign out anyway").click()
    await expect(visitor.page.locator("welcome-view input")).to_be_visible()
    assert await visitor.kept(account) == {"account": None, "cursor": None, "state": {}, "changes": []}
    assert (await visitor.context.request.get(rooms[0].url + "/api/snapshot")).status == 401
