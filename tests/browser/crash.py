"""How a page ends when nobody asked it: its process is gone from one moment to the next."""

from __future__ import annotations

import asyncio

from playwright.async_api import Page


async def crash(page: Page) -> None:
    """Kill the page's process, and wait until the browser has noticed."""
    session = await page.context.new_cdp_session(page)
    async with page.expect_event("crash"):
        # Nobody is left to answer.
        unanswered = asyncio.ensure_future(session.send("Page.crash"))
    unanswered.cancel()
