"""The analytics store: rolls up what happened by hour and by day, and reads it.

Every number is computed from the rows themselves and written over what was there: an
hour may be rolled up as often as one likes, by whichever instance holds the lease, and
comes out the same. An hour is final a while after its end; until then each run does it
again. Whenever one becomes final the two days before it are done once more, for what
came late after all: an instance that could not write down its errors, rows put back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from idling_ws.store.postgres import Database
from idling_ws.store.replicas import Reader

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
# Far longer than a transaction may take, and than an instance may keep its errors to itself.
FINAL_AFTER = timedelta(minutes=10)
AGAIN = timedelta(hours=48)
RUN_TIMEOUT_S = 30.0
MAX_HOURS_A_RUN = 48
ERRORS_KEPT_DAYS = 90

MEASURES = (
    "sessions_started",
    "sessions_ended",
    "session_ms",
    "active_users",
    "emoji_uses",
    "reactions",
    "notifications",
    "errors",
)

# Of these the rows go with time: what was counted while they were there stays.
_OUTLIVES_ITS_ROWS = frozenset({"emoji_uses", "errors"})


def _set(table: str) -> str:
    """Return what an hour or day that is there already becomes."""
    return ", ".join(
        f"{name} = greatest({table}.{name}, EXCLUDED.{name})"
        if name in _OUTLIVES_ITS_ROWS
        else f"{name} = EXCLUDED.{name}"
        for name in MEASURES
    )


def _by_hour(table: str, column: str, counted: str, condition: str = "true") -> str:
    """Return a query for ``counted`` of the rows ``r`` of each hour in the span."""
    return (
        f"SELECT date_trunc('hour', r.{column}) AS at, {counted} FROM {table} r "
        f"WHERE r.{column} >= %s AND r.{column} < %s AND {condition} GROUP BY 1"
    )


# Everybody whose session ran at any time in an hour or a day: each session is taken once, however many it spans.
_ACTIVE = """
active AS MATERIALIZED (SELECT a.at, count(DISTINCT s.user_id) AS people FROM span, LATERAL (
    SELECT r.user_id, r.started_at, r.ended_at FROM sessions r
    WHERE r.started_at < %s AND (r.ended_at IS NULL OR r.ended_at > %s)) s,
    LATERAL generate_series(greatest(date_trunc(span.grain, s.started_at), span.first),
        least(s.ended_at - interval '1 microsecond', span.last), span.step) AS a (at) GROUP BY a.at)"""

# Every source is gone through once, in the whole span: looking up each hour by itself took minutes at a million rows.
_HOURS = f"""
WITH span AS (SELECT %s::timestamptz AS first, %s::timestamptz AS last, 'hour' AS grain, interval '1 hour' AS step),
{_ACTIVE},
started AS ({_by_hour("sessions", "started_at", "count(*) AS n")}),
ended AS ({
    _by_hour(
        "sessions",
        "ended_at",
        "count(*) AS n, sum(greatest(0, (extract(epoch FROM r.ended_at - r.started_at) * 1000)::bigint - r.paused_ms))"
        " AS ms",
    )
}),
used AS ({
    _by_hour(
        "audit_log",
        "at",
        "sum((r.after::json #>> '{usage,count}')::bigint) AS n",
        "r.action = 'emoji.use' AND r.outcome = 'confirmed'",
    )
}),
waved AS ({_by_hour("reactions", "at", "count(*) AS n")}),
told AS ({_by_hour("notifications", "created_at", "count(*) AS n")}),
failed AS ({_by_hour("error_hours", "hour", "sum(r.count) AS n")})
INSERT INTO analytics_hours (hour, {", ".join(MEASURES)})
SELECT at, coalesce(started.n, 0), coalesce(ended.n, 0), coalesce(ended.ms, 0), coalesce(active.people, 0),
    coalesce(used.n, 0), coalesce(waved.n, 0), coalesce(told.n, 0), coalesce(failed.n, 0)
