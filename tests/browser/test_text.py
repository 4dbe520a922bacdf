"""Text stays text: whatever people write, in every field and on every view, no script of theirs ever runs."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

from playwright.async_api import Route, expect

from tests.browser.conftest import Arrive
from tests.browser.pictures import picture
from tests.browser.visitor import Visitor
from tests.support.instances import Instance
from tests.support.wire_client import call, sign_in

Rooms = tuple[Instance, Instance]

CORPUS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' autofocus onfocus=alert(1) '",
    "javascript:alert(1)",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "{{7*7}} ${alert(1)} <%= 1 %>",
    "</title><body onload=alert(1)>",
    "&lt;b&gt;&#x3c;script&#x3e;",
    '<a href="javascript:alert(1)">x</a>',
    "\u202egnp.exe",
    "<style>*{display:none}</style>",
    "__proto__",
    "[object Object] undefined null",
    "\u200d\u200d́́́ ﷽",
]

# What is tried where each try costs more: an element, an attribute, an address, a template.
HOSTILE_NAMES = [
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "javascript:alert(1)",
    "{{7*7}} ${alert(1)}",
]
HOSTILE = "<img src=x onerror=alert(2)>"


async def test_it_is_shown_as_it_was_written(rooms: Rooms, arrive: Arrive) -> None:
    """As activity and words about oneself, seen by its author; and by everybody in the room."""
    reader = await (await arrive(rooms[1].url)).enter("Looking")
    said: dict[str, str] = {}
    for number, text in enumerate(CORPUS):
        login = await sign_in(rooms[0].url)
        words = {"activity": text, "emoji": "1F4D6"}
        await _change(rooms[0].url, login.token, "session.start", words, f"say-{number}")
        said[login.name] = text
    for name, text in said.items():
        await expect(reader.person(name).locator(".person-activity")).to_have_text(text.strip())
    author = await (await arrive(rooms[0].url)).enter("Reading")
    told = author.change("Change your few words")
    made_at = ""
    for text in CORPUS:
        await author.reword(text)
        await expect(author.activity).to_have_text(text.strip())
        await author.choose("Profile")
        await author.page.get_by_label("A few words about you").fill(text)
        await author.page.get_by_role("button", name="Save").click()
        # It is saved before it is shown: only then is there something to wait for.
        newest = told.first.locator("time")
        await expect(newest).not_to_have_attribute("datetime", made_at)
        made_at = str(await newest.get_attribute("datetime"))
        await author.is_settled()
        await expect(told.first).to_have_attribute("data-delivery", "confirmed")
        assert (await author.state())["profile"]["bio"] == text


async def test_names_of_others_and_what_was_refused_stay_text_too(rooms: Rooms, arrive: Arrive) -> None:
    """A hostile name in the room, and hostile words in a card that tells of a refusal."""
    hostile = HOSTILE
    login = await sign_in(rooms[0].url)
    await _change(rooms[0].url, login.token, "profile.update", {"name": hostile}, "name")
    await _change(rooms[0].url, login.token, "session.start", {"activity": hostile, "emoji": "1F4D6"}, "start")
    visitor = await (await arrive(rooms[1].url)).enter("Looking")
    await expect(visitor.person(hostile).locator("bdi")).to_have_text(hostile)
    await visitor.choose("Profile")
    await visitor.page.get_by_label("Name").fill(hostile)
    await visitor.page.get_by_role("button", name="Save").click()
    await expect(visitor.troubles).to_contain_text(hostile)
    await expect(visitor.change(f"Go by “{hostile}”")).to_have_attribute("data-delivery", "rolled_back")


async def test_what_people_bring_is_called_as_they_say(rooms: Rooms, arrive: Arrive) -> None:
    """A picture with a hostile file name and name: for its owner, for who reviews it, and in everybody's picker."""
    owner = await (await arrive(rooms[0].url)).enter("Painting")
    keeper = await (await arrive(rooms[1].url)).enter("Keeping order")
    user = (await keeper.state())["profile"]["id"]
    await asyncio.to_thread(rooms[1].run, "user", "grant", "--user", str(user), "--role", "moderator")
    await _open_brought(owner)
    rows = owner.page.get_by_role("list", name="Emoji you brought").get_by_role("listitem")
    stored = rows.and_(owner.page.locator("[data-key^=c_]"))
    names = [text[:40].strip() for text in HOSTILE_NAMES]
    for name in names:
        file: Any = {"name": f"{name.replace('/', '')}.png", "mimeType": "image/png", "buffer": picture()}
        await owner.page.get_by_label("A picture").set_input_files(file)
        await owner.page.get_by_label("What it is called").fill(name)
        await owner.page.get_by_role("button", name="Hand it in").click()
        await expect(stored.filter(has_text=name)).to_contain_text("waiting for review")
    # One that is not taken, named by its file alone.
    file = {"name": f"{HOSTILE.replace('/', '')}.png", "mimeType": "image/png", "buffer": b"no picture"}
    await owner.page.get_by_label("A picture").set_input_files(file)
    await owner.page.get_by_role("button", name="Hand it in").click()
    await expect(rows.first).to_have_attribute("data-status", "refused")
    await expect(rows.first).to_contain_text("<img src=x onerror=alert(2)>")
    await expect(keeper.page.locator("#person-menu .tag")).to_have_text("moderator")
    await keeper.is_live()
    await _open_brought(keeper)
    for name in names:
        await keeper.page.get_by_role("button", name=f"Approve {name}", exact=True).click()
        await expect(rows.filter(has_text=name)).to_contain_text("everybody can use it")
    await keeper.page.get_by_role("dialog", name="Your own emoji").get_by_role("button", name="Close").click()
    await keeper.session.locator(".emoji-button:visible").click()
    await keeper.page.get_by_role("button", name="Brought by people").click()
    for name in names:
        await expect(keeper.page.get_by_label(name, exact=True).first).to_be_attached()
    await keeper.page.get_by_label(names[0], exact=True).first.click()
    await keeper.session.get_by_role("button", name="Save").click()
    await owner.page.keyboard.press("Escape")
    name = (await keeper.state())["profile"]["name"]
    await expect(owner.person(name).locator(".disc img")).to_be_visible()


