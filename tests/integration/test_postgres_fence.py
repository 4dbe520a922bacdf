"""The fence around aiopg: whatever the server does, callers hear one kind of failure, in time, and it heals.

The loop is uvloop, as in production: it is stricter than asyncio's about descriptors that were closed behind its back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from idling_ws.domain.errors import UnavailableError
from idling_ws.store.postgres import Database, LockTimeoutError, UniqueViolationError
from tests.support.rows import run_sql
from tests.support.servers import PostgresServer

# Far beyond every deadline: only a caller that hangs takes so long.
HANGS_S = 60.0

# A close that waited for a frozen server would stop the loop for as long as that is frozen: until the test gives up.
BLOCKED_S = 10.0


def with_database(url: str, work: Callable[[Database], Awaitable[None]], **options: Any) -> None:
    """Run ``work`` over a database of its own on uvloop."""

    async def run() -> None:
        database = Database(url, **options)
        await database.open()
        try:
            async with asyncio.timeout(HANGS_S * 2):
                await work(database)
        finally:
            await database.close()

    uvloop.run(run())


async def outcome(database: Database, sql: str = "SELECT 1") -> str:
    """Return how one statement ended."""
    try:
        await database.run(sql)
    except UnavailableError:
        return "unavailable"
    return "done"


async def outcomes(database: Database, count: int) -> set[str]:
    """Return how so many statements at once ended."""
    async with asyncio.timeout(HANGS_S):
        return set(await asyncio.gather(*[outcome(database) for _ in range(count)]))


async def until_done(database: Database) -> None:
    """Wait until the database answers."""
    while await outcome(database) != "done":
        await asyncio.sleep(0.05)


def test_a_frozen_server_is_unavailable_in_time_and_the_loop_goes_on() -> None:
    """More callers than connections, all of them answered; closing frozen connections blocks nobody."""

    async def work(database: Database) -> None:
        longest_s = 0.0

        async def watch_loop() -> None:
            nonlocal longest_s
            loop = asyncio.get_running_loop()
            while True:
                before = loop.time()
                await asyncio.sleep(0.01)
                longest_s = max(longest_s, loop.time() - before)

        assert await outcomes(database, 20) == {"done"}
        watch = asyncio.create_task(watch_loop())
        postgres.stop()
        assert await outcomes(database, 20) == {"unavailable"}
        postgres.cont()
        watch.cancel()
        assert longest_s < BLOCKED_S
        await until_done(database)
        assert await outcomes(database, 20) == {"done"}
        assert database.in_use == 0

    with PostgresServer() as postgres:
        with_database(postgres.url, work)


def test_a_killed_server_is_unavailable_at_once_and_heals_when_it_is_back() -> None:
    """Refused connections leave no descriptor behind that the loop would still watch."""

    async def work(database: Database) -> None:
        for _ in range(3):
            assert await outcomes(database, 20) == {"done"}
            postgres.kill()
            assert await outcomes(database, 20) == {"unavailable"}
            postgres.start()
        assert await outcomes(database, 20) == {"done"}
        assert database.in_use == 0

    with PostgresServer() as postgres:
        with_database(postgres.url, work)


def test_an_idle_connection_whose_server_went_is_closed_and_not_watched_on(postgres: PostgresServer) -> None:
    """Else the loop would be told of its end over and over."""

    async def work(database: Database) -> None:
        async with database.connection() as connection, database.connection() as other:
            pid = (await connection.run("SELECT pg_backend_pid()"))[0][0]
            await other.run("SELECT pg_terminate_backend(%s)", (pid,))
            while not connection.closed:
                await asyncio.sleep(0.01)
            assert connection._conn.raw._watched is None
        assert await outcomes(database, 2) == {"done"}

    with_database(postgres.url, work)


def test_a_statement_that_takes_too_long_is_unavailable_and_its_connection_stays(postgres: PostgresServer) -> None:
    """The server gives up first; that is not mistaken for our task being cancelled."""

    async def work(database: Database) -> None:
        async with database.connection() as connection:
            pid = await connection.run("SELECT pg_backend_pid()")
            with pytest.raises(UnavailableError):
                await connection.run("SET LOCAL statement_timeout = 50; SELECT pg_sleep(10)")
            assert pid == await connection.run("SELECT pg_backend_pid()")

    with_database(postgres.url, work)


def test_a_transaction_that_the_server_ended_is_unavailable(postgres: PostgresServer) -> None:
    """After a pause of ours (a frozen process) the client is told to ask again, not that we are broken."""

    async def work(database: Database) -> None:
        async with database.connection() as connection:
            await connection.run("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 50")
            async with database.connection() as other:
                while await other.run("SELECT FROM pg_stat_activity WHERE state = 'idle in transaction'"):
                    await asyncio.sleep(0.02)
            with pytest.raises(UnavailableError):
                await connection.run("COMMIT")
        assert await outcome(database) == "done"

    with_database(postgres.url, work)


def test_a_server_that_turned_read_only_is_unavailable_and_left(postgres: PostgresServer) -> None:
    """A primary that was demoted: the next connection may find the new one."""

    async def work(database: Database) -> None:
        async with database.connection() as connection:
            await connection.run("SET default_transaction_read_only = on")
            with pytest.raises(UnavailableError):
                await connection.run("CREATE TABLE nothing ()")
            assert connection.closed

    with_database(postgres.url, work)


def test_a_connection_is_closed_once_and_what_has_its_number_then_is_left_alone(postgres: PostgresServer) -> None:
    """An idle one whose server went lies in the pool: the loop may have given its descriptor to a client by then."""

    async def work(database: Database) -> None:
        ends: list[asyncio.StreamWriter] = []
        server = await asyncio.start_server(lambda reader, writer: ends.append(writer), "127.0.0.1", 0)
        async with database.connection() as connection, database.connection() as other:
            pid = (await connection.run("SELECT pg_backend_pid()"))[0][0]
            number, link = connection._conn._fileno, connection._conn
            # Given back last, so that it is what is taken next.
            database.release(other)
            database.release(connection)
        await asyncio.to_thread(run_sql, postgres.url, "SELECT pg_terminate_backend(%s)", pid)
        while not link.closed:
            await asyncio.sleep(0.01)
        while number not in [end.get_extra_info("socket").fileno() for end in ends]:
            ends.append((await asyncio.open_connection(*server.sockets[0].getsockname()))[1])
            await asyncio.sleep(0)
            assert len(ends) < 100, "something else has its number"
        assert await outcome(database) == "done"
        for end in ends:
            assert not end.is_closing()
            end.close()
        server.close()

    with_database(postgres.url, work)


def test_rules_of_the_database_are_told_apart(postgres: PostgresServer, database_url: str) -> None:
    """A unique index names itself; a lock held by somebody else leaves the connection usable."""

    async def work(database: Database) -> None:
        await database.run("CREATE TABLE things (n int CONSTRAINT things_n UNIQUE)")
        await database.run("INSERT INTO things VALUES (1)")
        with pytest.raises(UniqueViolationError) as found:
            await database.run("INSERT INTO things VALUES (1)")
        assert found.value.constraint == "things_n"
        async with database.transaction() as holder, database.connection() as other:
            await holder.run("LOCK TABLE things")
            with pytest.raises(LockTimeoutError):
                await other.run("SET LOCAL lock_timeout = 20; INSERT INTO things VALUES (2)")
            assert not other.closed

    with_database(database_url, work)


def test_what_one_left_open_is_undone_and_nobody_else_goes_on_in_it(database_url: str) -> None:
    """By hand or by a block that failed: who has the connection next would else be told of what is never committed."""

    async def work(database: Database) -> None:
        await database.run("CREATE TABLE things (n int)")
        async with database.connection() as careless:
            await careless.run("BEGIN")
            await careless.run("INSERT INTO things VALUES (1)")
        await database.run("INSERT INTO things VALUES (2)")
        with contextlib.suppress(ZeroDivisionError):
            async with database.transaction() as connection:
                await connection.run("INSERT INTO things VALUES (3)")
                raise ZeroDivisionError
        await database.run("INSERT INTO things VALUES (4)")

    with_database(database_url, work, max_size=1)
    assert run_sql(database_url, "SELECT n FROM things ORDER BY n") == [(2,), (4,)]


def test_who_stops_waiting_leaves_no_slot_behind(postgres: PostgresServer) -> None:
    """Cancelled while waiting for a connection, and cancelled in the middle of a statement."""

    async def work(database: Database) -> None:
        running = asyncio.create_task(database.run("SELECT pg_sleep(10)"))
        while not database.in_use:
            await asyncio.sleep(0.01)
        waiting = asyncio.create_task(database.run("SELECT 1"))
        await asyncio.sleep(0)
        waiting.cancel()
        running.cancel()
        ended = await asyncio.gather(waiting, running, return_exceptions=True)
        assert [asyncio.CancelledError, asyncio.CancelledError] == [type(end) for end in ended]
        assert database.in_use == 0
        assert await outcome(database) == "done"

    with_database(postgres.url, work, max_size=1)


def test_closing_lets_everybody_go(postgres: PostgresServer) -> None:
    """Those in the middle of a statement, those who wait, and those who come later."""

    async def work(database: Database) -> None:
        callers = [asyncio.create_task(outcome(database, "SELECT pg_sleep(10)")) for _ in range(3)]
        while not database.in_use:
            await asyncio.sleep(0.01)
        await database.close()
        assert await asyncio.gather(*callers) == ["unavailable"] * 3
        assert await outcome(database) == "unavailable"

    with_database(postgres.url, work, max_size=1)


def test_the_address_that_answers_is_found(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with several addresses, of which the first refuses (PostgreSQL listens on one of them)."""

    async def work(database: Database) -> None:
        async def resolve(*_: object, **__: object) -> list[tuple[Any, ...]]:
            return [(0, 0, 0, "", (address, 0)) for address in ("127.0.0.2", "127.0.0.1")]

        monkeypatch.setattr(uvloop.Loop, "getaddrinfo", resolve, raising=False)
        assert await outcome(database) == "done"

    with_database(postgres.url.replace("127.0.0.1", "database.test"), work)


def test_an_unknown_name_is_unavailable(postgres: PostgresServer) -> None:
    """It may be known in a moment: a name service restarts too."""

    async def work(database: Database) -> None:
        assert await outcome(database) == "unavailable"

    with_database(postgres.url.replace("127.0.0.1", "nowhere.invalid"), work)