FROM span CROSS JOIN LATERAL generate_series(span.first, span.last, span.step) AS h (at)
LEFT JOIN started USING (at) LEFT JOIN ended USING (at) LEFT JOIN active USING (at) LEFT JOIN used USING (at)
LEFT JOIN waved USING (at) LEFT JOIN told USING (at) LEFT JOIN failed USING (at)
ORDER BY at
ON CONFLICT (hour) DO UPDATE SET {_set("analytics_hours")}"""

# All but the people, who are not the sum of each hour's people, add up.
_DAYS = f"""
WITH span AS (SELECT %s::timestamptz AS first, %s::timestamptz AS last, 'day' AS grain, interval '1 day' AS step),
{_ACTIVE}
INSERT INTO analytics_days (day, {", ".join(MEASURES)})
SELECT at::date, {
    ", ".join(
        "coalesce(max(a.people), 0)" if name == "active_users" else f"coalesce(sum(h.{name}), 0)" for name in MEASURES
    )
}
FROM span, LATERAL generate_series(span.first, span.last, span.step) AS d (at)
LEFT JOIN active a USING (at) LEFT JOIN analytics_hours h ON h.hour >= d.at AND h.hour < d.at + interval '1 day'
GROUP BY at ORDER BY at
ON CONFLICT (day) DO UPDATE SET {_set("analytics_days")}"""

_EMOJI_DAYS = """
INSERT INTO analytics_emoji_days (day, emoji, uses, users)
SELECT u.day, u.emoji, sum(u.count), count(DISTINCT u.user_id) FROM emoji_usage_stats u
WHERE u.day >= %s AND u.day <= %s GROUP BY u.day, u.emoji ORDER BY u.day, u.emoji
ON CONFLICT (day, emoji) DO UPDATE SET uses = EXCLUDED.uses, users = EXCLUDED.users"""


@dataclass(frozen=True, slots=True)
class Row:
    """One hour or day: when it began, and each of ``MEASURES``."""

    at: datetime
    values: dict[str, int]


class Analytics:
    """Rolls up, and reads: ``at`` a server where that may lag."""

    def __init__(self, database: Database, *, at: Reader | None = None) -> None:
        self._database = database
        self._at: Reader = at or database

    # -- rolling up ----------------------------------------------------------------

    async def roll_up(self, now: datetime) -> int:
        """Bring everything up to ``now``; return how many hours were computed. Raises ``UnavailableError``.

        One call does ``MAX_HOURS_A_RUN`` at most: who has more to do is called again.
        """
        began = await self._final_until()
        first = await self._first_hour(now) if began is None else min(began, _hour_of(now))
        last = min(_hour_of(now), first + (MAX_HOURS_A_RUN - 1) * HOUR)
        final_until = max(first, min(last + HOUR, _hour_of(now - FINAL_AFTER)))
        is_hour_over = final_until > first and last == _hour_of(now)
        hours = (await self._look_back_from(first) if is_hour_over else first, last)
        days = (_day_of(hours[0]), _day_of(last))
        async with self._database.transaction() as connection:
            timeout_ms = int(RUN_TIMEOUT_S * 1000)
            await connection.run(f"SET LOCAL statement_timeout = {timeout_ms}")
            for sql, params in (
                (_HOURS, _bounds(hours, HOUR, sources=6)),
                (_DAYS, _bounds(days, DAY)),
                (_EMOJI_DAYS, tuple(day.date() for day in days)),
                ("DELETE FROM error_routes WHERE hour < %s", (now - ERRORS_KEPT_DAYS * DAY,)),
                ("DELETE FROM error_stats WHERE hour < %s", (now - ERRORS_KEPT_DAYS * DAY,)),
                # Not over what somebody else set meanwhile: they may want it done from the beginning.
                (
                    "INSERT INTO analytics_progress AS p (final_until) VALUES (%s) "
                    "ON CONFLICT (id) DO UPDATE SET final_until = EXCLUDED.final_until WHERE p.final_until = %s",
                    (final_until, began),
                ),
            ):
                await connection.run(sql, params, timeout_s=RUN_TIMEOUT_S)
        return int((last - first) / HOUR) + 1

    async def rebuild(self, since: datetime) -> None:
        """Let everything since then be computed again by the next runs. Raises ``UnavailableError``.

        What rests on rows that are gone by now stays as it was.
        """
        await self._database.run(
            "UPDATE analytics_progress SET final_until = least(final_until, %s)", (_hour_of(since),)
        )

    async def _final_until(self) -> datetime | None:
        """Return the first hour that is not final, as written down; None before the first run."""
        rows: list[tuple[datetime]] = await self._database.run("SELECT final_until FROM analytics_progress")
        return rows[0][0] if rows else None

    async def _first_hour(self, now: datetime) -> datetime:
        """Return the first hour in which there was anybody."""
        rows = await self._database.run(
            "SELECT least((SELECT min(created_at) FROM users), (SELECT min(started_at) FROM sessions), "
            "(SELECT min(day)::timestamptz FROM emoji_usage_stats), (SELECT min(at) FROM reactions))"
        )
        first: datetime | None = rows[0][0]
        return min(_hour_of(first), _hour_of(now)) if first is not None else _hour_of(now)

    async def _look_back_from(self, hour: datetime) -> datetime:
        """Return where to begin so that late arrivals are counted, but not before everything began."""
        rows = await self._database.run("SELECT coalesce(min(hour), %s) FROM analytics_hours", (hour,))
        oldest: datetime = rows[0][0]
        return min(hour, max(oldest, hour - AGAIN))

    # -- reading -------------------------------------------------------------------

    async def hours(self, since: datetime, until: datetime) -> list[Row]:
        """Return the hours that begin in ``[since, until)``. Raises ``UnavailableError``."""
        return await self._rows("hour", "analytics_hours", since, until)

    async def days(self, since: date, until: date) -> list[Row]:
        """Return the days in ``[since, until)``. Raises ``UnavailableError``."""
        return await self._rows("day", "analytics_days", since, until)

    async def _rows(self, column: str, table: str, since: date, until: date) -> list[Row]:
        rows = await self._at.run(
            f"SELECT {column}::timestamptz, {', '.join(MEASURES)} FROM {table} "
            f"WHERE {column} >= %s AND {column} < %s ORDER BY {column}",
            (since, until),
        )
        return [Row(at, dict(zip(MEASURES, values, strict=True))) for at, *values in rows]

    async def emojis(self, since: date, until: date, limit: int) -> list[tuple[str, int, int]]:
        """Return ``(emoji, uses, users)``, the most used first; ``users`` is that of the busiest day.

        Raises ``UnavailableError``.
        """
        rows = await self._at.run(
            "SELECT emoji, sum(uses)::bigint, max(users)::bigint FROM analytics_emoji_days "
            "WHERE day >= %s AND day < %s GROUP BY emoji ORDER BY 2 DESC, emoji LIMIT %s",
            (since, until, limit),
        )
        return [(row[0], row[1], row[2]) for row in rows]

    async def errors(self, since: datetime, until: datetime, step: str) -> list[tuple[datetime, str, str, str, int]]:
        """Return ``(at, class, code, route, count)`` by ``step`` (``hour`` or ``day``). Raises ``UnavailableError``."""
        rows = await self._at.run(
            "SELECT date_trunc(%s, hour) AS at, class, code, route, sum(count)::bigint FROM error_hours "
            "WHERE hour >= %s AND hour < %s GROUP BY at, class, code, route ORDER BY at, class, code, route",
            (step, since, until),
        )
        return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]

    async def own(self, user_id: int, since: date, until: date, *, at: Reader | None = None) -> dict[str, Any]:
        """Return one person's days in ``[since, until)`` that were not empty, and what they add up to.

        ``{days: [(day, {measure: number})], emojis: [(emoji, uses)]}``. Raises ``UnavailableError``.
        """
        at = at or self._at
        rows = await at.run(_OWN_DAYS, (user_id, since, until))
        emojis = await at.run(
            "SELECT emoji, sum(count)::bigint FROM emoji_usage_stats WHERE user_id = %s AND day >= %s AND day < %s "
            "GROUP BY emoji ORDER BY 2 DESC, emoji LIMIT 10",
            (user_id, since, until),
        )
        return {
            "days": [(day, dict(zip(OWN_MEASURES, values, strict=True))) for day, *values in rows],
            "emojis": [(row[0], row[1]) for row in emojis],
        }


OWN_MEASURES = ("sessions", "session_ms", "emoji_uses", "reactions_sent", "reactions_received")

_OWN_DAYS = """
WITH w AS (SELECT %s::bigint AS id, %s::date AS since, %s::date AS until)
SELECT day, sum(sessions)::bigint, sum(ms)::bigint, sum(uses)::bigint, sum(sent)::bigint, sum(received)::bigint FROM (
    SELECT s.ended_at::date AS day, 1 AS sessions, greatest(0,
        (extract(epoch FROM s.ended_at - s.started_at) * 1000)::bigint - s.paused_ms) AS ms,
        0 AS uses, 0 AS sent, 0 AS received
    FROM w, sessions s WHERE s.user_id = w.id AND s.ended_at >= w.since AND s.ended_at < w.until
    UNION ALL
    SELECT u.day, 0, 0, u.count, 0, 0 FROM w, emoji_usage_stats u
    WHERE u.user_id = w.id AND u.day >= w.since AND u.day < w.until
    UNION ALL
    SELECT r.at::date, 0, 0, 0, 1, 0 FROM w, reactions r
    WHERE r.sender = w.id AND r.at >= w.since AND r.at < w.until
    UNION ALL
    SELECT r.at::date, 0, 0, 0, 0, 1 FROM w, reactions r
    WHERE r.owner = w.id AND r.at >= w.since AND r.at < w.until
) happened GROUP BY day ORDER BY day"""


def _bounds(span: tuple[datetime, datetime], step: timedelta, *, sources: int = 0) -> list[datetime]:
    """Return the parameters of ``_HOURS`` and ``_DAYS``: the bounds again and again, as constants.

    PostgreSQL plans with what they are, and reads the last hour from the end of a table and not all of it.
    """
    first, last = span
    return [first, last, last + step, first, *([first, last + step] * sources)]


def _hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _day_of(moment: datetime) -> datetime:
    return _hour_of(moment).replace(hour=0)
