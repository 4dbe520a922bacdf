"""Without a line: the page opens, keeps nothing personal but its own state and outbox, and what waits goes out."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from playwright.async_api import CDPSession, expect

from tests.browser.conftest import Arrive
from tests.browser.visitor import DEADLINE_MS, Visitor, is_installed
from tests.support.instances import Instance
from tests.support.wire_client import call

Rooms = tuple[Instance, Instance]


async def test_the_page_opens_without_a_line_and_shows_what_was(rooms: Rooms, arrive: Arrive) -> None:
    """Closed and opened anew offline: the last state, what waits, and work goes on; then it all goes out."""
    visitor = await (await arrive(rooms[0].url, worker=True)).enter("Reading")
    await is_installed(visitor)
    await visitor.go_offline()
    await visitor.reword("Reading on")
    await expect(visitor.chip).to_have_text("offline, 1 change waiting")
    await visitor.is_saved(1)
    await visitor.come_again()
    await expect(visitor.activity).to_have_text("Reading on")
    await expect(visitor.chip).to_have_text("offline, 1 change waiting")
    await visitor.press("Pause")
    await expect(visitor.chip).to_have_text("offline, 2 changes waiting")
    await visitor.go_online()
    await visitor.is_live()
    await visitor.is_settled()
    session = (await visitor.state())["session"]
    assert (session["activity"], session["status"], session["version"]) == ("Reading on", "paused", 3)


async def test_nothing_personal_and_no_stream_is_kept(rooms: Rooms, arrive: Arrive) -> None:
    """Every read there is, through the worker: what lies in its caches is the page and public answers alone."""
    visitor = await (await arrive(rooms[0].url, worker=True)).enter("Reading")
    await is_installed(visitor)
    kept = await visitor.page.evaluate(
        """async () => {
          const reads = ['snapshot', 'lobby', 'profile', 'preferences', 'sessions', 'sessions/active', 'devices',
            'emojis/favorites', 'emojis/usage', 'emojis/custom', 'emojis/categories', 'emojis/popular',
            'emojis/search?q=tea'];
          for (const path of reads) await (await fetch(`/api/${path}`)).text();
          await (await fetch('/auth/providers')).text();
          const stop = new AbortController();
          const stream = await fetch('/api/events', {headers: {Accept: 'text/event-stream'}, signal: stop.signal});
          const reader = stream.body.getReader();
          const first = new TextDecoder().decode((await reader.read()).value);
          stop.abort();
          // What may be kept is written after it was answered.
          for (const path of ['categories', 'popular']) {
            while (!(await caches.match(`/api/emojis/${path}`))) await new Promise((go) => setTimeout(go, 50));
          }
          const names = await caches.keys();
          const urls = [];
          for (const name of names) {
            for (const { url } of await (await caches.open(name)).keys()) urls.push(new URL(url).pathname);
          }
          return {first, names, urls};
        }"""
    )
    assert "event: welcome" in kept["first"]
    assert sorted(name.split("-")[0] for name in kept["names"]) == ["answers", "shell"]
    others = {url for url in kept["urls"] if not re.match(r"/$|/static/v-[0-9a-f]{16}/", url)}
    assert others == {"/api/emojis/categories", "/api/emojis/popular"}


READ = """async (path) => {
  try {
    const answer = await fetch(path);
    await answer.arrayBuffer();
    return answer.status;
  } catch {
    return 0;
  }
}"""
BRING = """async () => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 64 });
  const form = new FormData();
  form.append('name', 'a small square');
  form.append('file', await new Promise((done) => canvas.toBlob(done, 'image/png')), 'square.png');
  const answer = await fetch('/api/emojis/custom', { method: 'POST', body: form });
  return (await answer.json()).custom_emoji.url;
}"""


async def test_what_the_table_keeps_is_there_without_a_line(rooms: Rooms, arrive: Arrive) -> None:
    """Each row of the worker's policy, read once and again offline; what is personal is not there."""
    visitor = await arrive(rooms[0].url, worker=True)
    await is_installed(visitor)
    # Who is not signed in searches like everybody: that answer is public.
    public = [f"/api/emojis/{rest}" for rest in ("categories", "categories/food-drink", "search?q=tea", "popular")]
    for path in public:
        assert await visitor.page.evaluate(READ, path) == 200, path
    await visitor.enter("Reading")
    public.append(await visitor.page.evaluate(BRING))
    personal = ["/api/snapshot", "/api/profile", "/api/lobby", "/api/notifications", "/api/emojis/favorites"]
    for path in (public[-1], *personal):
        assert await visitor.page.evaluate(READ, path) == 200, path
    # It is written after it was answered.
    for path in public:
        await visitor.page.wait_for_function("async (path) => Boolean(await caches.match(path))", arg=path)
    await visitor.go_offline()
    assert {path: await visitor.page.evaluate(READ, path) for path in public} == dict.fromkeys(public, 200)
    assert {path: await visitor.page.evaluate(READ, path) for path in personal} == dict.fromkeys(personal, 0)


