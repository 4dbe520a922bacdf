"""The numbers over REST: whose they are, which times may be asked for, and that they are those of the wire."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest

from idling_ws.domain.errors import UnavailableError
from idling_ws.store.analytics import MAX_HOURS_A_RUN, Analytics
from idling_ws.store.postgres import Database
from tests.support.instances import Instance
from tests.support.rows import run_sql
from tests.support.wire_client import Login, call, connect, sign_in

Pair = tuple[Instance, Instance]


@pytest.fixture
async def admin(pair: Pair, pair_url: str) -> Login:
    """Somebody who runs the place."""
    login = await sign_in(pair[0].url)
    run_sql(pair_url, "INSERT INTO roles (user_id, role) VALUES (%s, 'admin')", login.user_id)
    return login


_ADMIN = ["/api/analytics/overview", "/api/analytics/emojis", "/api/analytics/errors"]


@pytest.mark.parametrize("path", _ADMIN)
async def test_only_who_runs_the_place_sees_the_place(path: str, pair: Pair, admin: Login) -> None:
    """Nobody, a guest, an admin."""
    guest = await sign_in(pair[0].url)
    answers = [await call(pair[0].url, "GET", path, token=token) for token in (None, guest.token, admin.token)]
    assert [answer.status for answer in answers] == [401, 403, 200]
    assert answers[2].headers["Cache-Control"] == "no-store"


async def test_what_happens_over_the_wire_is_in_the_numbers(pair: Pair, pair_url: str, admin: Login) -> None:
    """Two people idle, wave and use emoji on two instances; the overview and their own pages add up."""
    a, b = pair
    database = Database(pair_url)
    await database.open()
    analytics = Analytics(database)

    async def totals() -> dict[str, Any]:
        while True:
            with contextlib.suppress(UnavailableError):  # where an instance adds up as well just now, and is slow
                if await analytics.roll_up(datetime.now(UTC)) < MAX_HOURS_A_RUN:
                    break
        answer = await call(b.url, "GET", "/api/analytics/overview", token=admin.token, params={"grain": "hour"})
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json["totals"]
        return found

    before = await totals()
    me, other = await sign_in(a.url), await sign_in(b.url)
    device = await connect(a.url, me.token)
    started = await call(b.url, "POST", "/api/sessions/create", token=other.token, json={"activity": "tea"})
    session = started.json["session"]["id"]
    assert (await device.mutate("reaction.send", {"session": session, "emoji": "👋"}))["status"] == "confirmed"
    assert (await device.mutate("emoji.use", {"emoji": "👋", "count": 7}))["status"] == "confirmed"
    assert (await call(b.url, "POST", "/api/sessions/end", token=other.token, json={})).status == 200
    after = await totals()
    grown = {name: after[name] - before.get(name, 0) for name in after if isinstance(after[name], int)}
    wanted = {"sessions_started": 1, "sessions_ended": 1, "emoji_uses": 7, "reactions": 1, "notifications": 1}
    # What others left behind in this place may end just now as well.
    assert [name for name in wanted if grown[name] < wanted[name]] == []
    mine = (await call(b.url, "GET", "/api/analytics/me", token=me.token)).json
    theirs = (await call(a.url, "GET", "/api/analytics/me?days=2", token=other.token)).json
    assert {name: mine["totals"][name] for name in ("sessions", "emoji_uses", "reactions_sent")} == {
        "sessions": 0, "emoji_uses": 7, "reactions_sent": 1,
    }  # fmt: skip
    assert mine["emojis"] == [{"emoji": "1F44B", "name": "waving hand", "char": "👋", "uses": 7}]
    assert (theirs["totals"]["sessions"], theirs["totals"]["reactions_received"]) == (1, 1)
    assert theirs["emojis"] == []
    await device.hang_up()
    await database.close()


async def test_who_did_nothing_sees_nothing(pair: Pair) -> None:
    """Empty, and said to be."""
    me = await sign_in(pair[0].url)
    answer = await call(pair[0].url, "GET", "/api/analytics/me", token=me.token)
    assert (answer.json["days"], answer.json["totals"], answer.json["emojis"]) == ([], {}, [])
    assert (await call(pair[0].url, "GET", "/api/analytics/me")).status == 401


_WRONG = [
    ({"grain": "week"}, "grain"),
    ({"from": "yesterday"}, "from"),
    ({"to": "2026-02-30"}, "to"),
    ({"from": "", "to": "2026-01-01"}, "from"),
    ({"from": "2026-01-01'; DROP TABLE users; --"}, "from"),
]


@pytest.mark.parametrize(("params", "field"), _WRONG)
@pytest.mark.parametrize("path", _ADMIN)
async def test_a_time_that_cannot_be_says_which(
    path: str, params: dict[str, str], field: str, pair: Pair, admin: Login
) -> None:
    """A clear problem."""
    if path.endswith("emojis") and "grain" in params:
        return  # it knows days only, and ignores what it does not know
    answer = await call(pair[0].url, "GET", path, token=admin.token, params=params)
    assert (answer.status, list(answer.json["fields"])) == (422, [field]), answer.body


_SPANS = [
    ({"from": "2026-02-02", "to": "2026-02-02"}, ("2026-02-02", "2026-02-02")),
    ({"from": "2026-02-03", "to": "2026-02-02"}, ("2026-02-03", "2026-02-03")),
    ({"from": "1999-01-01", "to": "2026-01-01"}, ("2024-12-31", "2026-01-01")),
    ({"from": "2026-01-01", "to": "2026-03-01", "grain": "hour"}, ("2026-01-29", "2026-03-01")),
    ({"from": "0001-01-01", "to": "0001-01-02"}, ("1971-01-01", "1971-01-01")),
    ({"from": "9999-12-30", "to": "9999-12-31"}, ("9000-01-01", "9000-01-01")),
    ({"from": "0001-01-01T00:00:00+14:00", "to": "2026-01-01"}, ("2024-12-31", "2026-01-01")),
]


@pytest.mark.parametrize(("params", "answered"), _SPANS)
@pytest.mark.parametrize("path", _ADMIN)
async def test_a_span_that_is_empty_or_too_long_is_answered_for_what_it_is(
    path: str, params: dict[str, str], answered: tuple[str, str], pair: Pair, admin: Login
) -> None:
    """Nothing of one that ends before it begins, the latest of one that is too long; the answer says which it is."""
    if path.endswith("emojis") and "grain" in params:
        return  # it knows days only, and ignores what it does not know
    answer = await call(pair[0].url, "GET", path, token=admin.token, params=params)
    assert answer.status == 200, answer.body
    assert (answer.json["from"], answer.json["to"]) == tuple(f"{day}T00:00:00.000Z" for day in answered)
    if answered[0] == answered[1]:
        assert [answer.json[name] for name in ("rows", "emojis", "errors") if name in answer.json] == [[]]


@pytest.mark.parametrize("days_asked", ["0", "-1", "367", "x", "", "1.5", "٣"])
async def test_days_are_a_number(days_asked: str, pair: Pair) -> None:
    """Of one's own."""
    me = await sign_in(pair[0].url)
    answer = await call(pair[0].url, "GET", "/api/analytics/me", token=me.token, params={"days": days_asked})
    assert (answer.status, list(answer.json["fields"])) == (422, ["days"])


