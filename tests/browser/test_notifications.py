"""The bell: what happened to somebody, on all their devices alike, read by being seen and gone when dismissed."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Locator, expect

from tests.browser.conftest import Arrive
from tests.browser.visitor import Visitor
from tests.support.instances import Instance
from tests.support.scenes import LATER, Scene, set_scene

Rooms = tuple[Instance, Instance]
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}}
HOSTILE = "<img src=x onerror=alert(3)>"


async def _scene(instance: Instance, role: str | None = None) -> Scene:
    return await set_scene(instance.url, instance.settings["DATABASE_URL"], role)


async def _wave(scene: Scene, to: Visitor, *emojis: str) -> None:
    """Let somebody else react to the session that runs."""
    session = (await to.state())["session"]["id"]
    for emoji in emojis:
        await scene.did("reaction.send", {"session": session, "emoji": emoji})


def _items(visitor: Visitor) -> Locator:
    return visitor.page.locator(".notification[data-id]:not(.leaving)")


def _badge(visitor: Visitor) -> Locator:
    return visitor.page.locator(".tab .badge")


async def test_it_counts_everywhere_and_is_read_by_being_seen(rooms: Rooms, arrive: Arrive) -> None:
    """Two devices count; on the one that opens the bell the newest stands first; then neither counts any more."""
    here = await (await arrive(rooms[0].url, **PHONE)).enter()
    there = await arrive(rooms[1].url, of=here, **PHONE)
    await there.is_live()
    scene = await _scene(rooms[0])
    await scene.did("profile.update", {"name": HOSTILE})
    await _wave(scene, here, "👋", "🎉")
    for device in (here, there):
        await expect(_badge(device)).to_have_text("2")
        await expect(device.page).to_have_title("(2) Idling")
        await expect(device.page.get_by_role("button", name="Bell (2 unread)")).to_be_visible()
    await there.page.locator(".tab[data-tab=bell]").click()
    await expect(_items(there)).to_have_count(2)
    await expect(_items(there).first.locator(".notification-mark")).to_have_text("🎉")
    await expect(_items(there).first).to_contain_text(f"{HOSTILE} sent you this.")
    for device in (there, here):
        await expect(_badge(device)).to_be_hidden()
        await expect(device.page).to_have_title("Idling")
    assert (await here.state())["notifications"]["unread_count"] == 0


async def test_read_and_dismissed_without_a_line_shows_at_once_and_holds_later(rooms: Rooms, arrive: Arrive) -> None:
    """What one does offline is done on the other device and the server, once the line is back."""
    here = await (await arrive(rooms[0].url, **PHONE)).enter()
    there = await arrive(rooms[1].url, of=here, **PHONE)
    await there.is_live()
    await _wave(await _scene(rooms[0]), here, "👋", "🎉", "🌱")
    await expect(_badge(here)).to_have_text("3")
    await here.go_offline()
    unread = _items(here).and_(here.page.locator("[data-unread]"))
    await expect(unread).to_have_count(3)
    # At one go: what is looked at for a while is read by that.
    await here.page.evaluate(
        """() => {
          document.querySelector('.tab[data-tab=bell]').click();
          const buttons = [...document.querySelectorAll('notification-list button')];
          buttons.find(({ textContent }) => textContent === 'Mark all read').click();
        }"""
    )
    await expect(unread).to_have_count(0)
    await expect(here.page).to_have_title("Idling")
    await _items(here).nth(1).get_by_role("button", name="Dismiss").click()
    await expect(_items(here)).to_have_count(2)
    await expect(_items(here).nth(1).get_by_role("button", name="Dismiss")).to_be_focused()
    await expect(here.chip).to_have_text("offline, 2 changes waiting")
    await expect(_badge(there)).to_have_text("3")
    await here.go_online()
    await expect(_badge(there)).to_be_hidden()
    await there.page.locator(".tab[data-tab=bell]").click()
    await expect(_items(there)).to_have_count(2)
    state = (await here.state())["notifications"]
    assert (state["unread_count"], len(state["items"])) == (0, 2)


async def test_what_the_place_announces_stands_above_and_is_heard(rooms: Rooms, arrive: Arrive) -> None:
    """With its level in words, as text, at once; who comes later finds it too."""
    visitor = await (await arrive(rooms[1].url)).enter()
    scene = await _scene(rooms[0], "admin")
    told = {"title": f"Back at noon {HOSTILE}", "body": "We move house.", "level": "warning", "expires_at": LATER}
    await scene.did("announcement.publish", told)
    card = visitor.page.get_by_role("list", name="Announcements").get_by_role("listitem").filter(has_text="noon")
    await expect(card).to_have_attribute("data-level", "warning")
    await expect(card).to_contain_text("Please note: Back at noon <img src=x onerror=alert(3)>")
    await visitor.hears("Announcement: Back at noon")
    later = await (await arrive(rooms[0].url, **PHONE)).enter()
    await later.page.goto(f"{rooms[0].url}/#bell")
    await expect(later.page.get_by_role("list", name="Announcements").get_by_text("Back at noon")).to_be_visible()
    await expect(later.page.get_by_text("Nothing yet. When somebody waves at you")).to_be_visible()
    await expect(later.page.get_by_role("heading", name="Notifications")).to_be_focused()


async def test_one_sends_one_back_from_there(rooms: Rooms, arrive: Arrive) -> None:
    """To who is still in the room; the picker opens beside it, and the other hears of it."""
    here = await (await arrive(rooms[0].url)).enter()
    other = await (await arrive(rooms[1].url)).enter("Watering")
    name = (await other.state())["profile"]["name"]
    await expect(other.person((await here.state())["profile"]["name"])).to_be_visible()
    session = (await here.state())["session"]["id"]
    done = await other.page.evaluate(
        """async (session) => {
          const sent = { mutations: [{ mid: 'wave-1', name: 'reaction.send', args: { session, emoji: '1F44B' } }] };
          const headers = { 'Content-Type': 'application/json' };
          const answer = await fetch('/api/mutations', { method: 'POST', headers, body: JSON.stringify(sent) });
          return (await answer.json()).verdicts[0].status;
        }""",
        session,
    )
    assert done == "confirmed"
    await expect(_items(here)).to_contain_text(f"{name} sent you this.")
    await _items(here).get_by_role("button", name="Send one back").click()
    await here.page.get_by_role("searchbox", name="Search emoji").fill("red heart")
    await here.page.locator("[data-section=found] .picker-cell").first.click()
    await expect(_items(other)).to_contain_text("sent you this.")
