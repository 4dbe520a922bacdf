"""The other routes of REST one by one: what they answer, in which shape, and what they refuse."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.bystander import Bystander
from tests.support.caller import caller
from tests.support.instances import Instance
from tests.support.shapes import is_problem
from tests.support.wire_client import call, sign_in

Pair = tuple[Instance, Instance]


# -- profile, preferences, people ----------------------------------------------------


async def test_profile_and_preferences_are_read_and_written(pair: Pair) -> None:
    """As they stand in ``state``, with the cursor at which they do."""
    ask = await caller(pair[0].url)
    state = (await ask("GET", "/api/snapshot")).json["state"]
    for path, name, change in (
        ("/api/profile", "profile", {"bio": "a few words\nin two lines"}),
        ("/api/preferences", "preferences", {"theme": "dark", "sounds": not state["preferences"]["sounds"]}),
    ):
        read = await ask("GET", path)
        assert read.headers["Cache-Control"] == "no-store"
        assert read.json[name] == state[name]
        written = (await ask("PATCH", path, change)).json
        assert written[name] == {**state[name], **change, "version": 2}
        assert (await ask("GET", path)).json[name] == written[name]
    problem = is_problem(await ask("PATCH", "/api/preferences", {"theme": "pink", "font": 1}), 422, "invalid_arguments")
    assert problem["fields"].keys() == {"values.theme", "values.font"}
    other = await caller(pair[0].url)
    taken = await other("PATCH", "/api/profile", {"name": ask.login.name.upper()})
    assert is_problem(taken, 409, "name_taken")["current"]["profile"]["name"] == other.login.name


async def test_others_see_a_person_without_what_is_private(pair: Pair) -> None:
    """Name, words, roles, and what they idle at."""
    ask, other = await caller(pair[0].url), await caller(pair[1].url)
    await other("POST", "/api/sessions/create", {"activity": "reading"})
    seen = (await ask("GET", f"/api/users/{other.login.user_id}")).json
    assert seen["user"] == {"id": other.login.user_id, "name": other.login.name, "bio": "", "roles": ["guest"]}
    assert seen["session"]["activity"] == "reading"
    for wrong in ("0", "-1", "x", "1.0", "999999999999999", "9" * 40, "%00", "%D9%A1", "1%0a"):
        is_problem(await ask("GET", f"/api/users/{wrong}"), 404, "not_found")


# -- coming in and leaving -----------------------------------------------------------


async def test_a_guest_gets_a_cookie_and_tokens(pair: Pair) -> None:
    """201 with the documented members; the cookie is out of scripts' reach."""
    answer = await call(pair[0].url, "POST", "/auth/guest", json={"name": "  Ann   Other "})
    assert answer.status == 201
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json.keys() == {"user", "access_token", "refresh_token", "expires_in_s"}
    assert answer.json["user"] == {"id": answer.json["user"]["id"], "name": "Ann Other", "roles": ["guest"]}
    assert answer.json["expires_in_s"] == 900
    cookie = {part.strip().lower() for part in answer.headers["Set-Cookie"].split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/"} <= cookie
    assert "domain" not in " ".join(cookie)
    is_problem(await call(pair[1].url, "POST", "/auth/guest", json={"name": "ANN OTHER"}), 409, "name_taken")
    nameless = await call(pair[0].url, "POST", "/auth/guest")
    assert nameless.status == 201


@pytest.mark.parametrize("name", ["", "x", " ", "y" * 41, "a\0b", "a\u202eb", 5, ["ab"], {}, True])
async def test_a_name_that_cannot_be_one_makes_no_guest(pair: Pair, bystander: Bystander, name: Any) -> None:
    """422, and it names the field."""
    async with bystander.undisturbed():
        answer = await call(pair[0].url, "POST", "/auth/guest", json={"name": name})
        assert is_problem(answer, 422, "invalid_arguments")["fields"].keys() == {"name"}


async def test_a_foreign_page_signs_nobody_in(pair: Pair, bystander: Bystander) -> None:
    """Nor does a body that is none, or one with more in it."""
    async with bystander.undisturbed():
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
            is_problem(await call(pair[0].url, "POST", "/auth/guest", json={}, headers=headers), 403, "forbidden")
        is_problem(await call(pair[0].url, "POST", "/auth/guest", json=[]), 400, "bad_frame")
        is_problem(await call(pair[0].url, "POST", "/auth/guest", json={"roles": ["admin"]}), 422, "invalid_arguments")
    odd = await call(pair[0].url, "POST", "/auth/guest", headers={"User-Agent": "odd \xff\xfe agent"})
    assert odd.status == 201


async def test_a_token_comes_from_the_cookie_of_our_own_page(pair: Pair) -> None:
    """And refresh tokens work once: the second use ends the login."""
    login = await sign_in(pair[0].url)
    is_problem(await call(pair[0].url, "POST", "/auth/token", headers={"Cookie": login.cookie}), 403, "forbidden")
    own = {"Cookie": login.cookie, "Origin": pair[0].url}
    token = (await call(pair[1].url, "POST", "/auth/token", headers=own)).json
    assert token["expires_in_s"] == 900
    assert (await call(pair[1].url, "GET", "/api/snapshot", token=token["access_token"])).status == 200
    fresh = await call(pair[1].url, "POST", "/auth/refresh", json={"refresh_token": login.refresh_token})
    assert fresh.json.keys() >= {"access_token", "refresh_token", "expires_in_s"}
    again = await call(pair[0].url, "POST", "/auth/refresh", json={"refresh_token": login.refresh_token})
    is_problem(again, 401, "unauthenticated")
    is_problem(
        await call(pair[0].url, "GET", "/api/snapshot", token=fresh.json["access_token"]), 401, "unauthenticated"
    )
    for wrong in ({}, {"refresh_token": 1}, {"refresh_token": "x", "more": 1}):
        is_problem(await call(pair[0].url, "POST", "/auth/refresh", json=wrong), 422, "invalid_arguments")
    is_problem(await call(pair[0].url, "POST", "/auth/refresh", json={"refresh_token": "x"}), 401, "unauthenticated")


async def test_the_public_keys_are_public_only(pair: Pair) -> None:
    """Nothing that could sign leaves the house, and every instance gives the same ones."""
    answers = [await call(instance.url, "GET", "/.well-known/jwks.json") for instance in pair]
    assert answers[0].json == answers[1].json
    for key in answers[0].json["keys"]:
        assert key.keys() == {"kty", "crv", "x", "y", "kid", "alg", "use"}


# -- the rest ------------------------------------------------------------------------


async def test_every_answer_is_marked_and_none_shows_the_inside(pair: Pair) -> None:
    """Security headers, a trace id, and no name or version of what it is made of."""
    for path in ("/healthz", "/api/snapshot", "/no/such/route", "/"):
        answer = await call(pair[0].url, "GET", path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["X-Trace-Id"])
        assert "python" not in answer.headers["Server"].lower()


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/api", "/api/", "/api/nothing", "/ws/", "/static/", "/static/nothing.js", "/static/%00",
     "/static/..%2fsetup.cfg", "/static/%2e%2e/setup.cfg", "/static//etc/passwd", "/static/..%5c..%5csetup.cfg",
     "/static/" + "x" * 300, "/static/" + "x/" * 1500, "/%00", "/%ff"],
)  # fmt: skip
async def test_what_is_not_there_is_a_problem(pair: Pair, bystander: Bystander, path: str) -> None:
    """404, whatever the path tries."""
    async with bystander.undisturbed():
        is_problem(await call(pair[0].url, "GET", path), 404, "not_found")


async def test_a_method_that_is_none_is_a_problem(pair: Pair) -> None:
    """405, with those that are."""
    answer = await call(pair[0].url, "DELETE", "/api/profile")
    is_problem(answer, 405, "method_not_allowed")
    assert {method.strip() for method in answer.headers["Allow"].split(",")} >= {"GET", "PATCH"}


@pytest.mark.parametrize("path", ["/api/sessions", "/api/lobby", "/api/notifications", "/api/emojis/custom"])
@pytest.mark.parametrize(
    "asked", ["after=%F0%9D%95%BF", "after=%20", "after=", f"after={'x' * 65}", "limit=0", "limit=-1"]
)
async def test_no_page_is_given_for_what_names_none(path: str, asked: str, pair: Pair) -> None:
    """A ``next`` is an id of printable ASCII, and a page has a size; everywhere, also where there is one page only."""
    ask = await caller(pair[0].url)
    is_problem(await ask("GET", f"{path}?{asked}"), 422, "invalid_arguments")
