"""What does not work is said in words beside the line; and what is wrong with the page itself is reported."""

from __future__ import annotations

import asyncio

from playwright.async_api import expect

from tests.browser.conftest import Arrive
from tests.browser.visitor import eventually, is_installed
from tests.support.instances import Instance
from tests.support.wire_client import metric

Rooms = tuple[Instance, Instance]

CLOSED_AS_NOBODY = 'idling_socket_closes_total{code="4001"}'


async def test_the_chip_says_what_cannot_be_done_and_when_it_can_again(rooms: Rooms, arrive: Arrive) -> None:
    """The line is up all the while; of several things the one that matters most is said."""
    visitor = await (await arrive(rooms[0].url, gated=True)).enter("Reading")
    await visitor.is_live()
    assert visitor.gate is not None

    def health(**abilities: bool) -> None:
        assert visitor.gate is not None
        data = {"saving": True, "uploads": True, "prompt": True, **abilities}
        visitor.gate.say({"type": "notice", "topic": "health", "data": data})

    health(saving=False, uploads=False)
    await expect(visitor.chip).to_have_text("live, but not saving just now")
    await visitor.chip.click()
    details = visitor.page.locator("#connection-details")
    await expect(details).to_contain_text("kept on this device and sent, once, as soon as it can be")
    health(prompt=False)
    await expect(visitor.chip).to_have_text("live, a little behind")
    await expect(details).to_contain_text("two seconds later")
    health(uploads=False)
    await expect(visitor.chip).to_have_text("live, no pictures just now")
    health()
    await visitor.is_live()


async def test_the_first_visit_of_a_newcomer_is_no_error(rooms: Rooms, arrive: Arrive) -> None:
    """The page asks whether somebody is in, and shows the door: nothing of it is on the board of errors."""
    a = rooms[0]
    before = await metric(a.url, "idling_errors_total"), await metric(a.url, CLOSED_AS_NOBODY)
    visitor = await arrive(a.url)
    await expect(visitor.page.locator("welcome-view input")).to_be_visible()
    async with asyncio.timeout(60):
        while await metric(a.url, CLOSED_AS_NOBODY) == before[1]:
            await asyncio.sleep(0.1)
    assert await metric(a.url, "idling_errors_total") == before[0]


async def test_a_fault_of_the_page_is_reported_without_a_word_of_anybody(rooms: Rooms, arrive: Arrive) -> None:
    """By its name and place, in a post that outlives the page."""
    a = rooms[0]
    before = await metric(a.url, 'idling_browser_errors_total{name="EvalError"}')
    visitor = await (await arrive(a.url)).enter("Reading")
    await visitor.page.evaluate(
        """() => {
            const error = new EvalError('a secret of mine');
            const filename = `${location.origin}/static/js/page/door.js?secret=1`;
            for (let n = 0; n < 3; n += 1) dispatchEvent(new ErrorEvent('error', { error, filename, lineno: 4321 }));
        }"""
    )
    await visitor.page.goto("about:blank")
    async with asyncio.timeout(60):
        while await metric(a.url, 'idling_browser_errors_total{name="EvalError"}') < before + 3:
            await asyncio.sleep(0.1)
    assert a.logged("a page had EvalError in /static/js/page/door.js:4321")
    assert a.logged("secret of mine") + a.logged("secret=1") == []


async def test_a_fault_of_the_service_worker_is_reported_by_its_place(rooms: Rooms, arrive: Arrive) -> None:
    """The worker that runs in the browser, with a storage that fails: in the module that asked for it."""
    a = rooms[0]
    before = await metric(a.url, 'idling_browser_errors_total{name="EvalError"}')
    no_line_before = await metric(a.url, 'idling_browser_errors_total{name="TypeError"}')
    visitor = await (await arrive(a.url, worker=True)).enter("Reading")
    await is_installed(visitor)
    await eventually(lambda: bool(visitor.context.service_workers))
    worker = visitor.context.service_workers[0]
    await worker.evaluate("() => { caches.open = () => Promise.reject(new EvalError('a secret of the worker')); }")
    failed = "() => fetch('/api/emojis/popular').then(() => false, () => true)"
    assert await visitor.page.evaluate(failed)
    # That there is no line is no fault of anybody's.
    await worker.evaluate(
        """() => {
            delete caches.open;
            const { fetch } = self;
            self.fetch = (what, how) => (how ? fetch(what, how) : Promise.reject(new TypeError('no line')));
        }"""
    )
    assert await visitor.page.evaluate(failed)
    async with asyncio.timeout(60):
        while await metric(a.url, 'idling_browser_errors_total{name="EvalError"}') < before + 1:
            await asyncio.sleep(0.1)
    assert a.logged("a page had EvalError in /static/js/worker/answers.js:")
    assert a.logged("secret of the worker") == []
    assert await metric(a.url, 'idling_browser_errors_total{name="EvalError"}') == before + 1, "once"
    assert await metric(a.url, 'idling_browser_errors_total{name="TypeError"}') == no_line_before