@pytest.mark.parametrize(
    "given", ["2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01T02:00:00+02:00", "2026-01-01T00:00:00"]
)
async def test_a_time_may_be_written_in_any_way_that_iso_8601_knows(given: str, pair: Pair, admin: Login) -> None:
    """All of them are the same moment in UTC."""
    answer = await call(
        pair[0].url, "GET", "/api/analytics/overview", token=admin.token, params={"from": given, "to": "2026-01-03"}
    )
    assert (answer.status, answer.json["from"], answer.json["to"]) == (
        200, "2026-01-01T00:00:00.000Z", "2026-01-03T00:00:00.000Z",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("grain", "since", "until"),
    [("hour", "2026-01-01T09:00:00.000Z", "2026-01-02T11:00:00.000Z"),
     ("day", "2026-01-01T00:00:00.000Z", "2026-01-03T00:00:00.000Z")],
)  # fmt: skip
async def test_hours_and_days_are_whole(grain: str, since: str, until: str, pair: Pair, admin: Login) -> None:
    """What has begun is in it, and the answer says so."""
    params = {"grain": grain, "from": "2026-01-01T09:30:00Z", "to": "2026-01-02T10:00:00.001Z"}
    for path in ("overview", "errors"):
        answer = await call(pair[0].url, "GET", f"/api/analytics/{path}", token=admin.token, params=params)
        assert (answer.status, answer.json["from"], answer.json["to"]) == (200, since, until)
