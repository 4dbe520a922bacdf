"""One link to PostgreSQL: aiopg's connection, with what goes wrong beneath it fenced.

Traps of aiopg 1.4 and libpq (``_Link``, ``_Watched``, ``connect``). A query that ran into
``statement_timeout`` surfaces as ``CancelledError``, which would look like our own task
being cancelled. libpq looks names up on the calling thread and opens a second socket
when the first address does not answer, which aiopg would never hear of: names are
resolved before, and addresses tried one by one. And libpq closes the descriptor of a
broken connection while the loop still watches it; with uvloop that number then fails
for whoever gets it next.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from typing import Any

import aiopg
import psycopg2
import psycopg2.extensions

from idling_ws.domain.errors import UnavailableError

# The server gives up first, so that a slow statement ends as an error and not as a
# dead connection; the client's own deadline is for a server that does not answer at all.
STATEMENT_TIMEOUT_MS = 1500
LOCK_TIMEOUT_MS = 1000
IDLE_IN_TRANSACTION_MS = 3000
OPERATION_TIMEOUT_S = 2.0

# Said before whatever begins a transaction, in the same message, and never to a session: one that a
# pooler lends to others between two transactions must not remember us, and cannot be relied on to.
# A message of several statements is one transaction by itself (PostgreSQL's manual, 55.2.2.1).
# Measured: 16 µs of the server and 1 of ours.
SETTINGS = (
    f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}; SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}; "
    f"SET LOCAL idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MS}; "
    "SET LOCAL timezone = 'UTC'; SET LOCAL jit = off; "
)


async def connect(url: str) -> tuple[Any, Any]:
    """Return a connection and its cursor.

    Made to the first address that answers; each gets its share of the caller's time. Raises
    ``UnavailableError``, or what libpq said of the last address.
    """
    addresses = await _addresses(url)
    for address in addresses:
        try:
            async with asyncio.timeout(OPERATION_TIMEOUT_S / len(addresses)):
                conn = await _Watched(
                    url,
                    OPERATION_TIMEOUT_S,
                    enable_json=False,
                    enable_hstore=False,
                    enable_uuid=False,
                    application_name="idling-ws",
                    connection_factory=_Link,
                    **address,
                )
                try:
                    cursor = await conn.cursor()
                except BaseException:
                    conn.close()
                    raise
                return conn, cursor
        except (psycopg2.OperationalError, TimeoutError):
            if address is addresses[-1]:
                raise
    raise UnavailableError  # the name has no address


async def _addresses(url: str) -> list[dict[str, Any]]:
    """Return what to add to ``url`` for each address of its host. Raises ``OSError`` for an unknown name.

    Nothing is added to a socket folder, an address, or a list of hosts, which libpq takes as they are.
    """
    parts = psycopg2.extensions.parse_dsn(url)
    host = parts.get("host", "")
    if not host or host[0] in "/@" or "," in host or "hostaddr" in parts:
        return [{}]
    try:
        ipaddress.ip_address(host)
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return [{"hostaddr": address} for address in dict.fromkeys(str(info[4][0]) for info in found)]
    return [{}]


class _Link(psycopg2.extensions.connection):
    """libpq's connection, watched through a descriptor of our own: it is valid until we close it."""

    _watched: int | None = None

    def fileno(self) -> int:
        if self._watched is None:
            self._watched = os.dup(super().fileno())
        return self._watched

    def close(self) -> None:
        super().close()
        watched, self._watched = self._watched, None
        if watched is not None:
            os.close(watched)


class _Watched(aiopg.Connection):
    """A connection that closes itself once its server has gone, in use or not; and only once."""

    _is_over = False

    def _close(self) -> None:
        # A second time its descriptor's number may be somebody else's: a client's, of which uvloop would
        # complain, or another connection's, which nobody would watch any more.
        if not self._is_over:
            self._is_over = True
            super()._close()

    @staticmethod
    def _ready(weak_self: Any) -> None:
        aiopg.Connection._ready(weak_self)  # noqa: SLF001 -- its own subclass
        self = weak_self()
        if self is not None and self.closed:
            self.close()

    async def _poll(self, waiter: asyncio.Future[None], timeout: float) -> None:
        self._ready(self._weakref)
        timer = self._loop.call_later(timeout, _expire, waiter)
        try:
            await waiter
        except (asyncio.CancelledError, TimeoutError):
            self.close()
            raise
        finally:
            timer.cancel()
            self._waiter = None


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
