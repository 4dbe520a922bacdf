"""Ones own emoji over REST: favourites, uses that count, and what is popular by them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

from idling_ws.store.analytics import MAX_HOURS_A_RUN, Analytics
from idling_ws.store.catalogue import load_packaged_catalogue
from idling_ws.store.postgres import Database
from tests.support.instances import Instance, running_instances
from tests.support.rows import run_sql
from tests.support.wire_client import Login, call, connect, sign_in

GRINNING, HEART, THUMBS_UP = "1F600", "2764-FE0F", "1F44D"

CATALOGUE = load_packaged_catalogue()

Pair = tuple[Instance, Instance]


# -- favourites ------------------------------------------------------------------------


async def favorites(base: str, who: Login) -> list[str]:
    answer = await call(base, "GET", "/api/emojis/favorites", token=who.token)
    assert answer.status == 200, answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    listed: list[str] = answer.json["favorites"]
    return listed


async def test_favourites_come_and_go_over_rest(pair: Pair) -> None:
    """In order, by id or by the character itself, from any instance; a repeat changes nothing."""
    a, b = pair
    me = await sign_in(a.url)
    device = await connect(b.url, me.token)
    for emoji in (GRINNING, quote("❤️"), quote("❤"), "1f44d", GRINNING):
        answer = await call(a.url, "PUT", f"/api/emojis/favorites/{emoji}", token=me.token)
        assert answer.status == 200, answer.body
    assert answer.json["favorites"] == [GRINNING, HEART, THUMBS_UP]
    assert (await device.reach(answer.json["cursor"]))["favorites"] == [GRINNING, HEART, THUMBS_UP]
    assert await favorites(b.url, me) == [GRINNING, HEART, THUMBS_UP]
    for _ in range(2):
        answer = await call(a.url, "DELETE", f"/api/emojis/favorites/{quote('❤️')}", token=me.token)
        assert (answer.status, answer.json["favorites"]) == (200, [GRINNING, THUMBS_UP])
    await device.reach(answer.json["cursor"])
    assert await favorites(a.url, me) == await favorites(b.url, me) == [GRINNING, THUMBS_UP]
    await device.hang_up()


async def test_the_same_key_takes_effect_once(pair: Pair) -> None:
    """``Idempotency-Key`` is the ``mid``: on the other instance too."""
    me = await sign_in(pair[0].url)
    for instance in (*pair, pair[0]):
        answer = await call(
            instance.url,
            "POST",
            "/api/emojis/usage",
            token=me.token,
            json={"emoji": GRINNING, "count": 5},
            headers={"Idempotency-Key": "once"},
        )
        assert (answer.status, answer.json["usage"]["total"]) == (200, 5)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize(
    ("emoji", "status", "code"),
    [
        ("no-such", 404, "emoji_not_found"),
        ("1F600-1F3FB", 404, "emoji_not_found"),
        ("c_0123", 404, "emoji_not_found"),
        ("A", 404, "emoji_not_found"),
        ("%F0%9F%98%80%F0%9F%98%80", 404, "emoji_not_found"),
        ("x" * 65, 422, "invalid_arguments"),
        ("a%00b", 422, "invalid_arguments"),
        ("%20", 422, "invalid_arguments"),
    ],
)
async def test_what_is_no_emoji_is_no_favourite(method: str, emoji: str, status: int, code: str, pair: Pair) -> None:
    """A clear error, and nothing stored."""
    me = await sign_in(pair[0].url)
    answer = await call(pair[0].url, method, f"/api/emojis/favorites/{emoji}", token=me.token)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert await favorites(pair[0].url, me) == []


async def test_there_is_room_for_200_favourites(pair: Pair, pair_url: str) -> None:
    """One more is refused with what is there."""
    me = await sign_in(pair[0].url)
    kept = list(CATALOGUE.emojis)[:200]
    run_sql(
        pair_url,
        "INSERT INTO user_emoji_favorites (user_id, emoji, position) "
        "SELECT %s, v.emoji, v.position FROM unnest(%s) WITH ORDINALITY AS v (emoji, position)",
        me.user_id,
        kept,
    )
    answer = await call(pair[0].url, "PUT", f"/api/emojis/favorites/{list(CATALOGUE.emojis)[200]}", token=me.token)
    assert (answer.status, answer.json["code"]) == (409, "favorites_full")
    assert answer.json["current"] == {"favorites": kept}
    assert await favorites(pair[1].url, me) == kept


@pytest.mark.parametrize("path", ["/api/emojis/favorites", "/api/emojis/usage"])
async def test_what_is_ones_own_needs_a_sign_in(path: str, pair: Pair) -> None:
    """Reading and writing alike."""
    assert (await call(pair[0].url, "GET", path)).status == 401
    assert (await call(pair[0].url, "PUT", f"/api/emojis/favorites/{GRINNING}")).status == 401
    assert (await call(pair[0].url, "POST", "/api/emojis/usage", json={"emoji": GRINNING})).status == 401


# -- usage and popularity --------------------------------------------------------------


async def test_uses_are_counted_and_listed_the_most_used_first(pair: Pair) -> None:
    """Over both instances, in pages."""
    me = await sign_in(pair[0].url)
    for turn, (emoji, count) in enumerate([(GRINNING, 2), (HEART, 7), (GRINNING, 3), ("1F44D-1F3FF", 1)]):
        answer = await call(
            pair[turn % 2].url, "POST", "/api/emojis/usage", token=me.token, json={"emoji": emoji, "count": count}
        )
        assert answer.status == 200
    assert (await call(pair[0].url, "POST", "/api/emojis/usage", token=me.token, json={"emoji": "😀"})).status == 200
    listed: list[Any] = []
    after: dict[str, str] = {}
    while True:
        answer = await call(pair[1].url, "GET", "/api/emojis/usage", token=me.token, params={"limit": "1", **after})
        listed += answer.json["usage"]
        if "next" not in answer.json:
            break
        after = {"after": answer.json["next"]}
    assert [(one["emoji"], one["count"]) for one in listed] == [(HEART, 7), (GRINNING, 6), ("1F44D-1F3FF", 1)]
    assert listed[2]["name"] == "thumbs up: dark skin tone"
    assert listed[2]["char"] == "👍🏿"
    other = await sign_in(pair[0].url)
    assert (await call(pair[0].url, "GET", "/api/emojis/usage", token=other.token)).json == {"usage": []}


@pytest.mark.parametrize(
    "body",
    [
        {"emoji": GRINNING, "count": 0},
        {"emoji": GRINNING, "count": 101},
        {"emoji": GRINNING, "count": -1},
        {"emoji": GRINNING, "count": "1"},
        {"emoji": GRINNING, "count": True},
        {"emoji": GRINNING, "count": 1.5},
        {"emoji": 1},
        {"count": 1},
        {},
        {"emoji": GRINNING, "day": "2020-01-01"},
    ],
)
async def test_a_use_that_cannot_be_is_not_counted(body: dict[str, Any], pair: Pair) -> None:
    """Neither none nor a hundred and one."""
    me = await sign_in(pair[0].url)
    answer = await call(pair[0].url, "POST", "/api/emojis/usage", token=me.token, json=body)
    assert (answer.status, answer.json["code"]) == (422, "invalid_arguments")
    assert (await call(pair[0].url, "GET", "/api/emojis/usage", token=me.token)).json == {"usage": []}


@pytest.mark.parametrize("after", ["x", ".", "1", "x.1F600", "-1.1F600", "9" * 30 + ".1F600", "1.\x00", "٣.x", ""])
async def test_a_page_of_uses_that_is_none_is_refused(after: str, pair: Pair) -> None:
    """Not the database's error, but a clear one."""
    me = await sign_in(pair[0].url)
    answer = await call(pair[0].url, "GET", "/api/emojis/usage", token=me.token, params={"after": after})
    assert (answer.status, list(answer.json["fields"])) == (422, ["after"])


