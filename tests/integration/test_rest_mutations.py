"""Writes over REST: the same path as the socket's, with the same verdicts; and what may not pass that door."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.support.bystander import Bystander
from tests.support.instances import Instance
from tests.support.rows import locked, run_sql
from tests.support.shapes import is_error, is_problem
from tests.support.wire_client import Answer, Login, call, connect, sign_in

Pair = tuple[Instance, Instance]
JSON = {"Content-Type": "application/json"}


async def post(instance: Instance, login: Login, *mutations: dict[str, Any]) -> Answer:
    """Send mutations and return the answer."""
    body = {"mutations": list(mutations)}
    return await call(instance.url, "POST", "/api/mutations", token=login.token, json=body)


def bio(mid: str, text: str = "hello") -> dict[str, Any]:
    """Return a mutation that always succeeds."""
    return {"mid": mid, "name": "profile.update", "args": {"bio": text}}


async def test_each_mutation_of_a_list_gets_its_verdict_in_order(pair: Pair) -> None:
    """Confirmed, rolled back by the rules, refused at the door, and sent twice: each says what it is."""
    login = await sign_in(pair[0].url)
    start = {"mid": "start", "name": "session.start", "args": {"activity": "reading"}}
    answer = await post(
        pair[0],
        login,
        start,
        {**start, "mid": "again"},
        {"mid": "bad", "name": "session.start", "args": {}},
        {"mid": "none", "name": "session.begin", "args": {}},
        {"mid": "shape", "name": "session.start"},
        start,
        {**start, "args": {"activity": "writing"}},
        bio("last"),
    )
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    confirmed, rolled_back, bad, none, shape, repeated, reused, last = answer.json["verdicts"]
    session = confirmed["result"]["session"]
    assert confirmed == {"mid": "start", "status": "confirmed", "result": {"session": session}, "seq": 1}
    assert rolled_back.keys() == {"mid", "status", "error", "current", "seq"}
    assert (rolled_back["status"], rolled_back["seq"]) == ("rolled_back", 2)
    assert is_error(rolled_back["error"], "session_already_active")
    assert rolled_back["current"] == {"session": session}
    for verdict, code in (
        (bad, "invalid_arguments"), (none, "unknown_mutation"), (shape, "bad_frame"), (reused, "mid_reused")
    ):  # fmt: skip
        assert verdict.keys() == {"mid", "status", "error"}
        assert verdict["status"] == "rolled_back"
        assert is_error(verdict["error"], code)
    assert bad["error"]["fields"].keys() == {"activity"}
    assert repeated == {**confirmed, "duplicate": True}
    assert (last["status"], last["seq"]) == ("confirmed", 3)
    snapshot = await call(pair[0].url, "GET", "/api/snapshot", token=login.token)
    assert answer.json["cursor"] == snapshot.json["cursor"]


async def test_a_list_stops_at_what_has_to_be_sent_again(pair: Pair, pair_url: str) -> None:
    """That one is an error, those behind it did not run; sent again everything takes effect in order."""
    login = await sign_in(pair[0].url)
    with locked(pair_url, "streams"):
        answer = await post(pair[0], login, bio("m1", "one"), bio("m2", "two"), bio("m3", "three"))
    assert answer.status == 200
    assert answer.json.keys() == {"verdicts"}  # where the stream stands nobody can say just now
    first, *others = answer.json["verdicts"]
    assert (first["mid"], first["status"]) == ("m1", "error")
    assert is_error(first["error"], "unavailable")
    assert first["error"]["retryable"] is True
    assert others == [{"mid": "m2", "status": "not_run"}, {"mid": "m3", "status": "not_run"}]
    assert run_sql(pair_url, "SELECT count(*) FROM entries WHERE user_id = %s", login.user_id) == [(0,)]
    again = await post(pair[0], login, bio("m1", "one"), bio("m2", "two"), bio("m3", "three"))
    assert [verdict["status"] for verdict in again.json["verdicts"]] == ["confirmed"] * 3
    assert run_sql(pair_url, "SELECT bio FROM users WHERE id = %s", login.user_id) == [("three",)]


# What is sent as the body of POST /api/mutations, the status and code of the problem, the fields it names.
BODIES: dict[str, tuple[bytes, int, str, set[str]]] = {
    "nothing": (b"", 400, "bad_json", set()),
    "not JSON": (b"{", 400, "bad_json", set()),
    "broken UTF-8": (b'{"mutations":["\xff"]}', 400, "bad_json", set()),
    "a lone surrogate": (rb'{"mutations":["\ud800"]}', 400, "bad_json", set()),
    "NaN": (b'{"mutations":NaN}', 400, "bad_json", set()),
    "100,000-deep nesting": (b"[" * 100_000 + b"]" * 100_000, 400, "bad_json", set()),
    "100,000 open brackets": (b"[" * 100_000, 400, "bad_json", set()),
    "an integer of 5,000 digits": (b'{"mutations":%b}' % (b"9" * 5000), 400, "bad_json", set()),
    "keys twice": (b'{"mutations":[],"mutations":[]}', 400, "bad_json", set()),
    "a list": (b"[]", 400, "bad_frame", set()),
    "null": (b"null", 400, "bad_frame", set()),
    "no mutations": (b"{}", 422, "invalid_arguments", {"mutations"}),
    "an empty list of them": (b'{"mutations":[]}', 422, "invalid_arguments", {"mutations"}),
    "mutations that are no list": (b'{"mutations":{"mid":"x"}}', 422, "invalid_arguments", {"mutations"}),
    "one that is no object": (b'{"mutations":[1]}', 422, "invalid_arguments", {"mutations.0.mid"}),
    "one without mid": (
        b'{"mutations":[{"mid":"a","name":"x","args":{}},{"name":"x","args":{}}]}',
        422, "invalid_arguments", {"mutations.1.mid"},
    ),
    "something unknown": (b'{"mutations":[{"mid":"a"}],"colour":"red"}', 422, "invalid_arguments", {"colour"}),
    "101 of them": (
        b'{"mutations":[%b]}' % b",".join([b'{"mid":"a","name":"x","args":{}}'] * 101),
        422, "invalid_arguments", {"mutations"},
    ),
    "more than a mebibyte": (b" " * (1 << 20) + b"{}", 413, "too_large", set()),
}  # fmt: skip


@pytest.mark.parametrize("what", BODIES)
async def test_a_body_that_cannot_be_read_is_a_problem(pair: Pair, bystander: Bystander, what: str) -> None:
    """Nothing of it runs, not even what was well-formed."""
    data, status, code, fields = BODIES[what]
    login = await sign_in(pair[0].url)
    async with bystander.undisturbed():
        answer = await call(pair[0].url, "POST", "/api/mutations", token=login.token, data=data, headers=JSON)
        assert set(is_problem(answer, status, code).get("fields", {})) == fields


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_only_json_is_read(pair: Pair, bystander: Bystander, kind: str) -> None:
    """What a foreign page's form could send is refused by its type alone."""
    login = await sign_in(pair[0].url)
    body = json.dumps({"mutations": [bio("m1")]}).encode()
    async with bystander.undisturbed():
        answer = await call(
            pair[0].url, "POST", "/api/mutations", token=login.token, data=body, headers={"Content-Type": kind}
        )
        is_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer"}, {"Authorization": "Bearer a.b.c"}, {"Authorization": "Basic eDp4"},
     {"Authorization": "Bearer \xff"}, {"Cookie": "idling=made-up"}, {"Cookie": "idling=\xff"}],
)  # fmt: skip
async def test_nobody_may_do_nothing(pair: Pair, bystander: Bystander, headers: dict[str, str]) -> None:
    """401, with what it takes; for reads and for writes."""
    async with bystander.undisturbed():
        for method, path in (("POST", "/api/mutations"), ("GET", "/api/snapshot"), ("GET", "/api/events?cursor=a.0.0")):
            sent = {"mutations": [bio("m1")]} if method == "POST" else None
            own = {"Origin": pair[0].url} if "Cookie" in headers else {}
            answer = await call(pair[0].url, method, path, json=sent, headers={**headers, **own})
            is_problem(answer, 401, "unauthenticated")
            assert answer.headers["WWW-Authenticate"] == "Bearer"


