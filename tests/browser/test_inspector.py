"""The inspector: every promise tried in a real browser, nobody's words run, nobody else's streams seen."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Arrive
from tests.browser.visitor import DEADLINE_MS, Visitor
from tests.support.instances import Instance
from tests.support.wire_client import call, sign_in

Rooms = tuple[Instance, Instance]
TRIALS = ("duplicate", "mid-reused", "conflict", "resume", "offline", "slow", "bad-frame")
TRIAL_MS = 60_000
SHOWN = """() => {
  const [cursor, state] = ['cursor', 'state'].map((id) => document.getElementById(id).textContent);
  return [cursor, JSON.parse(state)];
}"""


async def inspect(arrive: Arrive, base: str, *, of: Visitor | None = None, **options: Any) -> Visitor:
    """Open the inspector as a new guest, or as another device of somebody."""
    visitor = await arrive(base, of=of, opens=False, **options)
    await enter_inspector(visitor, is_known=of is not None)
    return visitor


async def enter_inspector(visitor: Visitor, *, is_known: bool = False) -> None:
    """Go there, as a new guest unless they are known already."""
    base = visitor.base
    if not is_known:
        answer = await visitor.context.request.post(f"{base}/auth/guest", data={}, headers={"Origin": base})
        assert answer.status == 201
    await visitor.page.goto(f"{base}/inspector")
    await expect(visitor.page.locator(".chip")).to_have_text("live")


async def send_raw(page: Page, text: str) -> None:
    """Send a frame as it stands."""
    await page.get_by_label("Text of the frame").fill(text)
    await page.get_by_role("button", name="Send as it is").click()


async def state_is_the_servers(visitor: Visitor) -> None:
    """See that what the page shows as state, at its cursor, is a fresh snapshot."""
    async with asyncio.timeout(DEADLINE_MS / 1000):
        # Something may be under way still: then neither of the two is the last word.
        while True:
            fresh = await visitor.ask("/api/snapshot")
            cursor, shown = await visitor.page.evaluate(SHOWN)
            if cursor == fresh["cursor"]:
                break
            await asyncio.sleep(0.1)
    assert shown == fresh["state"]


@pytest.mark.parametrize("trial", TRIALS)
async def test_each_promise_is_kept_when_it_is_tried(rooms: Rooms, arrive: Arrive, trial: str) -> None:
    """By the button, as a person would; afterwards the state is the server's."""
    visitor = await inspect(arrive, rooms[0].url)
    card = visitor.page.locator(f'[data-trial="{trial}"]')
    await card.get_by_role("button", name="Try it").click()
    await expect(card.locator('[data-kept="yes"]')).to_be_visible(timeout=TRIAL_MS)
    await expect(card.locator("li").nth(1)).to_be_attached()
    await state_is_the_servers(visitor)


async def test_it_has_a_trial_for_each_case_here(rooms: Rooms, arrive: Arrive) -> None:
    visitor = await inspect(arrive, rooms[0].url)
    found = await visitor.page.locator("[data-trial]").evaluate_all("(all) => all.map((one) => one.dataset.trial)")
    assert tuple(found) == TRIALS


async def test_every_mutation_can_be_sent_by_a_form(rooms: Rooms, arrive: Arrive) -> None:
    """Its fields are those of the schema; a mistake is sent and answered, and a right one is confirmed."""
    visitor = await inspect(arrive, rooms[0].url)
    page = visitor.page
    listed = (await (await visitor.context.request.get(f"{rooms[0].url}/api/mutations")).json())["mutations"]
    chooser = page.get_by_label("Mutation", exact=True)
    await expect(chooser.locator("option")).to_have_count(len(listed))
    for mutation in listed:
        await chooser.select_option(mutation["name"])
        for name in mutation["args"]["properties"]:
            await expect(page.locator(f'[id^="arg-{name}"]').first).to_be_visible()
    said = page.locator('section:has(#send-heading) [role="status"]')
    send = page.get_by_role("button", name="Send", exact=True)
    await chooser.select_option("session.start")
    await send.click()
    await expect(said).to_contain_text("rolled_back · invalid_arguments")
    for over in ("socket", "rest"):
        await chooser.select_option("session.start")
        await page.locator("#arg-activity").fill("Reading the protocol")
        await page.get_by_label("Over").select_option(over)
        await send.click()
        await expect(said).to_contain_text("session.start · confirmed")
        # Over REST the verdict may be here before its effects are.
        await expect(page.locator("#state")).to_contain_text("Reading the protocol")
        await chooser.select_option("session.end")  # its id is filled in from the state
        await send.click()
        await expect(said).to_contain_text("session.end · confirmed")
        await expect(page.locator("#state")).not_to_contain_text("Reading the protocol")
    await chooser.select_option("preferences.set")
    await page.get_by_label("theme?").select_option("dark")
    await page.get_by_label("if_version").fill("1")
    await send.click()
    await expect(said).to_contain_text("preferences.set · confirmed")
    await send.click()
    await expect(said).to_contain_text("conflict")
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await chooser.select_option("announcement.publish")
    await send.click()
    await expect(said).to_contain_text("forbidden")
    await page.get_by_label("if_version").fill("")
    await chooser.select_option("favorite.move")
    await page.get_by_label("null").check()
    await page.locator("#arg-emoji").fill("1F600")
    await send.click()
    await expect(said).to_contain_text("favorite_not_found")
    await state_is_the_servers(visitor)


