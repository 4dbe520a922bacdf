"""Operator notices: told once when a fault begins and once when it is over, however many instances find it."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp
import pytest

from idling_ws.breakers import Breakers
from idling_ws.delivery.fanout import Fanout
from idling_ws.domain.clock import SystemClock
from idling_ws.domain.notices import DATABASE_AWAY, DISK_FULL, RAISED, Notice
from idling_ws.mutations.pipeline import Pipeline
from idling_ws.store import notices as rows
from idling_ws.store.leases import Leases
from idling_ws.store.postgres import Database
from idling_ws.store.redis import Keys
from idling_ws.watching.health import Health
from idling_ws.watching.notices import Notices
from idling_ws.watching.webhook import ATTEMPTS, Taken, Webhook
from tests.support import images
from tests.support.clocks import MovableClock
from tests.support.event_source import listen
from tests.support.instances import Instance, running_instances
from tests.support.pulse import beating
from tests.support.rows import run_sql
from tests.support.servers import free_port
from tests.support.shapes import is_problem
from tests.support.uploading import upload
from tests.support.webhook import WAIT_S, webhook_server
from tests.support.wire_client import Device, Login, call, connect, sign_in

NO_ROOM = 10**17
# Who reads hears something now and then, however long it takes.
BEATING = {"HEARTBEAT_S": "3"}


async def admin_of(instance: Instance, database_url: str) -> Login:
    """Somebody who runs the place."""
    login = await sign_in(instance.url)
    run_sql(database_url, "INSERT INTO roles (user_id, role) VALUES (%s, 'admin')", login.user_id)
    return login


def told(device: Device, state: str) -> list[dict[str, Any]]:
    """Return the notices of that state that a device has in its bell."""
    items = [one for one in device.state["notifications"]["items"].values() if one["kind"] == "operator.notice"]
    return [one for one in items if (one["data"]["kind"], one["data"]["state"]) == (DISK_FULL, state)]


async def hear(device: Device, state: str) -> dict[str, Any]:
    """Read until a notice of that state is in the bell."""
    async with asyncio.timeout(WAIT_S):
        while not told(device, state):
            await device.receive()
    (notice,) = told(device, state)
    return notice


async def health_of(device: Device) -> dict[str, bool]:
    """Read until ``health`` says that Redis is heard: an instance that has just begun may not hear it yet."""
    async with asyncio.timeout(WAIT_S):
        while True:
            notice = await device.expect("notice")
            if notice["topic"] == "health" and notice["data"]["prompt"]:
                data: dict[str, bool] = notice["data"]
                return data


async def test_a_full_disk_is_told_once_and_refuses_pictures_only(migrated_url: str, redis_url: str) -> None:
    """Two instances find it: one notice, one post; people hear what they cannot do. And once when it is over."""
    async with webhook_server() as hook:
        full: dict[str, Any] = {"DISK_FREE_BYTES": NO_ROOM, "ALERT_WEBHOOK_URL": hook.url, **BEATING}
        with running_instances(migrated_url, redis_url, needs_redis=False, **full) as (a, b):
            admin, guest = await admin_of(a, migrated_url), await sign_in(b.url)
            async with (
                await connect(a.url, admin.token) as bell,
                await connect(b.url, guest.token) as device,
                beating(bell, device),
            ):
                assert await health_of(device) == {"saving": True, "uploads": False, "prompt": True}
                async with await listen(b.url, guest.token) as source:
                    welcome, notice = await source.next(), await source.next_any()
                assert (welcome.kind, notice.kind, notice.data["topic"]) == ("welcome", "notice", "health")
                assert notice.data["data"]["uploads"] is False
                assert notice.id == welcome.id, "it is no place to come back to"
                ready = await call(a.url, "GET", "/readyz")
                assert (ready.status, ready.json["status"], ready.json["parts"]["disk"]) == (200, "degraded", "full")
                refused = is_problem(await upload(b.url, guest, images.still()), 503, "unavailable")
                assert refused["retryable"] is True
                assert (await device.mutate("profile.update", {"bio": "goes on"}))["status"] == "confirmed"
                raised = await hear(bell, RAISED)
                assert (raised["level"], raised["data"]["kind"]) == ("error", DISK_FULL)
                posted = await hook.wait_for(DISK_FULL, "raised")
                assert (posted["place"], posted["notice"]["id"]) == (a.url, raised["data"]["notice"])
            cursor, state = bell.cursor, bell.state
            listed = await call(b.url, "GET", "/api/notices", token=admin.token)
            ours = [one for one in listed.json["notices"] if one["kind"] == DISK_FULL]
            assert ["ended_at" in one for one in ours] == [False]
            is_problem(await call(b.url, "GET", "/api/notices", token=guest.token), 403, "forbidden")
            for instance in (a, b):
                instance.terminate()
            # What was wrong with who left in order is wrong no more: nobody waits for that to be forgotten.
            assert run_sql(migrated_url, "SELECT instance FROM operator_conditions") == []
            roomy: dict[str, Any] = {"ALERT_WEBHOOK_URL": hook.url, "PUBLIC_URL": a.url, **BEATING}
            with running_instances(migrated_url, redis_url, 1, **roomy) as (c,):
                async with await connect(c.url, admin.token, cursor, state=state) as bell, beating(bell):
                    over = await hear(bell, "ended")
                    assert over["data"]["notice"] == raised["data"]["notice"]
                await hook.wait_for(DISK_FULL, "ended")
        ours = [post for post in hook.posts if post["notice"]["kind"] == DISK_FULL]
        assert [post["state"] for post in ours] == ["raised", "ended"]
    found = run_sql(migrated_url, "SELECT count(*) FROM notifications WHERE data ->> 'kind' = %s", DISK_FULL)
    assert found == [(2,)]


async def test_a_fault_of_an_instance_that_died_ends(database: Database) -> None:
    """It reports no more; a fault that another has as well stands on. Raising twice makes one."""
    await rows.report(database, "a", [("disk_full", 5.0), ("canary_deaf", 60.0)])
    await rows.report(database, "b", [("disk_full", 2.0)])
    for ids in (["1", "2"], ["3", "4"]):
        await rows.raise_and_end(database, ids, ["canary_deaf"])
    standing = "SELECT kind FROM operator_notices WHERE ended_at IS NULL ORDER BY kind"
    assert await database.run(standing) == [("canary_deaf",), ("disk_full",)]
    assert [one.notice.kind for one in await rows.pending(database, "post", 9)] == ["disk_full"]
    assert len(await rows.pending(database, "tell", 9)) == 2
    await database.run("UPDATE operator_conditions SET seen_at = now() - interval '1 hour' WHERE instance = 'a'")
    await rows.raise_and_end(database, ["5", "6"], [])
    assert await database.run(standing) == [("disk_full",)]
    states = [(one.notice.kind, one.state) for one in await rows.pending(database, "tell", 9)]
    assert sorted(states) == [("canary_deaf", "ended"), ("canary_deaf", "raised"), ("disk_full", "raised")]
    for one in await rows.pending(database, "tell", 9):
        await rows.note_done(database, one, "tell")
    assert await rows.pending(database, "tell", 9) == []
    await rows.report(database, "b", [])
    await rows.raise_and_end(database, ["7"], [])
    assert [(one.notice.kind, one.state) for one in await rows.pending(database, "tell", 9)] == [("disk_full", "ended")]
    shown, _ = await rows.page_of(database, after=None, limit=9)
    assert all("ended_at" in one for one in shown)


@pytest.mark.parametrize(
    ("statuses", "outcome", "asked"),
    [
        ([], Taken.SENT, 1),
        ([503, 429], Taken.SENT, 3),
        ([500] * ATTEMPTS, Taken.FAILED, ATTEMPTS),
        ([404], Taken.REFUSED, 1),
        ([302], Taken.REFUSED, 1),
    ],
)
async def test_the_webhook_is_tried_again_where_that_can_help(statuses: list[int], outcome: Taken, asked: int) -> None:
    """Not where it says no, and never where it points elsewhere."""
    async with webhook_server() as hook, aiohttp.ClientSession() as session:
        hook.statuses = list(statuses)
        clock = MovableClock()
        webhook = Webhook(session, hook.url, "https://place.example", Breakers(clock))
        notice = Notice("n", DISK_FULL, clock.now())
        assert await webhook.post(notice, RAISED) is outcome
        assert (hook.asked, hook.led_elsewhere) == (asked, 0)


async def test_a_webhook_that_is_gone_is_left_alone() -> None:
    """Nothing is raised, and after a few posts nothing waits for it."""
    clock = MovableClock()
    breakers = Breakers(clock)
    async with aiohttp.ClientSession() as session:
        async with webhook_server() as hook:
            url = hook.url
        webhook = Webhook(session, url, "https://place.example", breakers)
        notice = Notice("n", DISK_FULL, clock.now())
        for _ in range(4):
            assert await webhook.post(notice, RAISED) is Taken.FAILED
    assert dict(breakers.levels()) == {"webhook": 2}


async def test_that_the_database_is_away_is_posted_at_once_by_one_of_those_who_find_it(
    redis_url: str, database: Database
) -> None:
    """Redis tells them apart; where it is away as well each posts, for twice is better than never."""
    clock = SystemClock()
    away = redis_url.replace(f":{urlsplit(redis_url).port}", f":{free_port()}")
    for url, posts in ((redis_url, 1), (away, 2)):
        async with webhook_server() as hook, aiohttp.ClientSession() as session:
            fanouts = [Fanout(url, Keys("away-test"), name, clock) for name in ("a", "b")]
            told = [
                Notices(
                    database,
                    Leases(database, name),
                    cast("Pipeline", None),  # nobody is told in person: there is no database for that
                    cast("Health", None),
                    fanout,
                    Keys("away-test"),
                    name,
                    clock,
                    Webhook(session, hook.url, "https://place.example", Breakers(clock)),
                )
                for name, fanout in zip("ab", fanouts, strict=True)
            ]
            for fanout in fanouts:
                await fanout.start()
            for each in told:
                each.on_condition(DISK_FULL, clock.now(), begins=True)  # has its way through the database
                each.on_condition(DATABASE_AWAY, clock.now(), begins=True)
                each.on_condition(DATABASE_AWAY, clock.now(), begins=False)
            await asyncio.gather(*[each.posted_directly() for each in told])
            for each in told:
                await each.stop()
            for fanout in fanouts:
                await fanout.stop()
            assert [(post["notice"]["kind"], post["state"]) for post in hook.posts] == [(DATABASE_AWAY, RAISED)] * posts
