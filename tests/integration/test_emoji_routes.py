"""The catalogue and the search over REST, as a picker uses them; and everything that is not a request."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from idling_ws.store.catalogue import load_packaged_catalogue
from tests.support.instances import Instance
from tests.support.wire_client import Answer, call, connect, metric, sign_in

GRINNING, HEART, THUMBS_UP = "1F600", "2764-FE0F", "1F44D"
CATALOGUE = load_packaged_catalogue()

Pair = tuple[Instance, Instance]


async def search(base: str, q: str | None, *, token: str | None = None, **params: Any) -> Answer:
    query = {} if q is None else {"q": q}
    query |= {name: str(value) for name, value in params.items()}
    return await call(base, "GET", "/api/emojis/search", token=token, params=query)


async def found(base: str, q: str, **params: Any) -> list[str]:
    answer = await search(base, q, **params)
    assert answer.status == 200, answer.body
    return [emoji["id"] for emoji in answer.json["emojis"]]


# -- the catalogue ---------------------------------------------------------------------


async def test_categories_count_what_they_hold_and_are_kept_by_browsers(pair: Pair) -> None:
    """Without a sign-in; the second time by ETag alone; the same on every instance."""
    answers = [await call(instance.url, "GET", "/api/emojis/categories") for instance in pair]
    while answers[0].headers["ETag"] != answers[1].headers["ETag"]:
        # What was changed for everybody a moment ago is known to both in a moment.
        answers = [await call(instance.url, "GET", "/api/emojis/categories") for instance in pair]
    for answer in answers:
        assert answer.status == 200
        listed = [category for category in answer.json["categories"] if category["id"] != "custom"]
        assert listed == [{"id": one.id, "name": one.name, "count": one.count} for one in CATALOGUE.categories]
        assert answer.headers["Cache-Control"] == "public, max-age=3600, stale-while-revalidate=86400"
    held = answers[0].headers["ETag"]
    for tags in (held, f'"other", {held}', f"W/{held}", "*"):
        again = await call(pair[1].url, "GET", "/api/emojis/categories", headers={"If-None-Match": tags})
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", held)
    other = await call(pair[1].url, "GET", "/api/emojis/categories", headers={"If-None-Match": '"other"'})
    assert other.status == 200


async def test_all_categories_together_are_the_whole_catalogue(pair: Pair) -> None:
    """Every fully-qualified emoji once, in order, as itself or as a skin tone of another."""
    ids: list[str] = []
    for category in CATALOGUE.categories:
        answer = await call(pair[0].url, "GET", f"/api/emojis/categories/{category.id}")
        assert answer.json["category"] == {"id": category.id, "name": category.name, "count": category.count}
        assert len(answer.json["emojis"]) == category.count
        for emoji in answer.json["emojis"]:
            assert set(emoji) - {"skin_tones"} == {
                "id", "char", "name", "category", "shortcodes", "keywords", "custom",
            }  # fmt: skip
            ids += [emoji["id"], *[tone["id"] for tone in emoji.get("skin_tones", ())]]
    assert len(ids) == len(set(ids)) == CATALOGUE.edition.fully_qualified


@pytest.mark.parametrize("category", ["no-such", "x" * 300, "..", "a%00b", "%2e%2e%2f", "' OR 1=1", "ÄÖ"])
async def test_a_category_that_is_none_is_not_found(category: str, pair: Pair) -> None:
    """Whatever it looks like."""
    answer = await call(pair[0].url, "GET", f"/api/emojis/categories/{quote(category, safe='%')}")
    assert (answer.status, answer.json["code"]) == (404, "not_found")


# -- search ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "first"),
    [("grining", GRINNING), ("hart", HEART), ("thumbs", THUMBS_UP), (":tada:", "1F389"), ("😀", GRINNING)],
)
async def test_the_search_finds_what_is_meant(query: str, first: str, pair: Pair) -> None:
    """On every instance, for anybody."""
    assert [(await found(instance.url, query))[0] for instance in pair] == [first, first]


async def test_a_public_search_is_kept_for_a_minute_and_a_personal_one_never(pair: Pair) -> None:
    """A cache between may not mix them up."""
    public = await search(pair[0].url, "cat")
    assert public.headers["Cache-Control"] == "public, max-age=60"
    again = await call(
        pair[1].url, "GET", "/api/emojis/search?q=cat", headers={"If-None-Match": public.headers["ETag"]}
    )
    assert again.status == 304
    me = await sign_in(pair[0].url)
    for answer in (
        await search(pair[0].url, "cat", token=me.token),
        await call(pair[0].url, "GET", "/api/emojis/search?q=cat", headers={"Cookie": me.cookie}),
    ):
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert "ETag" not in answer.headers
    for answer in (public, await search(pair[0].url, "cat", token=me.token)):
        assert {"Cookie", "Authorization"} <= {part.strip() for part in answer.headers["Vary"].split(",")}


async def test_ones_own_emoji_lead_at_once_and_only_for_oneself(pair: Pair) -> None:
    """What was favoured on one instance leads on the other; nobody else's search moves."""
    a, b = pair
    me, other = await sign_in(a.url), await sign_in(b.url)
    plain = await found(b.url, "cat", token=me.token)
    wanted = plain[8]
    answer = await call(a.url, "PUT", f"/api/emojis/favorites/{wanted}", token=me.token)
    assert answer.status == 200
    device = await connect(b.url, me.token)
    await device.reach(answer.json["cursor"])
    mine = await found(b.url, "cat", token=me.token)
    assert mine.index(wanted) < plain.index(wanted)
    assert await found(b.url, "cat", token=other.token) == await found(b.url, "cat") == plain
    await device.hang_up()