async def test_frames_can_be_filtered_paused_cleared_and_are_bounded(rooms: Rooms, arrive: Arrive) -> None:
    visitor = await inspect(arrive, rooms[0].url)
    page = visitor.page
    rows = page.locator(".frame")
    await page.get_by_label("Type", exact=True).select_option("welcome")
    await expect(rows.locator("visible=true")).to_have_count(1)
    await rows.locator("visible=true").locator("summary").click()
    await expect(rows.locator("visible=true").locator("pre")).to_contain_text('"heartbeat_s"')
    await page.get_by_label("Type", exact=True).select_option("")
    await page.get_by_label("Holds the text").fill("IDLING-INSPECTOR")
    await expect(rows.locator("visible=true")).to_have_count(1)
    await page.get_by_label("Holds the text").fill("")
    await page.get_by_role("button", name="Pause").click()
    before = await rows.count()
    await send_raw(page, '{"type": "dance"}')
    await expect(page.get_by_role("button", name=re.compile(r"Go on \([1-9]"))).to_be_visible()
    assert await rows.count() == before
    await page.get_by_role("button", name="Go on").click()
    await expect(rows.filter(has_text="unknown_type")).to_have_count(1)
    # Nothing new comes meanwhile.
    await page.get_by_role("button", name="Pause").click()
    await page.get_by_role("button", name="Clear").click()
    await expect(rows).to_have_count(0)
    # Several frames each, and more of them than are kept.
    await page.evaluate(
        """async () => {
          const { FrameLog, MOST } = await import(document.querySelector('[href$="/frame-log.js"]').href);
          const log = new FrameLog(() => {});
          document.body.append(log.element);
          const seen = (n) => ({ way: 'in', text: `{"type":"x","n":${n}}`, frame: { type: 'x', n }, over: 'socket' });
          for (let n = 0; n < MOST + 100; n += 1) log.add(seen(n));
          window.kept = [log.element.querySelectorAll('.frame').length, MOST];
          log.element.remove();
        }"""
    )
    kept, most = await page.evaluate("window.kept")
    assert kept == most == 500


async def test_nothing_that_anybody_wrote_runs(rooms: Rooms, arrive: Arrive) -> None:
    """Markup in a frame's text, in its type, in a name, in what the server says of it: shown, as it is."""
    visitor = await inspect(arrive, rooms[0].url)
    page = visitor.page
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    for text in (evil, f'{{"type": "{evil}"}}', f'{{"type": "mutate", "mid": "x", "name": "{evil}", "args": {{}}}}'):
        await send_raw(page, text)
    await page.get_by_label("Mutation", exact=True).select_option("session.start")
    await page.locator("#arg-activity").fill(evil)
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.locator("#state")).to_contain_text("onerror=alert(1)")
    await page.locator(".frame details").evaluate_all("(all) => all.forEach((one) => (one.open = true))")
    await expect(page.locator(".frame pre", has_text="onerror").first).to_be_visible()
    assert await page.locator("img").count() == 0
    await visitor.behaved()  # nothing ran, and the policy had nothing to refuse


