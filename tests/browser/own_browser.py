"""A browser of a test's own: a process over a profile on disk, which may be quit, killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from pathlib import Path

from playwright.async_api import BrowserContext, Error, Playwright

from tests.support.chromium import find_chromium, launch_arguments

GONE_WITHIN_S = 20.0


class OwnBrowser:
    """Cookies, storage and service workers lie on disk, as with a person's own browser."""

    def __init__(self, driver: Playwright) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="idling-browser-"))
        self._driver = driver
        self._context: BrowserContext | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *arguments: str) -> BrowserContext:
        """Start it over what it kept. Its one page shows nothing yet."""
        self._context = await self._driver.chromium.launch_persistent_context(
            self.folder, executable_path=find_chromium(), args=[*launch_arguments(), *arguments]
        )
        return self._context

    async def start_bare(self, *arguments: str) -> BrowserContext:
        """Start it as a person would: a tab that is not in front is hidden, and its timers are slowed down.

        (What drives browsers usually switches that off, so that tests do not depend on which tab is in front.)
        """
        self._process = await asyncio.create_subprocess_exec(
            str(find_chromium()),
            *launch_arguments(),
            "--headless=new",
            "--remote-debugging-port=0",
            f"--user-data-dir={self.folder}",
            *arguments,
            "about:blank",
            stderr=asyncio.subprocess.PIPE,
        )
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            if b"DevTools listening on " in line:
                address = line.decode().split()[-1]
                break
        else:
            raise AssertionError("the browser did not start")
        browser = await self._driver.chromium.connect_over_cdp(address, no_defaults=True)
        self._context = browser.contexts[0]
        return self._context

    async def quit(self) -> None:
        """End it in order, as by its menu: what it holds back (cookies, for half a minute) is written."""
        assert self._context is not None
        await self._context.close()
        self._context = None

    async def kill(self) -> None:
        """``kill -9`` of all its processes at once: none gets to write or to say goodbye."""
        assert self._context is not None
        assert self._context.browser is not None
        async with asyncio.timeout(GONE_WITHIN_S):
            session = await self._context.browser.new_browser_cdp_session()
            processes = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
        over = asyncio.Event()
        self._context.on("close", lambda _: over.set())
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process["id"], signal.SIGKILL)
        await asyncio.wait_for(over.wait(), GONE_WITHIN_S)
        self._context = None

    async def discard(self) -> None:
        """End it, in order if that goes, and drop its profile."""
        if self._process is not None:
            with contextlib.suppress(TimeoutError, Error):
                await self.kill()
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        elif self._context is not None:
            try:
                await asyncio.wait_for(self.quit(), GONE_WITHIN_S)
            except TimeoutError:
                await self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