async def test_what_the_place_and_others_tell_stays_text(rooms: Rooms, arrive: Arrive) -> None:
    """Announcements and notifications in hostile words come in live, and are there after a reload."""
    visitor = await (await arrive(rooms[0].url)).enter("Listening")
    session = (await visitor.state())["session"]["id"]
    crier, fan = await sign_in(rooms[1].url), await sign_in(rooms[1].url)
    await asyncio.to_thread(rooms[1].run, "user", "grant", "--user", str(crier.user_id), "--role", "admin")
    for number, text in enumerate(HOSTILE_NAMES):
        announcement = {"title": text, "body": text, "level": "warning"}
        await _change(rooms[1].url, crier.token, "announcement.publish", announcement, f"tell-{number}")
    for number, text in enumerate(HOSTILE_NAMES):
        await _change(rooms[1].url, fan.token, "profile.update", {"name": text[:40].strip()}, f"name-{number}")
        await _change(
            rooms[1].url, fan.token, "reaction.send", {"session": session, "emoji": "1F375"}, f"wave-{number}"
        )
    for width in (1440, 390):
        await visitor.resize(width, 844)
        if width == 390:
            await visitor.page.locator(".tab[data-tab=bell]").click()
        for text in HOSTILE_NAMES:
            announced = visitor.page.locator(".announcement:visible").filter(has_text=text)
            # Its title and its words.
            await expect(announced.get_by_text(text)).to_have_count(2)
            notified = visitor.page.locator(".notification-title:visible", has_text=text[:40].strip())
            await expect(notified).to_have_count(1)
        await visitor.behaved()
        await visitor.page.reload()
        await visitor.is_live()


async def test_addresses_and_ways_in_stay_text(rooms: Rooms, arrive: Arrive) -> None:
    """Hostile query strings, fragments and paths, at the door and inside; sign-in services with hostile names."""
    visitor = await arrive(rooms[0].url)

    async def pretend(route: Route) -> None:
        providers = [{"name": f"p{number}", "title": text} for number, text in enumerate(CORPUS)]
        await route.fulfill(json={"providers": providers, "guest": True})

    await visitor.context.route("**/auth/providers", pretend)
    for inside in (False, True):
        if inside:
            await visitor.page.goto(rooms[0].url)
            await visitor.enter("Looking")
        for text in HOSTILE_NAMES:
            word = quote(text, safe="")
            for path in (f"/?login_error={word}&signed_in={word}&q={word}#{word}", f"/{word}", f"/auth/login/{word}"):
                await visitor.page.goto(rooms[0].url + path)
                await visitor.behaved()
            await visitor.page.goto(f"{rooms[0].url}/auth/callback/{word}?error={word}&state={word}&code={word}")
            await visitor.behaved()
        await visitor.page.goto(f"{rooms[0].url}/#account")
        if inside:
            await expect(visitor.page.locator("linked-accounts")).to_contain_text(HOSTILE_NAMES[0])
        else:
            await expect(visitor.page.locator("welcome-view")).to_contain_text(HOSTILE_NAMES[0])


async def _open_brought(visitor: Visitor) -> None:
    await visitor.session.get_by_role("button", name="Change what you are doing").click()
    await visitor.session.locator(".emoji-button:visible").click()
    await visitor.page.get_by_role("button", name="Bring your own").click()


async def _change(base: str, token: str, name: str, args: dict[str, Any], mid: str) -> None:
    mutation = {"mid": mid, "name": name, "args": args}
    answer = await call(base, "POST", "/api/mutations", token=token, json={"mutations": [mutation]})
    assert answer.json["verdicts"][0]["status"] == "confirmed", answer.json