async def test_who_is_not_signed_in_is_sent_to_sign_in(rooms: Rooms, arrive: Arrive) -> None:
    """The front door; and no list of mutations without a sign-in."""
    base = rooms[0].url
    answer = await call(base, "GET", "/inspector", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/?next=/inspector")
    assert (await call(base, "GET", "/api/mutations")).status == 401
    visitor = await arrive(base)
    await visitor.page.goto(f"{base}/inspector")
    await expect(visitor.page.get_by_role("button", name="Start idling")).to_be_visible()


async def test_who_wanted_it_is_led_there_from_the_door(rooms: Rooms, arrive: Arrive) -> None:
    """As a guest at once, with the session that they have begun; by a sign-in service on the way back."""
    visitor = await arrive(rooms[0].url, opens=False)
    await visitor.page.goto(f"{rooms[0].url}/inspector")
    for link in await visitor.page.locator(".ways a").all():
        await expect(link).to_have_attribute("href", re.compile(r"next=%2Finspector$"))
    await visitor.page.locator("welcome-view input").fill("Looking into it")
    await visitor.page.keyboard.press("Enter")
    await expect(visitor.page).to_have_url(f"{rooms[0].url}/inspector")
    await expect(visitor.page.locator("#state")).to_contain_text("Looking into it")
    stranger = await arrive(rooms[0].url, opens=False)
    await stranger.page.goto(f"{rooms[0].url}/?next=https://elsewhere.invalid/")
    await stranger.enter("Staying here")
    assert stranger.page.url.startswith(rooms[0].url)


async def test_another_ones_streams_cannot_be_seen(rooms: Rooms, arrive: Arrive) -> None:
    """Two people, each with their inspector: neither is told a word of what the other one does."""
    one, two = await inspect(arrive, rooms[0].url), await inspect(arrive, rooms[1].url)
    secret = f"private-{uuid4().hex}"
    await one.page.get_by_label("Mutation", exact=True).select_option("profile.update")
    await one.page.get_by_label("bio?").fill(secret)
    await one.page.get_by_role("button", name="Send", exact=True).click()
    await expect(one.page.locator("#state")).to_contain_text(secret)
    # Asking for the other one's position, or by another one's token in the wrong place, gives one's own.
    cursor = await one.page.locator("#cursor").inner_text()
    await send_raw(two.page, f'{{"type": "resume", "cursor": "{cursor}"}}')
    await send_raw(two.page, '{"type": "dance"}')
    await expect(two.page.locator(".frame", has_text="unknown_type").first).to_be_attached()
    text = await two.page.evaluate("document.body.textContent")
    assert secret not in text
    assert secret not in await two.page.locator("#state").inner_text()


async def test_another_door_shows_in_it_at_once(rooms: Rooms, arrive: Arrive) -> None:
    """A change over REST at the other instance comes as an entry; offline it waits, and online it is caught up."""
    base, other = rooms[0].url, rooms[1].url
    visitor = await inspect(arrive, base)
    ask = visitor.context.request
    token = (await (await ask.post(f"{base}/auth/token", headers={"Origin": base})).json())["access_token"]

    async def rename() -> str:
        bio = uuid4().hex
        body = {"mutations": [{"mid": uuid4().hex, "name": "profile.update", "args": {"bio": bio}}]}
        assert (await call(other, "POST", "/api/mutations", token=token, json=body)).status == 200
        return bio

    state = visitor.page.locator("#state")
    await expect(state).to_contain_text(await rename())
    await visitor.page.get_by_role("button", name="Go offline").click()
    missed = await rename()
    await expect(state).not_to_contain_text(missed)
    await visitor.page.get_by_role("button", name="Go online").click()
    await expect(state).to_contain_text(missed)
    await state_is_the_servers(visitor)


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (390, "dark"), (1440, "light"), (1920, "dark")])
async def test_it_fits_and_can_be_used_by_keyboard(rooms: Rooms, arrive: Arrive, width: int, scheme: str) -> None:
    """No sideways scrolling; every control has a name; the frames are reached and opened without a mouse."""
    visitor = await inspect(arrive, rooms[0].url, viewport={"width": width, "height": 844}, color_scheme=scheme)
    page = visitor.page
    await expect(page.get_by_label("Mutation", exact=True).locator("option")).not_to_have_count(0)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    nameless = await page.locator("button, a, input, select, textarea").evaluate_all(
        """(all) => all.filter((one) => !one.textContent.trim() && !one.ariaLabel && !one.labels?.length)
          .map((one) => one.outerHTML)"""
    )
    assert nameless == []
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the frames")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator(".frame details[open] pre")).to_be_visible()


async def test_the_main_page_leads_there_and_loads_nothing_of_it(rooms: Rooms, arrive: Arrive) -> None:
    """One line in the menu; none of its files with the first visit, nor with what the service worker keeps."""
    base = rooms[0].url
    visitor = await (await arrive(base)).enter("Reading")
    worker = (await call(base, "GET", "/sw.js")).body.decode()
    assert "inspector" not in worker
    asked = await visitor.page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name).join()")
    assert "inspector" not in asked
    await visitor.page.locator(".person-button").click()
    await visitor.page.get_by_role("button", name="Inspector").click()
    await expect(visitor.page.locator(".chip")).to_have_text("live")
    answer = await call(base, "GET", "/inspector", headers={"Cookie": (await sign_in(base)).cookie})
    assert answer.status == 200
    assert "'unsafe-inline'" not in answer.headers["Content-Security-Policy"]
