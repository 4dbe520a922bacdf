"""A raw line to Redis: commands in one write, replies and messages in one read.

redis.asyncio costs a task switch and several objects per command and per message; on
the way of every entry that is most of the bill (measured 3.5 x on subscriptions). This
is the small part of a client that delivery needs: pipelines whose replies come in
order, and pushed messages handed over chunk by chunk. hiredis does the parsing.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis

Command = tuple[bytes | int | str, ...]
_pack: Callable[[Command], bytes] = cast("Any", hiredis.pack_command)
_PUSHED = frozenset({b"message", b"smessage", b"subscribe", b"unsubscribe", b"ssubscribe", b"sunsubscribe"})


class RedisLine(asyncio.Protocol):
    """One connection. ``on_pushed`` gets the pushed messages of each chunk read; ``on_lost`` the end."""

    def __init__(self, on_pushed: Callable[[list[list[Any]]], None], on_lost: Callable[[], None]) -> None:
        self._on_pushed = on_pushed
        self.on_lost = on_lost
        self._reader = hiredis.Reader()
        self._replies: deque[tuple[asyncio.Future[list[Any]], int]] = deque()
        self._partial: list[Any] = []
        self._transport: asyncio.Transport | None = None
        self.refusal = ""
        """What Redis said for which the line was given up, where it said anything."""

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        timeout_s: float,
        on_pushed: Callable[[list[list[Any]]], None] = lambda messages: None,
        on_lost: Callable[[], None] = lambda: None,
    ) -> RedisLine:
        """Connect and sign in to ``redis://``, ``rediss://`` or ``unix://``.

        Raises ``OSError`` (with ``TimeoutError`` among them) when that fails.
        """
        parts = urlsplit(url)
        loop = asyncio.get_running_loop()
        line = cls(on_pushed, on_lost)
        async with asyncio.timeout(timeout_s):
            if parts.scheme == "unix":
                await loop.create_unix_connection(lambda: line, unquote(parts.path))
            else:
                tls = ssl.create_default_context() if parts.scheme == "rediss" else None
                await loop.create_connection(lambda: line, parts.hostname or "127.0.0.1", parts.port or 6379, ssl=tls)
            try:
                await line._greet(_greeting(url))
            except BaseException:
                line.close()
                raise
        return line

    async def _greet(self, commands: list[Command]) -> None:
        """Sign in, and hear that somebody answers: a frozen Redis still accepts connections."""
        for reply in await self.send(commands):
            if isinstance(reply, Exception):
                raise OSError(f"Redis refuses: {reply}")

    @property
    def closed(self) -> bool:
        """Whether the line is down."""
        return self._transport is None or self._transport.is_closing()

    def send(self, commands: list[Command]) -> asyncio.Future[list[Any]]:
        """Write all ``commands`` at once; the future gets their replies, errors among them as values.

        It ends in ``ConnectionError`` when the line breaks first.
        """
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        if self.closed:
            future.set_exception(ConnectionResetError("no line to Redis"))
            return future
        self._replies.append((future, len(commands)))
        self.write(commands)
        return future

    def write(self, commands: Iterable[Command]) -> None:
        """Write commands that are answered by pushed messages (``SUBSCRIBE`` and its kind)."""
        if self._transport is not None:
            self._transport.write(b"".join([_pack(command) for command in commands]))

    def close(self) -> None:
        """End it at once; nobody waits for what is under way."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]  # a stream connection's is a Transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whoever waits for a reply."""
        self._transport = None
        while self._replies:
            future, _ = self._replies.popleft()
            if not future.done():
                future.set_exception(ConnectionResetError("the line to Redis broke"))
        self.on_lost()

    def data_received(self, data: bytes) -> None:
        """Sort replies from messages."""
        self._reader.feed(data)
        pushed: list[list[Any]] = []
        try:
            while (item := self._reader.gets()) is not False:
                if type(item) is list and item and type(item[0]) is bytes and item[0] in _PUSHED:
                    pushed.append(item)
                else:
                    self._reply(item)
        except hiredis.ProtocolError:
            self.close()
        if pushed:
            self._on_pushed(pushed)

    def _reply(self, item: Any) -> None:
        if not self._replies:
            self.refusal = str(item) if isinstance(item, Exception) else ""
            self.close()  # an answer nobody asked for: the line cannot be trusted any more
            return
        self._partial.append(item)
        future, expected = self._replies[0]
        if len(self._partial) == expected:
            self._replies.popleft()
            replies, self._partial = self._partial, []
            if not future.done():
                future.set_result(replies)


def _greeting(url: str) -> list[Command]:
    """Return what to say first on a line to ``url``."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    commands: list[Command] = []
    secret = unquote(parts.password) if parts.password else query.get("password", [""])[0]
    if secret:
        user = unquote(parts.username) if parts.username else ""
        commands.append(("AUTH", user, secret) if user else ("AUTH", secret))
    database = query.get("db", [""])[0] or ("" if parts.scheme == "unix" else parts.path.strip("/"))
    if database:
        commands.append(("SELECT", database))
    commands.append(("PING",))
    return commands