async def test_skin_tones_follow_the_query_the_parameter_and_the_preference(pair: Pair) -> None:
    """The id is the one to send."""
    base = pair[0].url
    me = await sign_in(base)
    await call(base, "PATCH", "/api/preferences", token=me.token, json={"skin_tone": "dark"})
    assert (await found(base, "thumbs", token=me.token))[0] == "1F44D-1F3FF"
    assert (await found(base, "thumbs", token=me.token, tone="none"))[0] == THUMBS_UP
    assert (await found(base, "thumbs", tone="medium_light"))[0] == "1F44D-1F3FC"
    answer = await search(base, "dark thumbs")
    first = answer.json["emojis"][0]
    assert (first["id"], first["char"], first["base"]) == ("1F44D-1F3FF", "👍🏿", THUMBS_UP)
    assert first["name"] == "thumbs up: dark skin tone"


async def test_pages_join_on_without_gap_or_repeat(pair: Pair) -> None:
    """Any size gives the same whole; a page may come from another instance."""
    whole: list[str] = []
    answer = await search(pair[0].url, "face", limit=100)
    while True:
        whole += [emoji["id"] for emoji in answer.json["emojis"]]
        if "next" not in answer.json:
            break
        answer = await search(pair[1].url, "face", limit=100, after=answer.json["next"])
    small: list[str] = []
    after: dict[str, str] = {}
    for turn in range(1000):
        answer = await search(pair[turn % 2].url, "face", limit=7, **after)
        small += [emoji["id"] for emoji in answer.json["emojis"]]
        if "next" not in answer.json:
            break
        after = {"after": answer.json["next"]}
    assert len(whole) == len(set(whole)) > 100
    assert small == whole


async def test_behind_the_end_is_an_empty_page(pair: Pair) -> None:
    """A place behind every hit is a place; there is just nothing there."""
    answer = await search(pair[0].url, "cat", limit=1)
    after = answer.json["next"]
    mark = json.loads(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)))[0]
    behind = json.dumps([mark, 99, 0, 0, 0, 0, 0, 10**9, "~"])
    beyond = base64.urlsafe_b64encode(behind.encode()).decode().rstrip("=")
    answer = await search(pair[0].url, "cat", after=beyond)
    assert (answer.status, answer.json) == (200, {"emojis": []})


_BAD = [
    ({}, "q"),
    ({"q": ""}, "q"),
    ({"q": "   "}, "q"),
    ({"q": "x" * 101}, "q"),
    ({"q": "x" * 5000}, "q"),
    ({"q": "a\0b"}, "q"),
    ({"q": "cat", "category": "no-such"}, "category"),
    ({"q": "cat", "category": ""}, "category"),
    ({"q": "cat", "tone": "purple"}, "tone"),
    *[({"q": "cat", "limit": limit}, "limit") for limit in ("0", "-1", "101", "1e2", "x", "", "٣", "9" * 30, "1.0")],
    *[({"q": "cat", "after": after}, "after") for after in ("", "é", "A" * 500, "%00", "a b")],
]


