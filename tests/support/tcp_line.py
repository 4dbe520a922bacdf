"""A client's TCP connection as a test needs it: it can be left unread, and cut."""

from __future__ import annotations

import asyncio
from typing import Self, cast


class TcpLine:
    """A connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @property
    def _transport(self) -> asyncio.Transport:
        # A stream's is announced as one that only writes; a socket's does both.
        return cast("asyncio.Transport", self.writer.transport)

    def pause(self) -> None:
        """Take nothing more off the network."""
        self._transport.pause_reading()

    def unpause(self) -> None:
        """Take it off again."""
        self._transport.resume_reading()

    def cut(self) -> None:
        """End the connection as a broken network does: at once, with a reset."""
        self._transport.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
