"""What goes with time over a real PostgreSQL, and what must stay for a promise to hold."""

from __future__ import annotations

import pytest

from idling_ws.domain.ids import ALL
from idling_ws.store import retention
from idling_ws.store.postgres import Database
from idling_ws.store.retention import Retention
from tests.support.rows import run_sql

USER = 7
DAY_S = 86400.0


def fill(database_url: str) -> None:
    """Let a user and all have a stream of five; of the user's, the second and the newest carry a verdict."""
    run_sql(database_url, "INSERT INTO streams (user_id, seq) VALUES (%s, 5)", USER)
    run_sql(database_url, "UPDATE streams SET seq = 5 WHERE user_id = %s", ALL)
    run_sql(
        database_url,
        "INSERT INTO entries (user_id, seq, mid, args_hash, frame, at) SELECT %s, n, "
        "CASE WHEN n IN (2, 5) THEN 'm-' || n END, CASE WHEN n IN (2, 5) THEN ''::bytea END, '{}', now() "
        "FROM generate_series(1, 5) n",
        USER,
    )
    run_sql(
        database_url, "INSERT INTO shared_entries (seq, frame, at) SELECT n, '{}', now() FROM generate_series(1, 5) n"
    )


async def left_after(database: Database, url: str, days: int, *, entries_s: float = DAY_S) -> tuple[list[int], ...]:
    """Let so many days have passed, run it, and return which entries are left: the user's, and everybody's."""
    for table in ("entries", "shared_entries"):
        run_sql(url, f"UPDATE {table} SET at = now() - make_interval(days => {days})")
    await Retention(database, entries_s=entries_s, audit_days=365).run()
    own, shared = "SELECT seq FROM entries ORDER BY seq", "SELECT seq FROM shared_entries ORDER BY seq"
    return tuple([row[0] for row in run_sql(url, sql)] for sql in (own, shared))


async def test_a_verdict_outlives_the_replay_window(database: Database, migrated_url: str) -> None:
    """For a month a device that was away may send its change again, and it must not take effect anew."""
    fill(migrated_url)
    assert await left_after(database, migrated_url, 29) == ([2, 5], [5])
    assert await left_after(database, migrated_url, 31) == ([5], [5])


async def test_the_newest_of_a_stream_stays_whatever_it_is(database: Database, migrated_url: str) -> None:
    """A cursor at the head still joins on: nobody needs a fresh state because nothing happened for long."""
    fill(migrated_url)
    run_sql(migrated_url, "UPDATE entries SET mid = NULL, args_hash = NULL")
    assert await left_after(database, migrated_url, 400) == ([5], [5])


async def test_a_window_longer_than_a_month_keeps_verdicts_as_long(database: Database, migrated_url: str) -> None:
    """Else the replay would have holes where they were."""
    fill(migrated_url)
    everything = [1, 2, 3, 4, 5]
    assert await left_after(database, migrated_url, 40, entries_s=50 * DAY_S) == (everything, everything)


async def test_what_is_young_stays_and_all_that_is_over_goes_however_much(
    database: Database, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch at a time until none is left."""
    monkeypatch.setattr(retention, "BATCH", 1)
    fill(migrated_url)
    everything = [1, 2, 3, 4, 5]
    assert await left_after(database, migrated_url, 0) == (everything, everything)
    assert await left_after(database, migrated_url, 2) == ([2, 5], [5])
