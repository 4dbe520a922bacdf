"""Notifications: what people are told, on all their devices alike, counted right, and kept within bounds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from uuid import uuid4

import pytest

from idling_ws.store.postgres import Database
from idling_ws.store.retention import Retention
from tests.support.instances import Instance, running_instances
from tests.support.raw_socket import JsonObject
from tests.support.rows import run_sql
from tests.support.scenes import set_scene
from tests.support.servers import RedisServer
from tests.support.wire_client import Device, Login, call, connect, sign_in

Pair = tuple[Instance, Instance]
ROUNDS = int(os.environ.get("IDLING_TEST_NOTIFICATION_ROUNDS", "6"))
MAX_SHOWN = 200
OLD = "SELECT format('0000-%%s-%%s', u, lpad(n::text, 3, '0')), u, 'old', 'info', 'old', n %% 3 = 0, now()"
ADD_OLD = f"INSERT INTO notifications (id, user_id, kind, level, title, read, created_at) {OLD}"


async def rest(base: str, login: Login, name: str, args: JsonObject, **headers: str) -> JsonObject:
    """Ask for one change over REST, again where the server was too busy to decide; return its verdict."""
    body = {"mutations": [{"mid": uuid4().hex, "name": name, "args": args}]}
    while True:
        answer = await call(base, "POST", "/api/mutations", token=login.token, json=body, headers=headers)
        verdict = dict(answer.json["verdicts"][0])
        if verdict["status"] != "error":
            return verdict
        assert verdict["error"]["retryable"], verdict


async def agrees(device: Device, base: str, login: Login) -> JsonObject:
    """See that the device has, after all entries so far, exactly a fresh snapshot; return its notifications."""
    fresh = (await call(base, "GET", "/api/snapshot", token=login.token)).json
    assert await device.reach(fresh["cursor"]) == fresh["state"]
    shown: JsonObject = fresh["state"]["notifications"]
    return shown


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_whatever_happens_state_is_a_fresh_snapshot(pair: Pair, seed: int) -> None:
    """Waved at, read and dismissed through every door of two instances at once: nothing is counted wrong."""
    rng = random.Random(seed)
    urls = [instance.url for instance in pair]
    owner, *wavers = [await sign_in(rng.choice(urls)) for _ in range(4)]
    run_sql(
        pair[0].settings["DATABASE_URL"], f"{ADD_OLD} FROM generate_series(1, 195) n, (SELECT %s AS u) v", owner.user_id
    )
    async with contextlib.AsyncExitStack() as stack:
        devices = [await stack.enter_async_context(await connect(url, owner.token)) for url in urls]
        session = (await devices[0].mutate("session.start", {"activity": "reading"}))["result"]["session"]["id"]
        for _ in range(4):
            known = [*(await agrees(devices[0], urls[1], owner))["items"], "never-was"]

            async def act(n: int, known: list[str] = known) -> JsonObject:
                if n % 3 == 0:
                    args: JsonObject = {"session": session, "emoji": "👋"}
                    return await rest(rng.choice(urls), rng.choice(wavers), "reaction.send", args)
                id_ = rng.choice(known)
                choices: list[tuple[str, JsonObject]] = [
                    ("notification.dismiss", {"id": id_}),
                    ("notification.read", {"up_to": id_}),
                    ("notification.read", {"ids": rng.sample(known, 3)}),
                ]
                name, args = rng.choice(choices)
                return await rest(rng.choice(urls), owner, name, args)

            for verdict in await asyncio.gather(*[act(n) for n in range(24)]):
                code = verdict.get("error", {}).get("code")
                assert verdict["status"] == "confirmed" or code == "notification_not_found", verdict
            shown = [await agrees(device, urls[0], owner) for device in devices]
            assert shown[0] == shown[1]
            items = shown[0]["items"].values()
            assert len(items) <= MAX_SHOWN
            assert shown[0]["unread_count"] == sum(not item["read"] for item in items)
            page = (await call(urls[1], "GET", "/api/notifications?limit=1", token=owner.token)).json
            assert page["unread_count"] == shown[0]["unread_count"]


async def test_the_oldest_falls_out(pair: Pair) -> None:
    """Two hundred stand; one more, and the oldest goes, in the same entry and from the table's view."""
    scene = await set_scene(pair[0].url, pair[0].settings["DATABASE_URL"])
    run_sql(scene.database_url, f"{ADD_OLD} FROM generate_series(1, 200) n, (SELECT %s AS u) v", scene.actor.user_id)
    await scene.session()
    async with await connect(pair[1].url, scene.actor.token) as device:
        oldest = min(device.state["notifications"]["items"])
        await scene.notification()
        shown = await agrees(device, pair[0].url, scene.actor)
        assert len(shown["items"]) == MAX_SHOWN
        assert oldest not in shown["items"]
    # What fell out counts as dismissed: another device that was about to is told nothing bad.
    assert (await rest(pair[0].url, scene.actor, "notification.dismiss", {"id": oldest}))["status"] == "confirmed"


