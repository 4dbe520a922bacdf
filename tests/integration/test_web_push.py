"""Web Push, to a push service that checks every signature and opens every message."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.support.instances import Instance, running_instances
from tests.support.push_service import Browser, PushService
from tests.support.rows import rows_become, run_sql
from tests.support.servers import RedisServer
from tests.support.wire_client import Login, call, connect, metric, sign_in

Place = tuple[list[Instance], PushService]


@pytest_asyncio.fixture
async def place(migrated_url: str, redis_server: RedisServer) -> AsyncIterator[Place]:
    """Two instances that know one push service, on this machine."""
    async with PushService().running() as service:
        hosts = urlsplit(service.origin).netloc
        with running_instances(migrated_url, redis_server.url, PUSH_HOSTS=hosts, PUSH_PRIVATE="true") as instances:
            yield instances, service


async def ask(base: str, login: Login, name: str, args: Any) -> Any:
    """Ask for one change over REST; return its verdict."""
    body = {"mutations": [{"mid": uuid4().hex, "name": name, "args": args}]}
    return (await call(base, "POST", "/api/mutations", token=login.token, json=body)).json["verdicts"][0]


async def subscriber(base: str, browser: Browser) -> tuple[Login, str]:
    """Return somebody who wants to be pushed in that browser, and their session."""
    login = await sign_in(base)
    assert (await ask(base, login, "push.subscribe", browser.subscription))["status"] == "confirmed"
    assert (await ask(base, login, "preferences.set", {"values": {"push": True}}))["status"] == "confirmed"
    started = await ask(base, login, "session.start", {"activity": "reading"})
    return login, started["result"]["session"]["id"]


def due_now(database_url: str) -> None:
    """Let what waits have waited, for its ten seconds or to be tried again; what is being posted stays as it is."""
    run_sql(database_url, "UPDATE push_queue SET due_at = now() WHERE due_at < now() + interval '30 seconds'")


@contextlib.asynccontextmanager
async def hurrying(database_url: str) -> AsyncIterator[None]:
    """Let nothing wait for the length of the block."""

    async def hurry() -> None:
        while True:
            due_now(database_url)
            await asyncio.sleep(0.2)

    task = asyncio.create_task(hurry())
    try:
        yield
    finally:
        task.cancel()


async def test_who_is_away_is_pushed_and_nobody_else(place: Place) -> None:
    """Encrypted for that browser, signed by us, minimal, once; not to whoever has seen it, or does not want it."""
    (a, b), service = place
    sender = await sign_in(a.url)
    away, seen, read, off, gone, flaky, turned = [
        service.browser(name, *statuses)
        for name, statuses in (
            ("away", ()), ("seen", ()), ("read", ()), ("off", ()), ("gone", (410,)), ("flaky", (503, 429)),
            ("turned", (307,)),
        )
    ]  # fmt: skip
    people = {browser.endpoint: await subscriber(a.url, browser) for browser in service.browsers.values()}
    assert (await ask(a.url, people[off.endpoint][0], "preferences.set", {"values": {"push": False}}))["seq"]
    async with contextlib.AsyncExitStack() as stack:
        # On the other instance than the one that will look first, or not: both take what is due.
        device = await stack.enter_async_context(await connect(b.url, people[seen.endpoint][0].token))
        for login, session in people.values():
            sent = await ask(a.url, sender, "reaction.send", {"session": session, "emoji": "👋"})
            assert sent["status"] == "confirmed", sent
            if login is people[seen.endpoint][0]:
                await device.expect("entry")
                device.send({"type": "ack", "cursor": device.cursor})
            if login is people[read.endpoint][0]:
                items = (await call(a.url, "GET", "/api/notifications", token=login.token)).json
                assert items["unread_count"] == 1
                ids = [one["id"] for one in items["notifications"]]
                done = await call(a.url, "POST", "/api/notifications/read", token=login.token, json={"ids": ids})
                assert done.json["notifications"] == {"unread_count": 0}
        await service.posted(away)
        await service.posted(gone)
        await service.posted(turned)
        await service.posted(flaky)
        async with hurrying(a.settings["DATABASE_URL"]):
            await service.posted(flaky, 3)

    login, _ = people[away.endpoint]
    unread = (await call(a.url, "GET", "/api/notifications?unread=true", token=login.token)).json
    [notification] = unread["notifications"]
    [post] = away.posts
    # Nobody's words, names or emoji: a lock screen is read by many.
    assert post["message"] == {
        "id": notification["id"], "kind": "reaction.received", "title": "Somebody waved at you.",
    }  # fmt: skip
    assert post["topic"] == notification["id"].replace("-", "")
    key = (await call(b.url, "GET", "/api/push/key")).json["key"]
    assert post["claims"]["k"] == key
    assert [post["status"] for post in flaky.posts] == [503, 429, 201]
    assert (seen.posts, read.posts, off.posts) == ([], [], [])
    assert service.strays == []  # no redirect was followed
    # What became of a post is written down after the service has answered it.
    database_url = a.settings["DATABASE_URL"]
    await rows_become(database_url, [(0,)], "SELECT count(*) FROM push_queue")
    left = run_sql(database_url, "SELECT endpoint FROM push_subscriptions ORDER BY endpoint")
    assert [row[0] for row in left] == sorted(endpoint for endpoint in people if endpoint != gone.endpoint)
    assert [len(browser.posts) for browser in (away, gone, turned)] == [1, 1, 1]
    outcomes = {name: await metric(a.url, f'idling_pushes_total{{outcome="{name}"}}') for name in ("seen", "sent")}
    outcomes |= {
        name: outcomes[name] + await metric(b.url, f'idling_pushes_total{{outcome="{name}"}}') for name in outcomes
    }
    assert outcomes == {"seen": 3, "sent": 2}
    secrets = [post["authorization"].split("t=")[1].split(",")[0], urlsplit(away.endpoint).path]
    for instance in (a, b):
        assert not [line for line in instance.logged() if any(secret in line for secret in secrets)]


async def test_a_cursor_of_another_life_says_nothing_of_what_was_seen(place: Place) -> None:
    """A device that comes back after a restore, far ahead of what is there now: who is away is pushed all the same."""
    (a, b), service = place
    browser = service.browser("before")
    login, session = await subscriber(a.url, browser)
    void = "formerly.9999.0"
    assert (await call(a.url, "GET", f"/api/events?cursor={void}&wait_s=0", token=login.token)).status == 410
    async with await connect(b.url, login.token, void) as device:
        assert device.welcome["reason"] == "epoch_changed"
        device.send({"type": "ack", "cursor": void})
        device.send({"type": "subscribe", "topic": "lobby"})
        await device.expect("subscribed")
    sent = await ask(a.url, await sign_in(a.url), "reaction.send", {"session": session, "emoji": "👋"})
    assert sent["status"] == "confirmed"
    await service.posted(browser)


async def test_a_browser_belongs_to_who_subscribed_it_last(place: Place) -> None:
    """Two people share a browser: the second one's words must not go to the first, nor the other way round."""
    (a, _), service = place
    browser = service.browser("shared")
    first, _ = await subscriber(a.url, browser)
    second, session = await subscriber(a.url, browser)
    rows = run_sql(a.settings["DATABASE_URL"], "SELECT user_id FROM push_subscriptions")
    assert rows == [(second.user_id,)]
    undone = await ask(a.url, first, "push.unsubscribe", {"endpoint": browser.endpoint})
    assert undone["result"] == {"push": {"subscriptions": 0}}
    sender = await sign_in(a.url)
    await ask(a.url, sender, "reaction.send", {"session": session, "emoji": "👋"})
    due_now(a.settings["DATABASE_URL"])
    await service.posted(browser)