async def test_a_stream_passes_the_worker_as_it_comes(rooms: Rooms, arrive: Arrive) -> None:
    """Through a page that the worker serves: each event is there when it happens, not when the stream ends."""
    visitor = await (await arrive(rooms[0].url, worker=True)).enter("Reading")
    await is_installed(visitor)
    await visitor.page.evaluate(
        """async () => {
          const stream = await fetch('/api/events', { headers: { Accept: 'text/event-stream' } });
          window.streamed = '';
          const reader = stream.body.pipeThrough(new TextDecoderStream()).getReader();
          const read = async () => {
            const { done, value } = await reader.read();
            window.streamed += done ? 'END' : value;
            if (!done) void read();
          };
          void read();
        }"""
    )
    for activity in ("Reading on", "Reading still"):
        await visitor.reword(activity)
        await visitor.page.wait_for_function("(words) => window.streamed.includes(words)", arg=activity)
    assert "END" not in await visitor.page.evaluate("window.streamed")


async def test_a_newer_version_is_offered_and_taken(rooms: Rooms, arrive: Arrive) -> None:
    """It waits until the person says so; then the page is that version's."""
    visitor = await (await arrive(rooms[0].url, worker=True)).enter("Reading")
    await is_installed(visitor)
    # Another address is another version to the browser.
    await visitor.page.evaluate("navigator.serviceWorker.register('/sw.js?newer', {type: 'module'})")
    toast = visitor.page.locator("update-toast")
    await expect(toast).to_contain_text("A newer version is ready.")
    async with visitor.page.expect_event("load"):
        await toast.get_by_role("button", name="Change to it").click()
    await visitor.is_live()
    await visitor.page.wait_for_function("() => navigator.serviceWorker.controller?.scriptURL.endsWith('/sw.js?newer')")


async def test_what_waits_is_sent_while_no_page_is_open(own_room: Instance, arrive: Arrive) -> None:
    """The server was away and the page is closed: the worker sends, once, and what was refused is told later."""
    visitor = await (await arrive(own_room.url, worker=True)).enter("Reading")
    other = await (await arrive(own_room.url)).enter("Cooking")
    taken = (await other.state())["profile"]["name"]
    await is_installed(visitor)
    cookies = await visitor.context.cookies()
    cookie = "; ".join(f"{one['name']}={one['value']}" for one in cookies)
    cursor = (await visitor.ask("/api/snapshot"))["cursor"]
    own_room.kill()
    await expect(visitor.chip).not_to_have_text("live")
    await visitor.reword("Reading on")
    await visitor.choose("Profile")
    await visitor.page.get_by_label("Name").fill(taken)
    await visitor.page.get_by_role("button", name="Save").click()
    await expect(visitor.change("Go by")).to_be_visible()
    waiting = await visitor.is_saved(2)
    assert [change["delivery"] in ("queued", "in_doubt") for change in waiting] == [True, True]
    await visitor.page.goto("about:blank")
    own_room.start()
    worker = await _worker(visitor)
    verdicts: dict[str, str] = {}
    while len(verdicts) < len(waiting):
        # Again if need be, as a browser does it: one that began while the server was away has failed.
        await _fire(worker, own_room.url)
        path = f"/api/events?cursor={cursor}&wait_s=25"
        answer = await call(own_room.url, "GET", path, headers={"Cookie": cookie})
        told = answer.json if answer.status == 200 else {"cursor": cursor, "entries": []}
        cursor = told["cursor"]
        items = [item for entry in told["entries"] for item in entry["items"] if item["kind"] == "verdict"]
        verdicts |= {item["mid"]: item["status"] for item in items}
    assert verdicts == {waiting[0]["mid"]: "confirmed", waiting[1]["mid"]: "rolled_back"}
    await visitor.page.goto(own_room.url)
    await expect(visitor.troubles).to_contain_text("Somebody already goes by")
    await visitor.is_live()
    await expect(visitor.activity).to_have_text("Reading on")
    await visitor.is_settled()
    [refused] = await visitor.is_saved(1)
    assert refused["error"]["code"] == "name_taken"
    assert (await visitor.state())["session"]["version"] == 2