async def test_who_is_second_to_read_or_dismiss_is_confirmed(pair: Pair) -> None:
    """Two devices do the same: nothing is told as a mistake, and nothing happens twice."""
    scene = await set_scene(pair[0].url, pair[0].settings["DATABASE_URL"])
    first, second = await scene.notification(), await scene.notification()
    for base in (pair[0].url, pair[1].url):
        verdict = await rest(base, scene.actor, "notification.read", {"ids": [first]})
        assert verdict["result"] == {"notifications": {"unread_count": 1}}
    for base in (pair[1].url, pair[0].url):
        verdict = await rest(base, scene.actor, "notification.dismiss", {"id": first})
        assert (verdict["status"], verdict["result"]) == ("confirmed", {"notifications": {"unread_count": 1}})
    for args in ({"ids": [first, second]}, {"up_to": first}, {"up_to": second}):
        assert (await rest(pair[0].url, scene.actor, "notification.read", args))["status"] == "confirmed"
    foreign = await rest(pair[0].url, scene.other, "notification.dismiss", {"id": first})
    assert foreign["error"]["code"] == "notification_not_found"


async def test_what_was_dismissed_goes_in_a_month_and_nothing_else(migrated_url: str) -> None:
    """Who dismisses it again by then hears that it is gone; what stands, stands however old it is."""
    add = (
        "INSERT INTO notifications (id, user_id, kind, level, title, dismissed, created_at) "
        "SELECT 'n' || days || dismissed, 1, 'old', 'info', 'old', dismissed, now() - make_interval(days => days) "
        "FROM (VALUES (1), (29), (31), (400)) d (days), (VALUES (true), (false)) g (dismissed)"
    )
    run_sql(migrated_url, add)
    database = Database(migrated_url, max_size=2)
    await database.open()
    try:
        await Retention(database, entries_s=86400.0, audit_days=365).run()
    finally:
        await database.close()
    left = {row[0] for row in run_sql(migrated_url, "SELECT id FROM notifications")}
    assert left == {"n1true", "n29true", "n1false", "n29false", "n31false", "n400false"}


async def test_what_is_not_accepted_while_nobody_looks_is_told(pair: Pair) -> None:
    """A service worker empties the outbox: all devices hear of what was refused, in the entry of its verdict."""
    scene = await set_scene(pair[0].url, pair[0].settings["DATABASE_URL"])
    away = {"Idling-Away": "1"}
    async with await connect(pair[1].url, scene.actor.token) as device:
        fine = await rest(pair[0].url, scene.actor, "emoji.use", {"emoji": "1F600", "count": 1}, **away)
        assert fine["status"] == "confirmed"
        args = {"emoji": "1F600", "after": None}
        refused = await rest(pair[0].url, scene.actor, "favorite.move", args, **away)
        assert refused["error"]["code"] == "favorite_not_found"
        shown = await agrees(device, pair[0].url, scene.actor)
        assert [item["kind"] for item in device.entries[-1]["items"]] == ["notification.created", "verdict"]
        [told] = shown["items"].values()
        assert (told["kind"], told["level"]) == ("mutation.rolled_back", "warning")
        assert told["data"] == {
            "mid": refused["mid"], "name": "favorite.move", "code": "favorite_not_found", "args": {"emoji": "1F600"},
        }  # fmt: skip
        # With somebody looking, the device says it itself; and what a browser subscribes with is its own.
        await rest(pair[0].url, scene.actor, "favorite.move", args)
        browser = {"endpoint": "https://evil.example/x", "keys": {"p256dh": P256DH, "auth": "AAECAwQFBgcICQoLDA0ODw"}}
        assert (await rest(pair[0].url, scene.actor, "push.subscribe", browser, **away))["status"] == "rolled_back"
        assert len((await agrees(device, pair[0].url, scene.actor))["items"]) == 1