# How a request by cookie says where it comes from, and whether it may change anything.
SITES: dict[str, tuple[dict[str, str], bool]] = {
    "our own page": ({"Origin": "{own}"}, True),
    "our own page, told by the browser": ({"Sec-Fetch-Site": "same-origin"}, True),
    "nothing said": ({}, False),
    "null": ({"Origin": "null"}, False),
    "another site": ({"Origin": "https://evil.example"}, False),
    "another port": ({"Origin": "http://127.0.0.1:1"}, False),
    "another scheme": ({"Origin": "https://{host}"}, False),
    "a suffix": ({"Origin": "{own}.evil.example"}, False),
    "the same site": ({"Sec-Fetch-Site": "same-site"}, False),
    "cross-site": ({"Sec-Fetch-Site": "cross-site"}, False),
    "typed in": ({"Sec-Fetch-Site": "none"}, False),
    "another site that claims to be ours": ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, False),
}


@pytest.mark.parametrize("what", SITES)
async def test_a_cookie_changes_something_from_our_own_page_only(pair: Pair, bystander: Bystander, what: str) -> None:
    """A browser sends the cookie whoever made the request; reading is not changing."""
    headers, may = SITES[what]
    own = pair[0].url
    login = await sign_in(own)
    said = {key: text.format(own=own, host=own.partition("://")[2]) for key, text in headers.items()}
    sent = {"mutations": [{"mid": "m1", "name": "none", "args": {}}]}
    async with bystander.undisturbed():
        answer = await call(own, "POST", "/api/mutations", json=sent, headers={"Cookie": login.cookie, **said})
        if may:
            assert answer.json["verdicts"][0]["error"]["code"] == "unknown_mutation"
        else:
            is_problem(answer, 403, "forbidden")
        read = await call(own, "GET", "/api/snapshot", headers={"Cookie": login.cookie, **said})
        assert read.status == 200


