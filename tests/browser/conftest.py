"""Fixtures of the browser tests: Chromium, two instances, and visitors at them."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Playwright, async_playwright

from idling_ws.store.migrate import migrate
from scripts import node_packages
from tests.browser.own_browser import OwnBrowser
from tests.browser.visitor import Visitor
from tests.support.chromium import find_chromium, launch_arguments
from tests.support.instances import Instance, give_own_epoch, running_instances
from tests.support.servers import PostgresServer, RedisServer

ENDS_WITHIN_S = 30.0
Arrive = Callable[..., Awaitable[Visitor]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder; without a Chromium they are left out, and it is said."""
    here = Path(__file__).parent
    missing = pytest.mark.skip(
        reason="no Chromium: install the package `chromium`, or name one in IDLING_TEST_CHROMIUM"
    )
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if find_chromium() is None:
                item.add_marker(missing)


@pytest.fixture(scope="session")
def browser_template(postgres: PostgresServer) -> str:
    """The name of a database that has every migration."""

    def fill(url: str) -> None:
        migrate(url)

    return postgres.create_template("template_browser", fill)


@pytest.fixture(scope="session")
def rooms(
    postgres: PostgresServer, redis_server: RedisServer, browser_template: str
) -> Iterator[tuple[Instance, Instance]]:
    """Two instances of one deployment, shared by all tests that leave them as they were."""
    url = postgres.create_database(browser_template)
    give_own_epoch(url)
    with running_instances(url, redis_server.url) as (a, b):
        yield a, b
    postgres.drop_database(url)


@pytest.fixture
def own_room(postgres: PostgresServer, redis_server: RedisServer, browser_template: str) -> Iterator[Instance]:
    """An instance of the test's own, which it may kill."""
    url = postgres.create_database(browser_template)
    give_own_epoch(url)
    with running_instances(url, redis_server.url, 1) as (instance,):
        yield instance
    postgres.drop_database(url)


async def ended(ending: Awaitable[None]) -> None:
    """Wait for an end, but not for ever: whoever does not end goes with this process."""
    try:
        await asyncio.wait_for(ending, ENDS_WITHIN_S)
    except TimeoutError:
        warnings.warn("the browser has not ended in time", stacklevel=2)


@pytest_asyncio.fixture(scope="session")
async def driver() -> AsyncIterator[Playwright]:
    """What starts browsers and talks to them."""
    playwright = await async_playwright().start()
    yield playwright
    await ended(playwright.stop())


@pytest_asyncio.fixture(scope="session")
async def chromium(driver: Playwright) -> AsyncIterator[Browser]:
    """One browser for all; each visitor has a profile of their own in it."""
    browser = await driver.chromium.launch(executable_path=find_chromium(), args=launch_arguments())
    yield browser
    await ended(browser.close())


@pytest_asyncio.fixture
async def own_browser(driver: Playwright) -> AsyncIterator[OwnBrowser]:
    """A browser of the test's own, which it may kill."""
    browser = OwnBrowser(driver)
    yield browser
    await browser.discard()


@pytest_asyncio.fixture
async def arrive(chromium: Browser) -> AsyncIterator[Arrive]:
    """Let somebody arrive: ``await arrive(url)``. At the end every page must have behaved."""
    visitors: list[Visitor] = []

    async def one_more(base: str, **options: Any) -> Visitor:
        visitor = await Visitor.arrive(chromium, base, **options)
        visitors.append(visitor)
        return visitor

    yield one_more
    behaved = await asyncio.gather(*(visitor.behaved() for visitor in visitors), return_exceptions=True)
    await asyncio.gather(*(visitor.leave() for visitor in visitors))
    for problem in behaved:
        if problem is not None:
            raise problem


@pytest.fixture(scope="session")
def axe() -> str:
    """The script that looks."""
    missing = node_packages.install()
    if missing is not None:
        pytest.skip(f"axe is an npm package: {missing}")
    return (node_packages.MODULES / "axe-core" / "axe.min.js").read_text()
