"""What a test puts into the database by hand, because no door would take so long or let it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg2

PATIENCE_S = 60.0
LOOK_EVERY_S = 0.1


def run_sql(database_url: str, sql: str, *params: Any) -> list[tuple[Any, ...]]:
    """Run one statement and return its rows."""
    connecting = psycopg2.connect(database_url, connect_timeout=30)
    with contextlib.closing(connecting) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        return cursor.fetchall() if cursor.description is not None else []


async def rows_become(database_url: str, expected: list[tuple[Any, ...]], sql: str, *params: Any) -> None:
    """Wait until a query gives these rows: for what is written behind the back of what was just seen."""
    rows: list[tuple[Any, ...]] = []
    try:
        async with asyncio.timeout(PATIENCE_S):
            while (rows := run_sql(database_url, sql, *params)) != expected:
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        assert rows == expected


@contextlib.contextmanager
def locked(database_url: str, table: str) -> Iterator[None]:
    """Hold a table so that nobody else can read it, as if the database hung."""
    with contextlib.closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


_NOTHING = """format('{"type":"entry","stream":"%s","seq":%%%%s,"at":"2026-01-01T00:00:00.000Z",
"items":[{"kind":"nothing"}]}', n)""".replace("\n", "")
_MOVE = "WITH head AS (UPDATE streams SET seq = seq + %s WHERE user_id = %s RETURNING seq) "
_NUMBERS = "FROM head, generate_series(head.seq - %s + 1, head.seq) AS n"


def add_entries(database_url: str, user_id: int, count: int) -> None:
    """Let ``count`` entries without effect happen to a user."""
    insert = f"INSERT INTO entries (user_id, seq, frame, at) SELECT %s, n, {_NOTHING % 'user'}, now() "
    run_sql(database_url, _MOVE + insert + _NUMBERS, count, user_id, user_id, count)


def add_announcements(database_url: str, count: int) -> None:
    """Let ``count`` entries happen on the stream that everybody shares."""
    insert = f"INSERT INTO shared_entries (seq, frame, at) SELECT n, {_NOTHING % 'all'}, now() "
    run_sql(database_url, _MOVE + insert + _NUMBERS, count, 0, count)
