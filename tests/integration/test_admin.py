"""The operator's side over two instances: who may, what they see of all of them, and what they can end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.support.instances import Instance
from tests.support.raw_socket import JsonObject
from tests.support.rows import run_sql
from tests.support.shapes import is_error, is_problem
from tests.support.wire_client import ClosedError, Device, Login, call, connect, sign_in

Pair = tuple[Instance, Instance]

ROUTES = [
    ("GET", "/api/admin/instances"),
    ("GET", "/api/admin/users?q=1"),
    ("GET", "/api/admin/users/1"),
    ("GET", "/api/admin/users/1/entries"),
    ("POST", "/api/admin/users/1/disconnect"),
]


async def person(pair: Pair, pair_url: str, role: str | None = None) -> Login:
    """Let somebody with that role come in; guests have that of a guest."""
    login = await sign_in(pair[0].url, f"{role or 'guest'} {uuid4().hex[:8]}")
    if role is not None:
        run_sql(pair_url, "INSERT INTO roles (user_id, role) VALUES (%s, %s)", login.user_id, role)
    return login


@pytest.fixture
async def admin(pair: Pair, pair_url: str) -> Login:
    """Somebody who runs the place."""
    return await person(pair, pair_url, "admin")


def on_record(pair_url: str, user_id: int, actor: int) -> list[tuple[str, str]]:
    """Return what stands in somebody's chain of what ``actor`` did or tried, in order."""
    return [
        (action, outcome)
        for action, outcome in run_sql(
            pair_url,
            "SELECT action, outcome FROM audit_log WHERE user_id = %s AND actor = %s ORDER BY n",
            user_id,
            f"user:{actor}",
        )
    ]


async def until(found: Callable[[], Any]) -> Any:
    """Wait until ``found`` finds something, and return it."""
    async with asyncio.timeout(45):
        while not (value := found()):
            await asyncio.sleep(0.05)
    return value


async def notice(device: Device, topic: str, fits: Callable[[JsonObject], bool]) -> JsonObject:
    """Return the data of the next notice of ``topic`` that fits."""
    async with asyncio.timeout(60):
        while True:
            message = await device.receive()
            if message["type"] == "notice" and message["topic"] == topic and fits(message["data"]):
                data: JsonObject = message["data"]
                return data


@pytest.mark.parametrize("role", [None, "member", "moderator"])
async def test_nobody_but_an_admin_sees_or_does_anything(role: str | None, pair: Pair, pair_url: str) -> None:
    """Each route and each topic, and the page; every refusal is on record."""
    login = await person(pair, pair_url, role)
    for method, path in ROUTES:
        is_problem(await call(pair[0].url, method, path, token=login.token, json={}), 403, "forbidden")
        assert (await call(pair[0].url, method, path, json={})).status == 401
    page = await call(pair[0].url, "GET", "/admin", headers={"Cookie": login.cookie})
    is_problem(page, 403, "forbidden")
    device = await connect(pair[0].url, login.token)
    for topic in ("admin", "admin.entries"):
        device.send({"type": "subscribe", "topic": topic})
        is_error((await device.expect("error"))["error"], "forbidden")
    await device.hang_up()
    refusals = len(ROUTES) + 3
    await until(lambda: [what for _, what in on_record(pair_url, *[login.user_id] * 2)].count("refused") == refusals)


async def test_the_page_is_for_who_signed_in_as_admin(pair: Pair, admin: Login) -> None:
    """Nobody is sent to the front door, and back from there; the policy of all pages holds."""
    nobody = await call(pair[0].url, "GET", "/admin", allow_redirects=False)
    assert (nobody.status, nobody.headers["Location"]) == (303, "/?next=/admin")
    page = await call(pair[0].url, "GET", "/admin", headers={"Cookie": admin.cookie})
    assert page.status == 200
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


async def test_one_instance_shows_how_both_do(pair: Pair, admin: Login) -> None:
    """Once a second over the socket; the same over REST."""
    a, b = pair
    other = await connect(b.url, admin.token)
    device = await connect(a.url, admin.token)
    device.send({"type": "subscribe", "topic": "admin"})
    assert (await device.expect("subscribed"))["topic"] == "admin"
    names = {device.welcome["instance"], other.welcome["instance"]}

    def shows_both(data: JsonObject) -> bool:
        here = {one["instance"]: one for one in data["instances"] if one["instance"] in names}
        return len(here) == 2 and all(one["connections"] > 0 for one in here.values())

    shown = await notice(device, "admin", shows_both)
    for one in shown["instances"]:
        if one["instance"] in names:
            assert one["status"] == "ready"
            assert one["parts"].items() >= {"postgres": "ok", "redis": "ok", "canary": "ok"}.items()
            assert one["silent_s"] == 0
    assert shown["together"]["connections"] >= 2
    await other.mutate("profile.update", {"bio": "busy"})
    await notice(device, "admin", lambda data: data["together"]["mutations_per_s"] > 0)
    rest = (await call(b.url, "GET", "/api/admin/instances", token=admin.token)).json
    assert names <= {one["instance"] for one in rest["instances"]}
    assert rest["history"][-1].keys() == shown["together"].keys()
    device.send({"type": "unsubscribe", "topic": "admin"})
    assert (await device.expect("unsubscribed"))["topic"] == "admin"
    await device.hang_up()
    await other.hang_up()