async def test_a_browser_that_was_signed_out_gets_nothing_more(place: Place) -> None:
    """Signed out everywhere from another device: what happens then shows where one is signed in, and only there."""
    (a, b), service = place
    lost, kept = service.browser("lost"), service.browser("kept")
    login, session = await subscriber(a.url, lost)
    assert (await call(a.url, "POST", "/auth/logout-everywhere", token=login.token)).status == 200
    minted = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "idling_ws", "token", "issue", "--user", str(login.user_id)],
        env={**os.environ, **{f"IDLING_{name}": value for name, value in a.settings.items()}},
        capture_output=True,
        check=True,
    )
    again = replace(login, token=json.loads(minted.stdout)["access_token"])
    assert (await ask(b.url, again, "push.subscribe", kept.subscription))["status"] == "confirmed"
    sender = await sign_in(a.url)
    await ask(a.url, sender, "reaction.send", {"session": session, "emoji": "👋"})
    due_now(a.settings["DATABASE_URL"])
    await service.posted(kept)
    assert lost.posts == []
    # The same person is back in that very browser: it is known by its device cookie.
    run_sql(a.settings["DATABASE_URL"], "UPDATE logins SET device_hash = 'here' WHERE user_id = %s", login.user_id)
    await ask(a.url, sender, "reaction.send", {"session": session, "emoji": "👋"})
    due_now(a.settings["DATABASE_URL"])
    await service.posted(lost)


