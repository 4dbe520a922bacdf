"""The fence around aiopg: connections with deadlines, and one kind of failure.

Outside this module and ``link`` nobody sees a psycopg2 error. What the database could not
do in time becomes ``UnavailableError`` (nothing is known to have happened); a unique
index that said no becomes ``UniqueViolationError``; anything else is a defect and
passes through.

aiopg's pool connects while it holds its lock, so that one slow connect makes everybody
wait: the pool here is our own. A timed-out query goes on in the server, so its
connection is closed, never reused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg2
import psycopg2.errors
import psycopg2.extensions

from idling_ws.domain.errors import UnavailableError
from idling_ws.store.link import OPERATION_TIMEOUT_S, SETTINGS, connect

Row = tuple[Any, ...]
Params = Sequence[Any]

# A connection that nobody needed for so long is closed rather than used again.
IDLE_CONNECTION_S = 600.0
# So long a write that was refused for want of room says that the next one would be.
FULL_FOR_S = 15.0


class UniqueViolationError(Exception):
    """A unique index said no; ``constraint`` is its name."""

    def __init__(self, constraint: str) -> None:
        self.constraint = constraint
        super().__init__(constraint)


class LockTimeoutError(UnavailableError):
    """Somebody else holds a row for too long. The connection is fine."""


def _translated(exc: Exception) -> Exception:
    """Return what ``exc`` means to the rest of the program; itself when it is a defect."""
    if isinstance(exc, psycopg2.errors.UniqueViolation):
        return UniqueViolationError(exc.diag.constraint_name or "")
    if isinstance(exc, (psycopg2.errors.LockNotAvailable, psycopg2.errors.DeadlockDetected)):
        return LockTimeoutError()
    if isinstance(exc, (psycopg2.OperationalError, psycopg2.InterfaceError, TimeoutError, OSError)):
        return UnavailableError()
    if type(exc) is psycopg2.DatabaseError:
        return UnavailableError()  # a closed connection comes back as the bare base class; subclasses are defects
    if isinstance(exc, psycopg2.InternalError) and (exc.pgcode or "").startswith("25"):
        # The server ended a transaction that stood still, or has become a read-only one.
        return UnavailableError()
    return exc


class Connection:
    """One checked-out connection: statements one after another, autocommit unless in BEGIN."""

    __slots__ = ("_conn", "_cursor", "_on_full", "_released", "_until")

    def __init__(self, conn: Any, cursor: Any, on_full: Callable[[], None]) -> None:
        self._conn = conn
        self._cursor = cursor
        self._on_full = on_full
        self._released = False
        self._until: float | None = None

    def give_up_in(self, seconds: float) -> None:
        """Let everything run on it from now on be over in so many seconds, until this is called again."""
        self._until = asyncio.get_running_loop().time() + seconds

    async def run(self, sql: str, params: Params | None = None, *, timeout_s: float | None = None) -> list[Row]:
        """Run ``sql`` (one statement, or several separated by ``;``) and return the last one's rows.

        Raises ``UnavailableError`` when the database did not do it or did not say,
        ``UniqueViolationError`` when a unique index forbids it.
        """
        limit_s = timeout_s or OPERATION_TIMEOUT_S
        if self._until is not None:
            limit_s = min(limit_s, self._until - asyncio.get_running_loop().time())
            if limit_s <= 0:
                self.discard()
                raise UnavailableError
        try:
            if self.idle:
                sql = SETTINGS + sql
            await self._cursor.execute(sql, params, timeout=limit_s)
            raw = self._cursor.raw
            return raw.fetchall() if raw.description is not None else []
        except Exception as exc:
            meaning = _translated(exc)
            if isinstance(exc, psycopg2.InternalError):
                self.discard()
            if isinstance(exc, psycopg2.errors.DiskFull):
                self._on_full()
            if meaning is exc:
                raise
            raise meaning from exc

    @property
    def row_count(self) -> int:
        """Rows touched by the last statement."""
        return int(self._cursor.raw.rowcount)

    def discard(self) -> None:
        """Close it at once: whatever it was doing is undone by the server."""
        self._conn.close()

    def take_back(self) -> tuple[Any, Any] | None:
        """End the loan: return what was lent, and None when that was done before."""
        if self._released:
            return None
        self._released = True
        return self._conn, self._cursor

    @property
    def closed(self) -> bool:
        """Whether it can still be used."""
        return bool(self._conn.closed)

    @property
    def idle(self) -> bool:
        """Whether no transaction is open on it."""
        return bool(self._conn.raw.get_transaction_status() == psycopg2.extensions.TRANSACTION_STATUS_IDLE)


class Database:
    """A pool of connections to one PostgreSQL server, made when they are needed."""

    def __init__(self, url: str, *, max_size: int = 10) -> None:
        self._url = url
        self.max_size = max_size
        self._slots = asyncio.Semaphore(max_size)
        # The latest used comes first: what is not needed grows old and goes.
        self._free: list[tuple[Any, Any]] = []
        self._used: set[Any] = set()
        self._is_open = False
        self._full_at = float("-inf")
        self.waiting = 0
        self.waits = 0
        self.waited_s = 0.0

    async def open(self) -> None:
        """Let connections be made. None is yet: a database that is away does not stop us here."""
        self._is_open = True

    async def close(self) -> None:
        """Close every connection, those in use as well; whoever waits for one gets ``UnavailableError``."""
        self._is_open = False
        for conn in [*self._used, *(conn for conn, _ in self._free)]:
            conn.close()
        self._free.clear()
        for _ in range(self.max_size):
            self._slots.release()

    async def acquire(self, *, timeout_s: float | None = None) -> Connection:
        """Check a connection out; give it back with ``release``. Raises ``UnavailableError``."""
        try:
            async with asyncio.timeout(OPERATION_TIMEOUT_S if timeout_s is None else timeout_s):
                if self._slots.locked():
                    await self._wait_for_slot()
                else:
                    await self._slots.acquire()
                try:
                    if not self._is_open:
                        raise UnavailableError
                    conn, cursor = self._take_free() or await connect(self._url)
                except BaseException:
                    self._slots.release()
                    raise
        except Exception as exc:
            meaning = _translated(exc)
            if meaning is exc:
                raise
            raise meaning from exc
        self._used.add(conn)
        return Connection(conn, cursor, self._note_full)

    async def _wait_for_slot(self) -> None:
        """Take a slot when none is free, and count what that took."""
        loop = asyncio.get_running_loop()
        since = loop.time()
        self.waits += 1
        self.waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self.waiting -= 1
            self.waited_s += loop.time() - since

    def _take_free(self) -> tuple[Any, Any] | None:
        now = asyncio.get_running_loop().time()
        while self._free:
            conn, cursor = self._free.pop()
            if not conn.closed and now - conn.last_usage < IDLE_CONNECTION_S:
                return conn, cursor
            conn.close()
        return None

    def release(self, connection: Connection) -> None:
        """Give a connection back; a second time does nothing. One with an open transaction is closed."""
        lent = connection.take_back()
        if lent is None:
            return
        if not connection.closed and (not connection.idle or not self._is_open):
            connection.discard()
        if not connection.closed:
            self._free.append(lent)
        self._used.discard(lent[0])
        self._slots.release()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Hold one connection for a block."""
        connection = await self.acquire()
        try:
            yield connection
        finally:
            self.release(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Hold one connection in a transaction: committed unless the block raises, and then undone by ``release``."""
        async with self.connection() as connection:
            await connection.run("BEGIN")
            yield connection
            await connection.run("COMMIT")

    async def run(self, sql: str, params: Params | None = None, *, timeout_s: float | None = None) -> list[Row]:
        """Run one statement on a connection of its own and return its rows."""
        async with self.connection() as connection:
            return await connection.run(sql, params, timeout_s=timeout_s)

    def _note_full(self) -> None:
        self._full_at = asyncio.get_running_loop().time()

    async def state(self) -> str:
        """Ask how it is: ``ok``, ``read only`` or ``full``. Raises ``UnavailableError``."""
        rows = await self.run("SELECT current_setting('transaction_read_only') = 'on'")
        return "read only" if rows[0][0] else "full" if self.is_full else "ok"

    @property
    def is_full(self) -> bool:
        """Whether it refused a change a moment ago because it has no room."""
        return asyncio.get_running_loop().time() - self._full_at < FULL_FOR_S

    @property
    def in_use(self) -> int:
        """Connections checked out now."""
        return len(self._used)
