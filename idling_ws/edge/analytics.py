"""Analytics over REST: what happens in the place, for who runs it; and what one did, for oneself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from aiohttp import web

from idling_ws.domain.clock import rfc3339
from idling_ws.domain.errors import InvalidError, JsonObject
from idling_ws.edge.emojis import brief, whole_number
from idling_ws.edge.parts import PARTS
from idling_ws.edge.problems import json_response
from idling_ws.edge.who import identify
from idling_ws.identity.policy import allow
from idling_ws.store.analytics import DAY, HOUR, Row

# grain: (how far back by default, at most)
_REACH = {"hour": (24 * HOUR, 31 * DAY), "day": (30 * DAY, 366 * DAY)}
MAX_OWN_DAYS = 366
_FIRST, _LAST = datetime(1971, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


async def get_overview(request: web.Request) -> web.Response:
    """``GET /api/analytics/overview?grain=&from=&to=`` (admin): each measure by hour or day, and its sum."""
    await _allow(request)
    grain, since, until = _range(request)
    analytics = request.app[PARTS].analytics
    found = await (analytics.hours(since, until) if grain == "hour" else analytics.days(since.date(), until.date()))
    rows = [{"at": rfc3339(row.at), **_measures(row.values)} for row in found]
    return json_response({**_said(grain, since, until), "rows": rows, "totals": _totals(found)})


async def get_emojis(request: web.Request) -> web.Response:
    """``GET /api/analytics/emojis?from=&to=&limit=`` (admin): the most used, by days."""
    await _allow(request)
    parts = request.app[PARTS]
    _, since, until = _range(request, grain="day")
    limit = whole_number(request.query.get("limit", "50"), "limit", 200)
    emojis = [
        {**brief(parts, emoji), "uses": uses, "users_of_busiest_day": users}
        for emoji, uses, users in await parts.analytics.emojis(since.date(), until.date(), limit)
    ]
    return json_response({**_said("day", since, until), "emojis": emojis})


async def get_errors(request: web.Request) -> web.Response:
    """``GET /api/analytics/errors?grain=&from=&to=`` (admin): what went wrong, by code and route."""
    await _allow(request)
    grain, since, until = _range(request)
    errors = [
        {"at": rfc3339(at), "class": error_class, "code": code, "route": route, "count": count}
        for at, error_class, code, route, count in await request.app[PARTS].analytics.errors(since, until, grain)
    ]
    return json_response({**_said(grain, since, until), "errors": errors})


async def get_own(request: web.Request) -> web.Response:
    """``GET /api/analytics/me?days=``: what one did on each day, and altogether."""
    parts = request.app[PARTS]
    identity = await identify(request)
    count = whole_number(request.query.get("days", "30"), "days", MAX_OWN_DAYS)
    until = parts.clock.now().date() + DAY
    since = until - count * DAY
    at = parts.replicas.reading(identity.user_id)
    found = await parts.analytics.own(identity.user_id, since, until, at=at)
    days: list[JsonObject] = [{"day": day.isoformat(), **_measures(values)} for day, values in found["days"]]
    totals = {name: sum(day[name] for day in days) for name in days[0] if name != "day"} if days else {}
    return json_response(
        {
            "from": since.isoformat(),
            "to": until.isoformat(),
            "days": days,
            "totals": totals,
            "emojis": [{**brief(parts, emoji), "uses": uses} for emoji, uses in found["emojis"]],
        }
    )


async def _allow(request: web.Request) -> None:
    identity = await identify(request)
    allow(identity.person.roles, "admin.view")


def _measures(values: dict[str, int]) -> JsonObject:
    """Return measures as the wire names them: durations in seconds."""
    shown: JsonObject = {}
    for name, value in values.items():
        if name == "session_ms":
            shown["session_s"] = value // 1000 if value % 1000 == 0 else value / 1000
        else:
            shown[name] = value
    return shown


def _totals(rows: list[Row]) -> JsonObject:
    """Return what adds up; people do not: who was there twice is one."""
    names = [name for name in (rows[0].values if rows else {}) if name != "active_users"]
    totals = _measures({name: sum(row.values[name] for row in rows) for name in names})
    if totals.get("sessions_ended"):
        totals["mean_session_s"] = round(totals["session_s"] / totals["sessions_ended"], 1)
    return totals


def _said(grain: str, since: datetime, until: datetime) -> JsonObject:
    return {"grain": grain, "from": rfc3339(since), "to": rfc3339(until)}


def _range(request: web.Request, *, grain: str | None = None) -> tuple[str, datetime, datetime]:
    """Return ``(grain, from, to)`` in UTC: whole hours or days, one that has begun is in it.

    What ends before it begins is empty, and of what is too long the latest is meant. Raises ``InvalidError`` naming
    what is wrong.
    """
    query = request.query
    chosen = grain or query.get("grain", "day")
    if chosen not in _REACH:
        raise InvalidError(fields={"grain": ["Not one of hour, day."]})
    usual, longest = _REACH[chosen]
    until = _moment(query["to"], "to") if "to" in query else request.app[PARTS].clock.now()
    since = _moment(query["from"], "from") if "from" in query else until - usual
    step = HOUR if chosen == "hour" else DAY
    if not since < until:
        nothing = _begin(since, step)
        return chosen, nothing, nothing
    since = max(since, until - longest)
    return chosen, _begin(since, step), _begin(until - timedelta(microseconds=1), step) + step


def _begin(moment: datetime, step: timedelta) -> datetime:
    """Return when the hour or day began that ``moment`` is in."""
    return moment.replace(hour=moment.hour if step == HOUR else 0, minute=0, second=0, microsecond=0)


def _moment(text: str, name: str) -> datetime:
    """Return a date or an RFC 3339 time; a date is its first moment in UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidError(fields={name: ["Not a date or a time."]}) from None
    # Beyond these the arithmetic of dates, or PostgreSQL's, ends; and nothing is there.
    if not _FIRST.year <= moment.year < _LAST.year:
        return _FIRST if moment.year < _FIRST.year else _LAST
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
