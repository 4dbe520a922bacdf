"""Idle sessions and the lobby over REST: what is answered, in which shape, and what is refused."""

from __future__ import annotations

import pytest

from tests.support.bystander import Bystander
from tests.support.caller import caller
from tests.support.instances import Instance
from tests.support.shapes import is_problem
from tests.support.wire_client import connect

Pair = tuple[Instance, Instance]


SESSION = {"id", "activity", "status", "started_at", "paused_s", "version", "duration_s"}


async def test_the_life_of_a_session_over_rest(pair: Pair) -> None:
    """Create, heartbeat, pause, resume, end: each with the session and the cursor after it."""
    ask = await caller(pair[0].url)
    async with await connect(pair[1].url, ask.login.token) as device:
        created = await ask("POST", "/api/sessions/create", {"activity": "reading", "emoji": "😀"})
        assert created.status == 201
        assert created.headers["Cache-Control"] == "no-store"
        assert created.json.keys() == {"session", "cursor"}
        session = created.json["session"]
        assert session.keys() == SESSION | {"emoji"}
        assert (session["activity"], session["emoji"], session["status"]) == ("reading", "😀", "active")
        assert created.json["cursor"] == device.cursor.replace(".0.", ".1.")

        heard = await ask("POST", "/api/sessions/heartbeat")
        assert heard.json["session"].items() >= {(key, session[key]) for key in session if key != "duration_s"}
        paused = await ask("POST", "/api/sessions/pause", {"id": session["id"]})
        assert paused.json["session"].keys() == SESSION | {"emoji", "paused_at"}
        resumed = await ask("POST", "/api/sessions/resume")
        assert (resumed.json["session"]["status"], resumed.json["session"]["version"]) == ("active", 3)
        ended = await ask("POST", "/api/sessions/end", {"id": session["id"]})
        assert ended.status == 200
        assert ended.json["session"].keys() == SESSION | {"emoji", "ended_at", "end_reason"}
        assert (ended.json["session"]["status"], ended.json["session"]["end_reason"]) == ("ended", "user")

        await device.reach(ended.json["cursor"])
        kinds = [entry["items"][0]["kind"] for entry in device.entries]
        assert kinds == ["session.started", "session.paused", "session.resumed", "session.ended"]
        assert "session" not in device.state


async def test_what_no_session_allows_is_a_problem_with_what_is_true(pair: Pair) -> None:
    """404 or 409, and ``current``."""
    ask = await caller(pair[0].url)
    for path in ("pause", "resume", "end"):
        problem = is_problem(await ask("POST", f"/api/sessions/{path}"), 404, "session_not_found")
        assert problem["current"] == {"session": None}
    assert is_problem(await ask("POST", "/api/sessions/heartbeat"), 409, "session_not_active")["current"] == {
        "session": None
    }
    session = (await ask("POST", "/api/sessions/create", {"activity": "reading"})).json["session"]
    known = {key: value for key, value in session.items() if key != "duration_s"}
    problem = is_problem(
        await ask("POST", "/api/sessions/create", {"activity": "writing"}), 409, "session_already_active"
    )
    assert problem["current"] == {"session": known}
    for path in ("pause", "end"):
        answer = await ask("POST", f"/api/sessions/{path}", {"id": "no-such-session"})
        assert is_problem(answer, 404, "session_not_found")["current"] == {"session": known}
    answer = await ask("POST", "/api/sessions/heartbeat", {"id": "no-such-session"})
    assert is_problem(answer, 409, "session_not_active")["current"] == {"session": known}
    is_problem(await ask("POST", "/api/sessions/heartbeat", {"activity": "asleep"}), 400, "bad_frame")
    is_problem(await ask("POST", "/api/sessions/heartbeat", {"colour": "red"}), 422, "invalid_arguments")
    is_problem(await ask("POST", "/api/sessions/create", {"activity": "x", "mood": "y"}), 422, "invalid_arguments")
    is_problem(
        await ask("POST", "/api/sessions/create", {"activity": "x", "emoji": "nope"}), 409, "session_already_active"
    )
    await ask("POST", "/api/sessions/end")
    is_problem(await ask("POST", "/api/sessions/create", {"activity": "x", "emoji": "nope"}), 404, "emoji_not_found")
    is_problem(await ask("POST", "/api/sessions/end"), 409, "session_not_active")


