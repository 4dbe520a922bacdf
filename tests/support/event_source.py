"""Server-Sent Events by hand (WHATWG HTML, section 9.2), over a bare TCP connection."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.support.raw_socket import TIMEOUT_S, RefusedError, open_connection, read_head
from tests.support.tcp_line import TcpLine


@dataclass(frozen=True, slots=True)
class Event:
    """One dispatched event; ``id`` is the last that was set, as a browser would send it back."""

    kind: str
    data: Any
    id: str


class EventSource(TcpLine):
    """An open stream. ``last_id`` is what a browser would come back with."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, last_id: str) -> None:
        super().__init__(reader, writer)
        self.last_id = last_id
        self.comments: list[str] = []
        self.retry_ms: int | None = None
        self._lines: list[str] = []
        self._rest = b""

    async def next(self, *, timeout_s: float = TIMEOUT_S) -> Event:
        """Return the next event but for news of the server's health, which come when they come.

        Raises ``EOFError`` at the end of the stream.
        """
        while True:
            event = await self.next_any(timeout_s=timeout_s)
            if event.kind != "notice" or event.data.get("topic") != "health":
                return event

    async def next_any(self, *, timeout_s: float = TIMEOUT_S) -> Event:
        """Return the next event, whatever it is. Raises ``EOFError`` at the end of the stream."""
        kind = "message"
        data: list[str] = []
        async with asyncio.timeout(timeout_s):
            while True:
                line = await self._line()
                if not line:
                    if data:
                        return Event(kind, json.loads("\n".join(data)), self.last_id)
                    kind = "message"
                elif line.startswith(":"):
                    self.comments.append(line[1:].strip())
                else:
                    name, _, value = line.partition(":")
                    value = value.removeprefix(" ")
                    if name == "event":
                        kind = value
                    elif name == "data":
                        data.append(value)
                    elif name == "id":
                        self.last_id = value
                    elif name == "retry":
                        self.retry_ms = int(value)

    async def ended(self) -> None:
        """Read to the end of the stream."""
        while True:
            try:
                await self.next()
            except EOFError:
                return

    async def _line(self) -> str:
        while b"\n" not in self._rest:
            size = int(await self._crlf() or b"0", 16)  # chunked, as HTTP/1.1 has it without a length
            if size == 0:
                raise EOFError
            self._rest += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    async def _crlf(self) -> bytes:
        try:
            return (await self.reader.readuntil(b"\r\n"))[:-2]
        except (asyncio.IncompleteReadError, ConnectionError):
            raise EOFError from None


async def listen(
    base: str, token: str | None, cursor: str | None = None, *, last_event_id: str | None = None, **more: Any
) -> EventSource:
    """Open ``/api/events`` as an event stream. ``headers`` add to the request; ``rcvbuf`` bounds the kernel.

    Raises ``RefusedError``.
    """
    reader, writer = await open_connection(base, more.get("rcvbuf"))
    headers = {"Host": urlsplit(base).netloc, "Accept": "text/event-stream", **more.get("headers", {})}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    query = "" if cursor is None else f"?cursor={cursor}"
    lines = [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([f"GET /api/events{query} HTTP/1.1", *lines, "", ""]).encode("latin-1"))
    async with asyncio.timeout(TIMEOUT_S):
        status, answered = await read_head(reader)
    if status != 200:
        writer.transport.abort()
        raise RefusedError(status, answered, "")
    assert answered["content-type"] == "text/event-stream; charset=utf-8"
    assert answered["cache-control"] == "no-store"
    assert answered["transfer-encoding"] == "chunked"
    return EventSource(reader, writer, last_event_id or "")