async def test_somebody_suspended_may_nothing(pair: Pair, pair_url: str) -> None:
    """403, and it says why."""
    login = await sign_in(pair[0].url)
    run_sql(pair_url, "UPDATE users SET suspended_until = now() + interval '1 hour' WHERE id = %s", login.user_id)
    is_problem(await post(pair[0], login, bio("m1")), 403, "suspended")
    is_problem(await call(pair[0].url, "GET", "/api/snapshot", token=login.token), 403, "suspended")


@pytest.mark.parametrize("key", ["", " ", "x" * 65, "a b", "ä", '"', "a,b"])
async def test_an_idempotency_key_is_a_mid(pair: Pair, bystander: Bystander, key: str) -> None:
    """And refused where no ``mid`` could be that."""
    login = await sign_in(pair[0].url)
    async with bystander.undisturbed():
        answer = await call(
            pair[0].url,
            "PATCH",
            "/api/profile",
            token=login.token,
            json={"bio": "x"},
            headers={"Idempotency-Key": key},
        )
        assert is_problem(answer, 422, "invalid_arguments")["fields"].keys() == {"Idempotency-Key"}


async def test_a_write_sent_again_with_its_key_happens_once(pair: Pair) -> None:
    """Over any route and instance, quoted or not; with another body it is refused."""
    login = await sign_in(pair[0].url)

    async def create(instance: Instance, activity: str, key: str) -> Answer:
        return await call(
            instance.url,
            "POST",
            "/api/sessions/create",
            token=login.token,
            json={"activity": activity},
            headers={"Idempotency-Key": key},
        )

    answers = await asyncio.gather(*[create(pair[n % 2], "reading", '"key-1"' if n % 3 else "key-1") for n in range(6)])
    assert {answer.status for answer in answers} == {201}
    assert len({answer.json["session"]["id"] for answer in answers}) == 1
    is_problem(await create(pair[1], "writing", "key-1"), 422, "mid_reused")
    async with await connect(pair[0].url, login.token) as device:
        verdict = await device.mutate("session.start", {"activity": "reading"}, mid="key-1")
        assert (verdict["duplicate"], verdict["seq"]) == (True, 1)
    history = await call(pair[0].url, "GET", "/api/sessions", token=login.token)
    assert len(history.json["sessions"]) == 1


async def test_a_write_without_a_key_is_a_new_one_each_time(pair: Pair) -> None:
    """The server makes a ``mid`` of its own, and it is in the stream."""
    login = await sign_in(pair[0].url)
    async with await connect(pair[1].url, login.token) as device:
        for text in ("one", "two"):
            answer = await call(pair[0].url, "PATCH", "/api/profile", token=login.token, json={"bio": text})
            assert answer.json["profile"]["bio"] == text
        mids = {(await device.expect("entry"))["items"][-1]["mid"] for _ in range(2)}
        assert len(mids) == 2
