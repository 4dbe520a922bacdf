"""The analytics store: numbers equal to the rows they come from, however often and by whomever they are added up."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from idling_ws.domain.errors import UnavailableError
from idling_ws.store.analytics import MAX_HOURS_A_RUN, Analytics
from idling_ws.store.error_stats import ErrorStats
from idling_ws.store.postgres import Database
from tests.support.clocks import MovableClock
from tests.support.rows import run_sql

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
NOON = TODAY - timedelta(days=3) + timedelta(hours=12)


@pytest.fixture
def place(migrated_url: str) -> Place:
    return Place(migrated_url)


class Place:
    """Puts what happened into the rows it leaves behind."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._n = 0

    def idled(self, user_id: int, since: datetime, until: datetime | None, paused_s: int = 0) -> None:
        """Let somebody idle, until now when ``until`` is None."""
        run_sql(
            self.url,
            "INSERT INTO sessions (id, user_id, activity, status, started_at, ended_at, paused_ms, last_seen_at) "
            "VALUES (%s, %s, 'tea', 'active', %s, %s, %s, now())",
            uuid4().hex, user_id, since, until, paused_s * 1000,
        )  # fmt: skip

    def used(self, user_id: int, emoji: str, count: int, at: datetime) -> None:
        """Count uses, in the sums and in the trail, as the mutation does."""
        run_sql(
            self.url,
            "INSERT INTO emoji_usage_stats AS u (user_id, day, emoji, count) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (user_id, emoji, day) DO UPDATE SET count = u.count + EXCLUDED.count",
            user_id, at.date(), emoji, count,
        )  # fmt: skip
        self._n += 1
        after = f'{{"usage":{{"emoji":"{emoji}","count":{count},"total":0}}}}'
        run_sql(
            self.url,
            "INSERT INTO audit_log (user_id, n, at, actor, action, outcome, after, prev_hash, hash) "
            "VALUES (%s, %s, %s, 'user', 'emoji.use', 'confirmed', %s, '', '')",
            user_id, self._n, at, after,
        )  # fmt: skip

    def reacted(self, sender: int, owner: int, at: datetime) -> None:
        run_sql(
            self.url,
            "INSERT INTO reactions (id, sender, owner, session_id, emoji, at) VALUES (%s, %s, %s, 's', '1F600', %s)",
            uuid4().hex, sender, owner, at,
        )  # fmt: skip
        run_sql(
            self.url,
            "INSERT INTO notifications (id, user_id, kind, level, title, created_at) "
            "VALUES (%s, %s, 'reaction.received', 'info', 'x', %s)",
            uuid4().hex, owner, at,
        )  # fmt: skip

    def failed(self, instance: str, code: str, count: int, at: datetime) -> None:
        run_sql(
            self.url,
            "INSERT INTO error_stats (hour, instance, class, code, count) "
            "VALUES (date_trunc('hour', %s), %s, 'x', %s, %s)",
            at, instance, code, count,
        )  # fmt: skip


async def rolled_up(database: Database, now: datetime | None = None) -> Analytics:
    """Roll everything up."""
    analytics = Analytics(database)
    while await analytics.roll_up(now or datetime.now(UTC)) == MAX_HOURS_A_RUN:
        pass
    return analytics


async def hours(analytics: Analytics, measure: str) -> dict[datetime, int]:
    rows = await analytics.hours(NOON - timedelta(days=30), TODAY + timedelta(days=1))
    return {row.at: row.values[measure] for row in rows if row.values[measure]}


async def days(analytics: Analytics, measure: str) -> dict[date, int]:
    rows = await analytics.days(NOON.date() - timedelta(days=30), TODAY.date() + timedelta(days=1))
    return {row.at.date(): row.values[measure] for row in rows if row.values[measure]}


async def everything(database: Database) -> list[Any]:
    """All that was rolled up, as rows."""
    return [
        sorted(await database.run(f"SELECT * FROM {table}"))
        for table in ("analytics_hours", "analytics_days", "analytics_emoji_days", "analytics_progress")
    ]


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


async def test_sessions_count_where_they_began_and_last_where_they_ended(place: Place, database: Database) -> None:
    """Pauses are not idled; a session over midnight is in both days' people."""
    place.idled(1, NOON + minutes(10), NOON + minutes(40), paused_s=600)
    place.idled(1, NOON + minutes(50), NOON + minutes(70))
    place.idled(2, NOON + timedelta(hours=11), NOON + timedelta(hours=14))
    analytics = await rolled_up(database)
    hour = timedelta(hours=1)
    assert await hours(analytics, "sessions_started") == {NOON: 2, NOON + 11 * hour: 1}
    assert await hours(analytics, "sessions_ended") == {NOON: 1, NOON + hour: 1, NOON + 14 * hour: 1}
    assert await hours(analytics, "session_ms") == {
        NOON: 20 * 60_000, NOON + hour: 20 * 60_000, NOON + 14 * hour: 180 * 60_000,
    }  # fmt: skip
    people = await hours(analytics, "active_users")
    assert people == {NOON: 1, NOON + hour: 1, **{NOON + n * hour: 1 for n in (11, 12, 13)}}
    assert await days(analytics, "active_users") == {NOON.date(): 2, NOON.date() + timedelta(days=1): 1}


