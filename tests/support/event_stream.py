"""A listener on ``/api/events`` as an ``EventSource`` is one: events with their data, in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

TIMEOUT_S = 60.0


class EventStream:
    """An open stream."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def next(self) -> tuple[str, Any] | None:
        """Return name and data of the next event, None at the end. Comments pass by."""
        name, data = "message", ""
        async with asyncio.timeout(TIMEOUT_S):
            async for raw in self._response.content:
                line = raw.decode().rstrip("\n")
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    data = value
                elif not line and data:
                    return name, json.loads(data)
        return None

    async def expect(self, wanted: str) -> Any:
        """Return the data of the next event of that name; others pass by."""
        while (event := await self.next()) is not None:
            if event[0] == wanted:
                return event[1]
        raise AssertionError(f"the stream ended without {wanted}")


@asynccontextmanager
async def listen(base: str, headers: Mapping[str, str]) -> AsyncIterator[EventStream]:
    """Listen for the length of the block; the welcome has come."""
    wanted = {"Accept": "text/event-stream", **headers}
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.get(f"{base}/api/events", headers=wanted) as response,
    ):
        assert response.status == 200, await response.text()
        stream = EventStream(response)
        await stream.expect("welcome")
        yield stream