async def test_a_repeat_without_an_id_means_the_session_that_was_meant(pair: Pair) -> None:
    """Whatever began since: the answer to the first try was lost, and the same request gets the same verdict."""
    ask = await caller(pair[0].url)
    for path, began in (("pause", "active"), ("resume", "paused"), ("end", "active")):
        session = (await ask("POST", "/api/sessions/create", {"activity": f"to {path}"})).json["session"]
        if began == "paused":
            await ask("POST", "/api/sessions/pause")
        key = {"Idempotency-Key": f"once-{path}"}
        first = (await ask("POST", f"/api/sessions/{path}", headers=key)).json["session"]
        await ask("POST", "/api/sessions/end")
        later = (await ask("POST", "/api/sessions/create", {"activity": "another"})).json["session"]
        again = await ask("POST", f"/api/sessions/{path}", headers=key)
        assert again.status == 200, again.body
        assert (again.json["session"]["id"], again.json["session"]["version"]) == (session["id"], first["version"])
        active = (await ask("GET", "/api/sessions/active")).json["session"]
        assert (active["id"], active["status"]) == (later["id"], "active")
        await ask("POST", "/api/sessions/end")
    refused = {"Idempotency-Key": "refused"}
    is_problem(await ask("POST", "/api/sessions/end", headers=refused), 409, "session_not_active")
    await ask("POST", "/api/sessions/create", {"activity": "one more"})
    is_problem(await ask("POST", "/api/sessions/end", headers=refused), 409, "session_not_active")
    assert (await ask("GET", "/api/sessions/active")).json["session"] is not None


async def test_if_match_turns_a_write_into_compare_and_swap(pair: Pair) -> None:
    """With a stale version nothing changes, and the problem holds what is there."""
    ask = await caller(pair[0].url)
    await ask("POST", "/api/sessions/create", {"activity": "reading"})
    for method, path, body in (
        ("PATCH", "/api/profile", {"bio": "x"}),
        ("PATCH", "/api/preferences", {"theme": "dark"}),
        ("POST", "/api/sessions/pause", {}),
    ):
        stale = await ask(method, path, body, headers={"If-Match": '"7"'})
        current = is_problem(stale, 409, "conflict")["current"]
        assert [thing["version"] for thing in current.values()] == [1]
        good = await ask(method, path, body, headers={"If-Match": '"1"'})
        assert good.status == 200, good.body
        is_problem(await ask(method, path, body, headers={"If-Match": "x"}), 422, "invalid_arguments")


async def test_history_comes_in_pages(pair: Pair) -> None:
    """The newest first; ``next`` goes back as ``after``."""
    ask = await caller(pair[0].url)
    made = []
    for n in range(5):
        made.append((await ask("POST", "/api/sessions/create", {"activity": f"no. {n}"})).json["session"]["id"])
        if n < 4:
            await ask("POST", "/api/sessions/end")
    seen, after = [], ""
    while True:
        page = (await ask("GET", f"/api/sessions?limit=2{after}")).json
        seen += page["sessions"]
        if "next" not in page:
            break
        after = f"&after={page['next']}"
    assert [session["id"] for session in seen] == made[::-1]
    assert [session["status"] for session in seen] == ["active"] + ["ended"] * 4
    assert all(session.keys() >= SESSION for session in seen)
    active = (await ask("GET", "/api/sessions/active")).json
    assert active["session"]["id"] == made[-1]
    stranger = await caller(pair[0].url)
    assert (await stranger("GET", "/api/sessions")).json == {"sessions": []}
    assert (await stranger("GET", f"/api/sessions?after={made[0]}")).json == {"sessions": []}
    assert (await stranger("GET", "/api/sessions/active")).json == {"session": None}


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=-1",
        "limit=",
        "limit=1e1",
        "limit=%D9%A1",
        "limit=" + "9" * 30,
        "after=",
        "after=%00",
        "after=" + "x" * 65,
    ],
)
async def test_a_page_that_is_none_is_a_problem(pair: Pair, bystander: Bystander, query: str) -> None:
    """It names the parameter."""
    ask = await caller(pair[0].url)
    async with bystander.undisturbed():
        for path in ("/api/sessions", "/api/lobby"):
            problem = is_problem(await ask("GET", f"{path}?{query}"), 422, "invalid_arguments")
            assert problem["fields"].keys() == {query.partition("=")[0]}


async def test_the_lobby_comes_in_pages(pair: Pair) -> None:
    """Everybody who idles is there exactly once, with count."""
    callers = [await caller(pair[0].url) for _ in range(3)]
    made = {}
    for ask in callers:
        session = (await ask("POST", "/api/sessions/create", {"activity": "here"})).json["session"]
        made[ask.login.user_id] = {key: value for key, value in session.items() if key != "duration_s"}
    members, after = [], ""
    while True:
        page = (await callers[0]("GET", f"/api/lobby?limit=2{after}")).json
        assert page["count"] >= 3
        assert len(page["members"]) <= 2
        members += page["members"]
        if "next" not in page:
            break
        after = f"&after={page['next']}"
    found = {member["user"]["id"]: member for member in members}
    assert len(found) == len(members)
    for ask in callers:
        assert found[ask.login.user_id] == {
            "user": {"id": ask.login.user_id, "name": ask.login.name}, "session": made[ask.login.user_id]
        }  # fmt: skip