async def test_somebody_who_still_idles_is_active_in_every_hour_since(place: Place, database: Database) -> None:
    """And has ended nothing."""
    place.idled(1, TODAY - timedelta(hours=5), None)
    analytics = await rolled_up(database, TODAY)
    assert len(await hours(analytics, "active_users")) == 6
    assert await hours(analytics, "sessions_ended") == {}


async def test_a_person_with_many_sessions_is_one_person(place: Place, database: Database) -> None:
    """The day's people are not the sum of the hours' people."""
    for n in range(5):
        place.idled(1, NOON + timedelta(hours=n), NOON + timedelta(hours=n, minutes=5))
    analytics = await rolled_up(database)
    assert await days(analytics, "active_users") == {NOON.date(): 1}
    assert await days(analytics, "sessions_started") == {NOON.date(): 5}


async def test_uses_reactions_notifications_and_errors_are_counted(place: Place, database: Database) -> None:
    """By hour and by day; emoji by day."""
    place.used(1, "1F600", 5, NOON + minutes(1))
    place.used(2, "1F600", 3, NOON + minutes(59))
    place.used(2, "1F44D", 1, NOON + minutes(61))
    place.reacted(1, 2, NOON + minutes(5))
    for instance in ("a", "b"):
        place.failed(instance, "conflict", 4, NOON)
    analytics = await rolled_up(database)
    assert await hours(analytics, "emoji_uses") == {NOON: 8, NOON + minutes(60): 1}
    assert await days(analytics, "emoji_uses") == {NOON.date(): 9}
    for measure, count in (("reactions", 1), ("notifications", 1), ("errors", 8)):
        assert await hours(analytics, measure) == {NOON: count}
        assert await days(analytics, measure) == {NOON.date(): count}
    tomorrow = NOON.date() + timedelta(days=1)
    assert await analytics.emojis(NOON.date(), tomorrow, 10) == [("1F600", 8, 2), ("1F44D", 1, 1)]
    assert await analytics.errors(NOON, NOON + minutes(60), "hour") == [(NOON, "x", "conflict", "", 8)]


async def test_an_edge_belongs_to_the_hour_that_begins(place: Place, database: Database) -> None:
    """Nothing is counted twice, nothing falls between."""
    for at in (NOON - minutes(60), NOON - timedelta(milliseconds=1), NOON, NOON + timedelta(milliseconds=1)):
        place.reacted(1, 2, at)
    analytics = await rolled_up(database)
    assert await hours(analytics, "reactions") == {NOON - minutes(60): 2, NOON: 2}


async def test_doing_it_again_changes_nothing(place: Place, database: Database) -> None:
    """Three times, twice at once, and again from the beginning."""
    place.idled(1, NOON, NOON + minutes(30))
    place.used(1, "1F600", 5, NOON)
    place.reacted(1, 2, NOON)
    now = datetime.now(UTC)
    analytics = await rolled_up(database, now)
    before = await everything(database)
    await rolled_up(database, now)
    await asyncio.gather(*[Analytics(database).roll_up(now) for _ in range(2)])
    assert await everything(database) == before
    await analytics.rebuild(NOON)
    await rolled_up(database, now)
    assert await everything(database) == before


async def test_what_comes_late_is_counted(place: Place, database: Database) -> None:
    """Within minutes of its hour by the next run, within two days by the run that ends an hour, later when told to."""
    place.reacted(1, 2, NOON)
    hour = timedelta(hours=1)
    now = NOON + minutes(65)
    analytics = await rolled_up(database, now)
    place.reacted(1, 2, NOON + minutes(59))
    await rolled_up(database, now + minutes(3))
    assert await hours(analytics, "reactions") == {NOON: 2}
    await rolled_up(database, now + minutes(10))
    place.reacted(1, 2, NOON + minutes(30))
    await rolled_up(database, now + minutes(20))
    assert await hours(analytics, "reactions") == {NOON: 2}
    await rolled_up(database, now + minutes(70))
    assert await hours(analytics, "reactions") == {NOON: 3}
    await rolled_up(database, NOON + 60 * hour)
    place.reacted(1, 2, NOON + minutes(31))
    await rolled_up(database, NOON + 62 * hour)
    assert await hours(analytics, "reactions") == {NOON: 3}
    await analytics.rebuild(NOON)
    await rolled_up(database, NOON + 62 * hour)
    assert await hours(analytics, "reactions") == {NOON: 4}
    assert await days(analytics, "reactions") == {NOON.date(): 4}