async def test_the_tail_says_who_and_what_kind_and_never_the_words(pair: Pair, pair_url: str, admin: Login) -> None:
    """Of what is committed on the other instance; that somebody watches is on record."""
    a, b = pair
    someone = await connect(b.url, (await sign_in(b.url)).token)
    user_id = someone.welcome["user"]["id"]
    device = await connect(a.url, admin.token)
    device.send({"type": "subscribe", "topic": "admin.entries"})
    await device.expect("subscribed")
    secret = f"secret {uuid4().hex}"
    seen: list[JsonObject] = []

    async def write() -> None:
        # Until the other instance has heard that somebody watches, it tells nothing.
        while not seen:
            await someone.mutate("profile.update", {"bio": f"{secret} {uuid4().hex}"})
            await asyncio.sleep(0.2)

    writing = asyncio.create_task(write())
    data = await notice(
        device, "admin.entries", lambda data: any(entry["user"] == user_id for entry in data["entries"])
    )
    seen.append(data)
    await writing
    entry = next(one for one in data["entries"] if one["user"] == user_id)
    assert entry.keys() == {"user", "seq", "kinds", "bytes", "instance"}
    assert (entry["kinds"], entry["instance"]) == (["profile.changed", "verdict"], someone.welcome["instance"])
    assert secret not in str(data)
    assert data["count"] >= len(data["entries"])
    await until(lambda: ("admin.tail", "confirmed") in on_record(pair_url, admin.user_id, admin.user_id))
    await device.hang_up()
    await someone.hang_up()


async def test_somebody_is_found_with_everything_that_hangs_on_them(pair: Pair, pair_url: str, admin: Login) -> None:
    """By id and by the beginning of the name in any case; connections on both instances; each look on record."""
    a, b = pair
    login = await sign_in(a.url, f"Found {uuid4().hex[:10]}")
    on_a, on_b = await connect(a.url, login.token), await connect(b.url, login.token)
    await on_a.mutate("session.start", {"activity": "being looked for"})

    async def ask(path: str) -> Any:
        answer = await call(b.url, "GET", path, token=admin.token)
        assert answer.status == 200, answer.body
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.json

    for query in (str(login.user_id), login.name[:12].upper().replace(" ", "%20")):
        found = (await ask(f"/api/admin/users?q={query}"))["users"]
        assert {"id": login.user_id, "name": login.name, "roles": ["guest"]} in found
    assert (await ask("/api/admin/users?q=%25"))["users"] == [], "a wildcard is a letter like any other"

    async def where() -> Any:
        shown = await ask(f"/api/admin/users/{login.user_id}")
        return shown if len(shown["connections"]) == 2 else None

    async with asyncio.timeout(45):  # until each has heard that the other is up
        while (shown := await where()) is None:
            await asyncio.sleep(0.1)
    assert shown["user"]["roles"] == ["guest"]
    assert shown["stream"]["head"] == on_a.user_seq
    assert shown["session"]["activity"] == "being looked for"
    assert len(shown["devices"]) == 1
    assert {(one["instance"], one["connection"]) for one in shown["connections"]} == {
        (device.welcome["instance"], device.welcome["connection"]) for device in (on_a, on_b)
    }
    entries = (await ask(f"/api/admin/users/{login.user_id}/entries"))["entries"]
    assert [entry["seq"] for entry in entries] == list(range(1, on_a.user_seq + 1))
    record = on_record(pair_url, login.user_id, admin.user_id)
    assert set(record) == {("admin.lookup", "confirmed"), ("admin.read_entries", "confirmed")}
    assert [action for action, _ in on_record(pair_url, admin.user_id, admin.user_id)].count("admin.search") == 3
    for path in ("/api/admin/users/999999999", "/api/admin/users/0", "/api/admin/users/x"):
        is_problem(await call(b.url, "GET", path, token=admin.token), 404, "not_found")
    is_problem(await call(b.url, "GET", "/api/admin/users?q=%20", token=admin.token), 422, "invalid_arguments")
    await on_a.hang_up()
    await on_b.hang_up()


async def closed_with(device: Device) -> int:
    """Read until the server closes; return the code, which its ``bye`` named as well."""
    async with asyncio.timeout(45):
        bye = await device.expect("bye")
        with pytest.raises(ClosedError) as closing:
            await device.expect("nothing more")
    assert closing.value.code == bye["code"]
    return closing.value.code


async def test_a_connection_and_a_person_are_ended_wherever_they_are(pair: Pair, pair_url: str, admin: Login) -> None:
    """One on the other instance, the rest stays; then all of them. They may come back. It is on record."""
    a, b = pair
    login = await sign_in(a.url)
    on_a, on_b = await connect(a.url, login.token), await connect(b.url, login.token)
    path = f"/api/admin/users/{login.user_id}/disconnect"
    asked = await call(a.url, "POST", path, token=admin.token, json={"connection": on_b.welcome["connection"]})
    assert asked.status == 202
    assert await closed_with(on_b) == 4104
    assert (await on_a.mutate("profile.update", {"bio": "still here"}))["status"] == "confirmed"
    on_b = await connect(b.url, login.token)
    assert (await call(a.url, "POST", path, token=admin.token)).status == 202
    assert [await closed_with(on_a), await closed_with(on_b)] == [4104, 4104]
    back = await connect(b.url, login.token)
    await back.hang_up()
    assert on_record(pair_url, login.user_id, admin.user_id) == [("admin.disconnect", "confirmed")] * 2
    for body in ({"connection": ""}, {"connection": 1}, {"who": "x"}):
        is_problem(await call(a.url, "POST", path, token=admin.token, json=body), 422, "invalid_arguments")