async def _worker(visitor: Visitor) -> CDPSession:
    session = await visitor.context.new_cdp_session(visitor.page)
    await session.send("ServiceWorker.enable")
    return session


async def _fire(session: CDPSession, base: str) -> None:
    """Fire a sync event at the worker of ``base``, as the browser does when the line is back."""
    registrations: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def found(event: Any) -> None:
        for one in event["registrations"]:
            if one["scopeURL"].startswith(base) and not registrations.done():
                registrations.set_result(one["registrationId"])

    session.on("ServiceWorker.workerRegistrationUpdated", found)
    await session.send("ServiceWorker.disable")
    await session.send("ServiceWorker.enable")
    registration = await asyncio.wait_for(registrations, DEADLINE_MS / 1000)
    await session.send(
        "ServiceWorker.dispatchSyncEvent",
        {"origin": base, "registrationId": registration, "tag": "outbox", "lastChance": False},
    )


async def test_the_first_visit_is_light_and_waits_for_nothing_twice(rooms: Rooms, arrive: Arrive) -> None:
    """Under 150 kB over the wire, every module of the graph preloaded, all of it kept for ever by its version."""
    visitor = await arrive(rooms[0].url, opens=False)
    # What comes in a quiet moment is not part of it: here there is none.
    await visitor.context.add_init_script("window.requestIdleCallback = () => 0")
    await visitor.page.goto(rooms[0].url)
    sizes = await visitor.page.evaluate(
        """() => ['resource', 'navigation'].flatMap((type) => performance.getEntriesByType(type))
          .map(({ name, encodedBodySize }) => [new URL(name).pathname, encodedBodySize])"""
    )
    own = [(path, size) for path, size in sizes if path == "/" or path.startswith("/static/")]
    assert 10_000 < sum(size for _, size in own) < 150_000
    code = [path for path, _ in own if path.endswith((".js", ".css"))]
    assert len(code) == len(set(code)), "nothing is asked for twice"
    scripts = {path for path in code if path.endswith(".js")}
    preloaded = await visitor.page.evaluate(
        """() => [...document.querySelectorAll('link[rel=modulepreload], script[src]')]
          .map((one) => new URL(one.href || one.src).pathname)"""
    )
    assert scripts == set(preloaded)
    for path in sorted(scripts)[:3]:
        answer = await call(rooms[0].url, "GET", path, headers={"Accept-Encoding": "gzip"}, auto_decompress=False)
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Content-Encoding"] == "gzip"


async def test_it_can_be_installed(rooms: Rooms, arrive: Arrive) -> None:
    """Chromium finds nothing wrong with the manifest or its icons."""
    visitor = await (await arrive(rooms[0].url, worker=True)).enter("Reading")
    await is_installed(visitor)
    session = await visitor.context.new_cdp_session(visitor.page)
    manifest = await session.send("Page.getAppManifest")
    assert manifest["errors"] == []
    assert json.loads(manifest["data"])["display"] == "standalone"
    problems = (await session.send("Page.getInstallabilityErrors"))["installabilityErrors"]
    # A profile that leaves no trace installs nothing; that is all there may be against it.
    assert {one["errorId"] for one in problems} <= {"in-incognito"}