@pytest.mark.parametrize(("params", "field"), _BAD, ids=[f"{n}-{field}" for n, (_, field) in enumerate(_BAD)])
async def test_a_search_that_cannot_be_says_which_part(params: dict[str, str], field: str, pair: Pair) -> None:
    """A clear problem, never a 500."""
    answer = await call(pair[0].url, "GET", "/api/emojis/search", params=params)
    assert (answer.status, answer.json["code"], list(answer.json["fields"])) == (422, "invalid_arguments", [field])
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("after", ["0", "x", "W10", "bnVsbA"])
async def test_a_place_of_another_search_is_not_there(after: str, pair: Pair) -> None:
    """Well-formed, and leads nowhere; so does the `next` of other words."""
    elsewhere = (await search(pair[0].url, "dog", limit=1)).json["next"]
    for lost in (after, elsewhere):
        params = {"q": "cat", "after": lost}
        answer = await call(pair[0].url, "GET", "/api/emojis/search", params=params)
        assert (answer.status, answer.json["code"], list(answer.json["fields"])) == (404, "not_found", ["after"])


@pytest.mark.parametrize(
    "query",
    [
        "(((((a+)+)+)+)+)$", "[", ".*", "\\", "%", "_", "%_%", "' OR '1'='1", "'; DROP TABLE emojis; --", "$1", "%s",
        "<script>alert(1)</script>", "../../etc/passwd", "\u202ecat", "\ufeff", "a" * 100, "🏳️‍🌈🏳️‍🌈", "ﷺ" * 20, "Z͑ͫ̓ͪ̂ͫ",
        "-1", "+1", "null", "{}", "\r\nX: y",
    ],
)  # fmt: skip
async def test_any_text_is_a_query(query: str, pair: Pair) -> None:
    """Regex, SQL, wildcards and worse are letters like others."""
    answer = await search(pair[0].url, query)
    assert answer.status == 200, answer.body
    assert isinstance(answer.json["emojis"], list)


async def test_wildcards_stand_for_themselves(pair: Pair) -> None:
    """Nothing that is no word matches everything."""
    for query in ("%", "_", ".*", "[a-z]*"):
        assert len(await found(pair[0].url, query, limit=100)) < 100


async def test_ten_kilobytes_of_query_are_refused_and_the_connection_lives(pair: Pair) -> None:
    """As a problem when it still is a request, as a 400 when the line is longer than a line may be."""
    errors = pair[0].logged('"level": "error"')
    for size in (200, 8000, 10_000, 60_000):
        answer = await call(pair[0].url, "GET", "/api/emojis/search", params={"q": "x" * size})
        assert (answer.status, answer.json["code"]) == (422, "invalid_arguments"), size
        assert "q" in answer.json["fields"]
    assert (await call(pair[0].url, "GET", "/api/emojis/search", params={"q": "x" * 100_000})).status == 400
    assert pair[0].logged('"level": "error"') == errors  # whoever sends nonsense fills no log with tracebacks
    assert (await search(pair[0].url, "cat")).status == 200


async def test_a_token_that_is_not_good_is_said_to_be(pair: Pair) -> None:
    """Not taken for nobody's: it was meant to count. A cookie that means nothing is nobody's."""
    assert (await search(pair[0].url, "cat", token="x.y.z")).status == 401
    answer = await call(pair[0].url, "GET", "/api/emojis/search?q=cat", headers={"Cookie": "idling=made-up"})
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "public, max-age=60"


async def test_the_answer_says_how_long_it_took(pair: Pair) -> None:
    """``Server-Timing``, and a histogram."""
    before = await metric(pair[0].url, "idling_search_seconds_count")
    answer = await search(pair[0].url, "cat")
    name, _, took_ms = answer.headers["Server-Timing"].partition(";dur=")
    assert name == "search"
    assert float(took_ms) >= 0
    assert await metric(pair[0].url, "idling_search_seconds_count") == before + 1