P256DH = "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"


async def test_somebody_suspended_reads_why_when_they_are_back(pair: Pair) -> None:
    """In the entry that shuts their door; a page can say until when, and the words of whoever did it."""
    scene = await set_scene(pair[0].url, pair[0].settings["DATABASE_URL"], "moderator")
    args = {"user": scene.other.user_id, "until": "2999-01-01T00:00:00Z", "reason": "too loud"}
    await scene.did("user.suspend", args)
    run_sql(scene.database_url, "UPDATE users SET suspended_until = NULL WHERE id = %s", scene.other.user_id)
    told = run_sql(
        scene.database_url, "SELECT kind, level, body, data FROM notifications WHERE user_id = %s", scene.other.user_id
    )
    data = {"until": "2999-01-01T00:00:00.000Z", "reason": "too loud"}
    assert told == [("account.suspended", "error", "too loud", data)]
    entries = run_sql(
        scene.database_url, "SELECT frame FROM entries WHERE user_id = %s ORDER BY seq", scene.other.user_id
    )
    assert "account.suspended" in entries[-1][0]
    assert "notification.created" in entries[-1][0]


async def test_a_session_that_ran_out_says_what_it_was(migrated_url: str, redis_server: RedisServer) -> None:
    """With its words, so that one can go on with them."""
    with running_instances(migrated_url, redis_server.url, 1, SESSION_TIMEOUT_S="2", STALE_S="1", HEARTBEAT_S="60") as (
        instance,
    ):
        login = await sign_in(instance.url)
        async with await connect(instance.url, login.token) as device:
            # It says nothing from now on; who connects later might find that it is over.
            started = await rest(instance.url, login, "session.start", {"activity": "reading", "emoji": "📖"})
            while not device.state["notifications"]["items"]:
                await device.receive()
            [told] = device.state["notifications"]["items"].values()
            assert [item["kind"] for item in device.entries[-1]["items"]] == ["session.ended", "notification.created"]
            assert "session" not in device.state
    assert told["kind"] == "session.timed_out"
    assert told["data"].pop("duration_s") >= 1
    assert told["data"] == {"session": started["result"]["session"]["id"], "activity": "reading", "emoji": "📖"}


async def test_what_was_to_be_told_of_a_login_is_told_by_another_instance(
    migrated_url: str, redis_server: RedisServer
) -> None:
    """Who signed somebody in died before it could say so: a job does, once."""
    with running_instances(migrated_url, redis_server.url) as (a, b):
        login = await sign_in(a.url)
        async with await connect(b.url, login.token) as device:
            run_sql(
                migrated_url,
                "UPDATE logins SET to_tell = 'signed_in', provider = 'twitch', user_agent = 'Firefox/1 Linux' "
                "WHERE user_id = %s",
                login.user_id,
            )
            await device.expect("entry")
            [told] = device.state["notifications"]["items"].values()
            assert (told["kind"], told["title"]) == ("device.signed_in", "Firefox on Linux signed in.")
            assert told["data"].keys() == {"login", "provider", "device"}
            assert run_sql(migrated_url, "SELECT count(*) FROM logins WHERE to_tell IS NOT NULL") == [(0,)]
            assert len((await agrees(device, a.url, login))["items"]) == 1
