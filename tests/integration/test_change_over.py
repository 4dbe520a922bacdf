"""A deployment changes over one instance at a time: what earlier versions write is taken by the new schema."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from idling_ws.store.analytics import Analytics
from idling_ws.store.error_stats import ErrorStats
from idling_ws.store.postgres import Database
from tests.support.clocks import MovableClock

HOUR = datetime(2026, 11, 22, 12, tzinfo=UTC)
# As instances wrote how many errors they had answered before migration 0050, and between it and 0070.
BY_CODE = (
    "INSERT INTO error_stats (hour, instance, class, code, count) "
    "SELECT %s, %s, v.* FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS v (class, code, count) "
    "ON CONFLICT (hour, instance, code) DO UPDATE SET count = EXCLUDED.count"
)
BY_ROUTE = (
    "INSERT INTO error_stats (hour, instance, class, code, route, count) "
    "SELECT %s, %s, v.* FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[]) "
    "AS v (class, code, route, count) "
    "ON CONFLICT (hour, instance, code, route) DO UPDATE SET count = EXCLUDED.count"
)


async def test_errors_are_counted_whichever_version_answers_them(database: Database) -> None:
    """Three versions at once, each writing what it has so far, twice: nothing is refused, lost or counted double."""
    clock, totals = MovableClock(), {("conflict", "ws"): 0}
    newest = ErrorStats(database, "newest", clock, lambda: totals)
    await newest.flush()
    for count in (2, 3):
        await database.run(BY_CODE, (HOUR, "oldest", ["business"], ["conflict"], [count]))
        by_route: tuple[Any, ...] = (["business"] * 3, ["conflict"] * 3, ["ws", "job", ""], [count, 10 * count, 100])
        await database.run(BY_ROUTE, (HOUR, "older", *by_route))
        totals["conflict", "ws"] = 1000 * count
        await newest.flush()
    assert await Analytics(database).errors(HOUR, HOUR + timedelta(hours=1), "hour") == [
        (HOUR, "business", "conflict", "", 3 + 100),
        (HOUR, "business", "conflict", "job", 30),
        (HOUR, "business", "conflict", "ws", 3 + 3000),
    ]