async def test_what_was_used_lately_is_more_popular_than_what_was_used_much_long_ago(
    migrated_url: str, redis_url: str
) -> None:
    """The score halves every week; colourings count for their emoji; what is gone is not shown."""
    today = datetime.now(UTC).date()
    run_sql(
        migrated_url,
        "WITH t (day) AS (VALUES (%s::date)) INSERT INTO emoji_usage_stats (user_id, day, emoji, count) "
        "SELECT v.user_id, t.day - v.ago, v.emoji, v.count FROM t, (VALUES (1, 28, '1F600', 100), (2, 0, '1F44D', 5), "
        "(3, 0, '1F44D-1F3FF', 4), (3, 0, 'c_gone', 900), (4, 300, '1F389', 900)) v (user_id, ago, emoji, count)",
        today,
    )
    database = Database(migrated_url)
    await database.open()
    analytics = Analytics(database)
    while await analytics.roll_up(datetime.now(UTC)) == MAX_HOURS_A_RUN:
        pass
    await database.close()
    with running_instances(migrated_url, redis_url, 1) as (instance,):
        answer = await call(instance.url, "GET", "/api/emojis/popular")
        assert answer.headers["Cache-Control"] == "public, max-age=60"
        scores = [(one["id"], one["score"]) for one in answer.json["emojis"]]
        assert [id_ for id_, _ in scores] == [THUMBS_UP, GRINNING]
        # Over midnight the scores are those of another day.
        assert scores == [(THUMBS_UP, 9.0), (GRINNING, 6.25)] or datetime.now(UTC).date() != today
        assert answer.json["emojis"][0]["char"] == "👍"
        limited = await call(instance.url, "GET", "/api/emojis/popular?limit=1")
        assert [one["id"] for one in limited.json["emojis"]] == [THUMBS_UP]
        assert (await call(instance.url, "GET", "/api/emojis/popular?limit=0")).status == 422