async def test_without_redis_a_push_is_late_and_not_wrong(migrated_url: str) -> None:
    """Who has seen what on another instance is not known then: nothing is pushed until it is."""
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(contextlib.closing(RedisServer().start()))
        async with PushService().running() as service:
            hosts = urlsplit(service.origin).netloc
            with running_instances(migrated_url, redis.url, 1, PUSH_HOSTS=hosts, PUSH_PRIVATE="true") as (a,):
                browser = service.browser("away")
                _, session = await subscriber(a.url, browser)
                sender = await sign_in(a.url)
                redis.kill()
                sent = await ask(a.url, sender, "reaction.send", {"session": session, "emoji": "👋"})
                assert sent["status"] == "confirmed"
                async with hurrying(migrated_url):
                    await rows_become(migrated_url, [(True,)], "SELECT attempts >= 2 FROM push_queue")
                assert browser.posts == []
                redis.start()
                async with asyncio.timeout(60):
                    while not await asyncio.to_thread(a._is_ready):
                        await asyncio.sleep(0.1)
                due_now(migrated_url)
                await service.posted(browser)
                assert len(browser.posts) == 1


async def test_a_browser_that_is_always_refused_is_forgotten(place: Place) -> None:
    """Its key is not ours any more: it cannot come right by itself."""
    (a, _), service = place
    browser = service.browser("stranger", 403)
    _, session = await subscriber(a.url, browser)
    run_sql(a.settings["DATABASE_URL"], "UPDATE push_subscriptions SET failures = 19")
    await ask(a.url, await sign_in(a.url), "reaction.send", {"session": session, "emoji": "👋"})
    due_now(a.settings["DATABASE_URL"])
    await service.posted(browser)
    await rows_become(a.settings["DATABASE_URL"], [(0,)], "SELECT count(*) FROM push_subscriptions")


async def test_the_twenty_first_browser_lets_the_oldest_fall_out(place: Place) -> None:
    (a, _), service = place
    login = await sign_in(a.url)
    for n in range(21):
        verdict = await ask(a.url, login, "push.subscribe", service.browser(f"b{n:02}").subscription)
    assert verdict["result"] == {"push": {"subscriptions": 20}}
    rows = run_sql(a.settings["DATABASE_URL"], "SELECT endpoint FROM push_subscriptions ORDER BY endpoint")
    assert rows[0][0].endswith("/b01")


@pytest.mark.parametrize(
    "endpoint",
    ["https://evil.example/x", "http://127.0.0.1:1/x", "https://127.0.0.1/x", "https://[::1]/x", "https://localhost/x"],
)
async def test_an_endpoint_elsewhere_is_refused_and_not_stored(pair: tuple[Instance, Instance], endpoint: str) -> None:
    """Rolled back, for everybody's devices to see; the usual services are known by name."""
    login = await sign_in(pair[0].url)
    subscription = Browser(endpoint).subscription
    verdict = await ask(pair[0].url, login, "push.subscribe", subscription)
    assert (verdict["status"], verdict["error"]["code"]) == ("rolled_back", "endpoint_refused")
    assert verdict["current"] == {"push": {"subscriptions": 0}}
    fine = {**subscription, "endpoint": "https://fcm.googleapis.com/fcm/send/abc"}
    assert (await ask(pair[0].url, login, "push.subscribe", fine))["status"] == "confirmed"


@pytest.mark.parametrize(
    ("path", "value"),
    [("p256dh", "AAAA"), ("p256dh", "B" * 87), ("auth", "short"), ("auth", 1), ("p256dh", "!" * 87), ("auth", None)],
)
async def test_keys_that_no_browser_makes_are_refused(pair: tuple[Instance, Instance], path: str, value: Any) -> None:
    login = await sign_in(pair[0].url)
    subscription = Browser("https://fcm.googleapis.com/x").subscription
    subscription["keys"][path] = value
    verdict = await ask(pair[0].url, login, "push.subscribe", subscription)
    assert (verdict["status"], verdict["error"]["code"]) == ("rolled_back", "invalid_arguments")
    assert list(verdict["error"]["fields"]) == [f"keys.{path}"]
