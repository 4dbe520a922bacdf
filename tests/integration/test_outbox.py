"""The outbox over a real PostgreSQL: no entry that nobody announced is without its row."""

from __future__ import annotations

import psycopg2
import pytest

from idling_ws.store.outbox import Outbox
from idling_ws.store.postgres import Database
from tests.support.rows import run_sql

ROWS = "SELECT user_id, seq FROM outbox ORDER BY user_id"


@pytest.fixture
def outbox(database: Database, migrated_url: str) -> Outbox:
    """With a row each of three streams, the first of which was left there a minute ago, the third two."""
    run_sql(
        migrated_url,
        "INSERT INTO outbox (user_id, seq, at) VALUES (1, 5, now() - interval '1 minute'), (2, 8, now()), "
        "(3, 1, now() - interval '2 minutes')",
    )
    return Outbox(database)


async def test_a_row_that_went_further_than_its_mark_stays(outbox: Outbox, migrated_url: str) -> None:
    """What came after the announcement was not announced by it; and it counts as new from then on."""
    await outbox.clear({1: 4, 2: 8, 3: 2})
    assert run_sql(migrated_url, ROWS) == [(1, 5)]
    assert await outbox.left_behind(30, 10) == ([], True)
    await outbox.clear({1: 5})
    assert run_sql(migrated_url, ROWS) == []


async def test_a_row_that_is_just_being_written_is_passed_over(outbox: Outbox, migrated_url: str) -> None:
    """Waiting for it, with others held, could stop somebody's change."""
    connection = psycopg2.connect(migrated_url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE outbox SET seq = 6 WHERE user_id = 1")
        await outbox.clear({1: 5, 2: 8})
        connection.commit()
    finally:
        connection.close()
    assert run_sql(migrated_url, ROWS) == [(1, 6), (3, 1)]


async def test_what_was_left_behind_is_what_is_old_the_newest_first(outbox: Outbox) -> None:
    """What is young is on its way; of too much the newest are told at once, and the rest compared."""
    assert await outbox.left_behind(30, 10) == ([(1, 5), (3, 1)], True)
    assert await outbox.left_behind(30, 1) == ([(1, 5)], True)
