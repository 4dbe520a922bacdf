"""What the page says of a change: pending, not sure, confirmed, rolled back; and that it never says less."""

from __future__ import annotations

import asyncio
import re

from playwright.async_api import expect

from tests.browser.conftest import Arrive
from tests.support.instances import Instance

Rooms = tuple[Instance, Instance]


async def test_pending_then_not_sure_then_confirmed(rooms: Rooms, arrive: Arrive) -> None:
    """The answer is held back: the change shows at once, is doubted after two seconds, and happens once."""
    visitor = await (await arrive(rooms[0].url, gated=True)).enter()
    assert visitor.gate is not None
    visitor.gate.holds = True
    await visitor.record("my-session", "data-delivery")
    await visitor.record("my-session .pending-note")
    await visitor.press("Pause")
    await expect(visitor.session).to_have_attribute("data-state", "paused")
    await expect(visitor.session).to_have_attribute("data-delivery", "in_doubt")
    await expect(visitor.session.locator(".pending-note")).to_have_text("not sure yet, asking again")
    assert (await visitor.has_shown("my-session", "in_doubt"))[-2:] == ["sent", "in_doubt"]
    notes = await visitor.has_shown("my-session .pending-note", "not sure yet")
    assert notes[-2:] == ["saving…", "not sure yet, asking again"]
    visitor.gate.open()
    await visitor.is_settled()
    await expect(visitor.change("Pause")).to_have_attribute("data-delivery", "confirmed")
    assert (await visitor.state())["session"]["version"] == 2


async def test_a_rejection_slides_back_says_why_and_offers_a_way(rooms: Rooms, arrive: Arrive) -> None:
    """Two devices start at once: the second is told, keeps its words, and may take over."""
    here = await (await arrive(rooms[0].url)).enter("Reading")
    there = await arrive(rooms[1].url, of=here)
    await expect(there.activity).to_have_text("Reading")
    await there.press("End")
    await there.is_settled()
    await expect(here.session).to_have_attribute("data-state", "none")
    await there.go_offline()
    await there.start("Cooking soup")
    await here.start("Walking the dog")
    await here.is_settled()
    await there.go_online()
    await expect(there.activity).to_have_text("Walking the dog")
    await expect(there.troubles).to_have_attribute("data-code", "session_already_active")
    await expect(there.troubles).to_contain_text("already idling")
    await expect(there.troubles).to_contain_text("Cooking soup")
    await there.page.get_by_role("button", name="End it and start mine").click()
    await expect(there.troubles).to_have_count(0)
    await expect(here.activity).to_have_text("Cooking soup")
    await there.is_settled()
    assert (await here.state())["session"]["activity"] == "Cooking soup"


async def test_a_rejection_waits_for_its_answer_over_a_reload(rooms: Rooms, arrive: Arrive) -> None:
    """A name that is taken: told, still told after a reload, and the form opens with the person's words."""
    owner = await (await arrive(rooms[0].url)).enter()
    taken = (await owner.state())["profile"]["name"]
    visitor = await (await arrive(rooms[1].url)).enter()
    before = (await visitor.state())["profile"]["name"]
    await visitor.choose("Profile")
    await visitor.page.get_by_label("Name").fill(taken.upper())
    await visitor.page.get_by_role("button", name="Save").click()
    await expect(visitor.troubles).to_contain_text(taken.upper())
    await expect(visitor.page.locator(".person-menu-name")).to_have_text(before)
    await visitor.page.reload()
    await expect(visitor.troubles).to_contain_text("Somebody already goes by")
    await visitor.page.get_by_role("button", name="Choose another name").click()
    await expect(visitor.page.get_by_label("Name")).to_have_value(taken.upper())
    await visitor.page.get_by_label("Name").fill(f"{before} again")
    await visitor.page.get_by_role("button", name="Save").click()
    await expect(visitor.page.locator(".person-menu-name")).to_have_text(f"{before} again")
    await expect(visitor.troubles).to_have_count(0)


