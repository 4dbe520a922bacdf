"""A stand-in for another instance: it commits entries in bulk, and announces them as fast as they are taken.

What comes of it on the instance that receives is the same as of a real one (the rows are there, heads
agree, gaps can be read); a real one would be busy with the changes themselves, at a fiftieth of the pace.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Self, cast
from urllib.parse import urlsplit

import hiredis
import psycopg2
from psycopg2.extras import execute_values

from idling_ws.store.redis import Keys

SLICE = 4000
_pack: Callable[[tuple[bytes | str, ...]], bytes] = cast("Any", hiredis.pack_command)
_SEQ = re.compile(rb'"seq":\d+')


def drawn_evenly(draw: random.Random, among: Sequence[int], count: int) -> list[int]:
    """Draw so many by lot, nobody twice before all had a turn."""
    drawn: list[int] = []
    while len(drawn) < count:
        drawn += draw.sample(among, min(len(among), count - len(drawn)))
    return drawn


class Publisher(asyncio.Protocol):
    """A line to Redis on which things are only published."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # a stream connection's is one

    @classmethod
    async def connect(cls, url: str) -> Self:
        """Connect to ``scheme://host:port`` or ``unix://path``."""
        parts, loop = urlsplit(url), asyncio.get_running_loop()
        if parts.scheme == "unix":
            _, publisher = await loop.create_unix_connection(cls, parts.path)
        else:
            _, publisher = await loop.create_connection(cls, parts.hostname or "127.0.0.1", parts.port or 6379)
        return publisher

    def publish(self, messages: Iterable[tuple[bytes, bytes]]) -> None:
        """Publish all of these in one write."""
        assert self._transport is not None
        self._transport.write(b"".join([self.spelled(channel, message) for channel, message in messages]))

    def spelled(self, channel: bytes, message: bytes) -> bytes:
        """Return the bytes that publish ``message``."""
        return _pack((b"PUBLISH", channel, message))

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.close()


class Poster(Publisher):
    """A line to an HTTP server, to which things are posted one behind the other."""

    def spelled(self, channel: bytes, message: bytes) -> bytes:
        """Return the request."""
        return b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%b" % (channel, len(message), message)


class Announcer:
    """Commits and announces entries for single users; each looks like ``frame`` but for its number."""

    def __init__(
        self, database_url: str, publisher: Publisher, keys: Keys, heads: dict[int, int], frame: bytes
    ) -> None:
        self._database_url = database_url
        self._publisher = publisher
        self._keys = keys
        self._heads = heads
        self._before, self._after = _SEQ.split(frame, maxsplit=1)
        self._users = list(heads)
        self._draw = random.Random(1)
        self._ready: list[tuple[bytes, bytes]] = []

    def commit(self, count: int, *, evenly: bool = False) -> None:
        """Write so many for users drawn by lot, ``evenly``: nobody twice before all had one.

        They are announced by ``send``, in their order.
        """
        rows: list[tuple[Any, ...]] = []
        now = datetime.now(UTC)
        for user_id in self._drawn(count, evenly):
            seq = self._heads[user_id] = self._heads[user_id] + 1
            frame = b'%b"seq":%d%b' % (self._before, seq, self._after)
            rows.append((user_id, seq, frame.decode(), now))
            self._ready.append((self._keys.stream(user_id), b"%d %b" % (seq, frame)))
        self._ready.reverse()
        connection = psycopg2.connect(self._database_url)
        with connection, connection.cursor() as cursor:
            execute_values(cursor, "INSERT INTO entries (user_id, seq, frame, at) VALUES %s", rows, page_size=SLICE)
            execute_values(
                cursor,
                "UPDATE streams s SET seq = v.seq FROM (VALUES %s) v (user_id, seq) WHERE s.user_id = v.user_id",
                [(user_id, self._heads[user_id]) for user_id in {row[0] for row in rows}],
                page_size=SLICE,
            )
        connection.close()

    def _drawn(self, count: int, evenly: bool) -> list[int]:
        return drawn_evenly(self._draw, self._users, count) if evenly else self._draw.choices(self._users, k=count)

    def send(self, count: int) -> None:
        """Announce the next ``count`` of what was committed."""
        self._publisher.publish([self._ready.pop() for _ in range(count)])