async def test_what_rested_on_rows_that_are_gone_stays(place: Place, database: Database) -> None:
    """Old errors and old months of the trail are dropped; what they were counted into is not."""
    place.failed("a", "conflict", 4, NOON)
    place.used(1, "1F600", 5, NOON)
    analytics = await rolled_up(database)
    run_sql(place.url, "DELETE FROM error_stats; DELETE FROM error_routes")
    run_sql(place.url, "DROP TABLE audit_log CASCADE")
    run_sql(place.url, "CREATE TABLE audit_log (at timestamptz, action text, outcome text, after text)")
    await analytics.rebuild(NOON)
    await rolled_up(database)
    assert await hours(analytics, "errors") == {NOON: 4}
    assert await hours(analytics, "emoji_uses") == {NOON: 5}
    assert await days(analytics, "emoji_uses") == {NOON.date(): 5}


async def test_a_rebuild_during_a_run_is_not_forgotten(
    place: Place, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that was under way read before; the next one begins where the rebuild says."""
    place.reacted(1, 2, NOON)
    analytics = await rolled_up(database, NOON + minutes(65))
    read = analytics._look_back_from

    async def read_and_then_rebuild(hour: datetime) -> datetime:
        await analytics.rebuild(NOON - minutes(60))
        return await read(hour)

    monkeypatch.setattr(analytics, "_look_back_from", read_and_then_rebuild)
    await analytics.roll_up(NOON + minutes(125))
    assert await analytics._final_until() == NOON - minutes(60)


async def test_a_long_past_is_done_in_pieces(place: Place, database: Database) -> None:
    """Each run does a bounded part and goes on where the last one ended."""
    past = TODAY - timedelta(days=10)
    place.idled(1, past, past + minutes(5))
    analytics = Analytics(database)
    done = [await analytics.roll_up(TODAY) for _ in range(7)]
    assert done == [MAX_HOURS_A_RUN] * 5 + [2, 2]
    rows = await analytics.hours(past, TODAY + timedelta(hours=1))
    assert len(rows) == 10 * 24 + 1
    assert sum(row.values["sessions_started"] for row in rows) == 1


async def test_an_empty_place_has_nothing_to_tell(database: Database) -> None:
    """No rows, no failure."""
    analytics = Analytics(database)
    assert await analytics.roll_up(TODAY) == 1
    assert [set(row.values.values()) for row in await analytics.hours(TODAY, TODAY + timedelta(hours=1))] == [{0}]


async def test_errors_are_written_as_they_stand_never_as_a_difference(database: Database) -> None:
    """A write whose answer is lost is repeated; a new hour begins at none."""
    clock, totals = MovableClock(), {("conflict", "ws"): 0}
    stats = ErrorStats(database, "a", clock, lambda: totals)

    async def written() -> list[Any]:
        return await database.run("SELECT hour, class, code, route, count FROM error_hours ORDER BY hour, code, route")

    await stats.flush()
    assert await written() == []
    totals["conflict", "ws"] = 3
    for _ in range(3):
        await stats.flush()
    first = clock.now()
    assert await written() == [(first, "business", "conflict", "ws", 3)]
    totals |= {("conflict", "ws"): 5, ("unavailable", "job"): 1, ("conflict", "/api/profile"): 2}
    stats._written.clear()  # as if nobody had said that it was written
    await stats.flush()
    clock.move(3600)
    totals["conflict", "ws"] = 8
    for _ in range(2):
        await stats.flush()
    assert await written() == [
        (first, "business", "conflict", "/api/profile", 2),
        (first, "business", "conflict", "ws", 5),
        (first, "database", "unavailable", "job", 1),
        (first + timedelta(hours=1), "business", "conflict", "ws", 3),
    ]


async def test_errors_while_the_database_is_away_keep_their_hours(database: Database) -> None:
    """Just then there are many; they are written down once it is back, each where it belongs."""
    clock, totals = MovableClock(), {("unavailable", "ws"): 0}
    away = Database("postgresql://nobody@127.0.0.1:1/nothing")
    await away.open()
    stats = ErrorStats(away, "a", clock, lambda: totals)
    first = clock.now()
    for hour in range(3):
        totals["unavailable", "ws"] += 10 + hour
        with pytest.raises(UnavailableError):
            await stats.flush()
        clock.move(3600)
    stats._database = database
    await stats.flush()
    rows = await database.run("SELECT hour, count FROM error_hours ORDER BY hour")
    assert rows == [(first + timedelta(hours=hour), 10 + hour) for hour in range(3)]
    assert list(stats._hours) == [first + timedelta(hours=3)]
    await away.close()