# What the words were in each frame that was drawn, as often as they changed.
SAMPLE = """() => {
  const words = document.querySelector('my-session .activity');
  window.frames_drawn = 0;
  window.seen = [words.textContent];
  const look = () => {
    window.frames_drawn += 1;
    if (words.textContent !== window.seen.at(-1)) window.seen.push(words.textContent);
    requestAnimationFrame(look);
  };
  look();
}"""
# Twenty edits, one in each twentieth of a second, however late the timers are.
EDIT = """async (first) => {
  const edit = document.querySelector('my-session [aria-label="Change what you are doing"]');
  const began = performance.now();
  for (let count = 0; count < 20; count += 1) {
    edit.click();
    const form = [...document.querySelectorAll('my-session form')].find((one) => !one.hidden);
    form.querySelector('input').value = `edit ${String(first + count).padStart(2, '0')}`;
    form.requestSubmit();
    await new Promise((go) => setTimeout(go, Math.max(0, began + (count + 1) * 50 - performance.now())));
  }
}"""


async def test_no_frame_shows_an_older_value_over_a_newer_one(rooms: Rooms, arrive: Arrive) -> None:
    """Twenty edits in a second, over a good line and a slow one: in no frame of any device do the words go back."""
    visitor = await (await arrive(rooms[0].url, gated=True)).enter("edit 00")
    other = await arrive(rooms[1].url, of=visitor, gated=True)
    assert visitor.gate is not None
    assert other.gate is not None
    await expect(other.activity).to_have_text("edit 00")
    await other.is_live()
    for one in (visitor, other):
        await one.page.evaluate(SAMPLE)
    for first, delay_s in ((1, 0.0), (21, 0.15)):
        visitor.gate.delay_s = other.gate.delay_s = delay_s
        await visitor.page.evaluate(EDIT, first)
        for one in (visitor, other):
            await expect(one.activity).to_have_text(f"edit {first + 19}")
        await visitor.is_settled()
    for one in (visitor, other):
        seen = await one.page.evaluate("window.seen")
        assert seen == sorted(seen)
        assert await one.page.evaluate("window.frames_drawn") > len(seen)
    session = (await visitor.state())["session"]
    assert (session["activity"], session["version"]) == ("edit 40", 41)


async def test_the_clock_runs_stands_still_in_a_pause_and_goes_on(rooms: Rooms, arrive: Arrive) -> None:
    """Seconds pass on the page; paused they do not."""
    visitor = await (await arrive(rooms[0].url)).enter()
    clock = visitor.session.locator(".clock")
    began_at = await clock.text_content()
    await expect(clock).not_to_have_text(str(began_at))
    await visitor.press("Pause")
    await visitor.is_settled()
    stood_at = await clock.text_content()
    await expect(visitor.session.locator(".since")).to_contain_text("Paused for")
    # Two turns of the page's own clock.
    await visitor.page.evaluate("new Promise((resolve) => setTimeout(resolve, 2100))")
    assert await clock.text_content() == stood_at
    await visitor.press("Go on")
    await expect(clock).not_to_have_text(str(stood_at))


async def test_two_tabs_of_one_browser_share_what_is_saved(rooms: Rooms, arrive: Arrive) -> None:
    """Each tab's changes are kept; what both know is sent twice and happens once."""
    visitor = await (await arrive(rooms[0].url)).enter()
    second = await visitor.context.new_page()
    await second.goto(rooms[0].url)
    await expect(second.locator("my-session .activity")).to_have_text("Reading")
    await asyncio.gather(
        visitor.press("Pause"), second.locator(".chip").click(), expect(second.locator(".chip")).to_have_text("live")
    )
    await expect(second.locator("my-session")).to_have_attribute("data-state", "paused")
    await visitor.is_settled()
    assert (await visitor.state())["session"]["version"] == 2
    await expect(visitor.page.locator(".chip")).to_have_attribute("aria-label", re.compile("Connection: live"))
