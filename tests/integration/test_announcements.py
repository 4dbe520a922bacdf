"""Announcements: to whom, from when and until when, over two instances that share the work."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.instances import Instance, give_own_epoch, running_instances
from tests.support.raw_socket import JsonObject
from tests.support.rows import run_sql
from tests.support.scenes import Scene, set_scene
from tests.support.servers import PostgresServer, RedisServer
from tests.support.wire_client import Device, Login, call, connect, sign_in

TOLD_WITHIN_S = 90
FRAMES = "SELECT coalesce(string_agg(frame, ' '), '') FROM shared_entries"


def in_s(seconds: float) -> str:
    """Return the time that many seconds from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@dataclass(slots=True)
class Place:
    """Two instances, an admin, and one person of each further role."""

    instances: list[Instance]
    database_url: str
    scene: Scene
    people: dict[str, Login]

    async def publish(self, **args: Any) -> JsonObject:
        """Announce something; return it as the admin sees it."""
        done = await self.scene.did("announcement.publish", {"title": "Tea", "level": "info", **args})
        shown: JsonObject = done["announcement"]
        return shown

    def let_pass(self, what: str, shown: JsonObject) -> None:
        """Let a time that lies ahead have come: nobody has to wait for it."""
        run_sql(self.database_url, f"UPDATE announcements SET {what} = now() WHERE id = %s", shown["id"])

    async def listed(self) -> list[JsonObject]:
        """Return the admin's list."""
        found = await call(self.instances[1].url, "GET", "/api/announcements", token=self.scene.actor.token)
        assert found.status == 200, found.body
        announcements: list[JsonObject] = found.json["announcements"]
        return announcements


@pytest.fixture(scope="module")
def deployment(
    postgres: PostgresServer, migrated_template: str, redis_server: RedisServer
) -> Iterator[tuple[list[Instance], str]]:
    """Two instances and their database, for all tests of this file."""
    url = postgres.create_database(migrated_template)
    give_own_epoch(url)
    with running_instances(url, redis_server.url) as instances:
        yield instances, url
    postgres.drop_database(url)


@pytest.fixture
async def place(deployment: tuple[list[Instance], str]) -> Place:
    """Without what others announced, and with people of its own."""
    instances, url = deployment
    run_sql(url, "DELETE FROM announcements")
    scene = await set_scene(instances[0].url, url, "admin")
    people = {}
    for role in ("guest", "member", "moderator"):
        people[role] = await sign_in(instances[0].url)
        run_sql(url, "UPDATE roles SET role = %s WHERE user_id = %s", role, people[role].user_id)
    return Place(instances, url, scene, people)


async def until(device: Device, kind: str) -> JsonObject:
    """Read until an entry with an item of this kind came; return the item."""
    while True:
        for entry in device.entries:
            for item in entry["items"]:
                if item["kind"] == kind:
                    return dict(item)
        await device.receive()


async def agrees(device: Device, base: str, login: Login) -> JsonObject:
    """See that the device's state is a fresh snapshot, and return it."""
    fresh = (await call(base, "GET", "/api/snapshot", token=login.token)).json
    assert await device.reach(fresh["cursor"]) == fresh["state"]
    state: JsonObject = fresh["state"]
    return state


async def test_it_stands_from_its_start_to_its_end(place: Place) -> None:
    """Nothing before, on no device; then on all at once; and gone from all. Each step is audited."""
    a, b = place.instances
    guest = place.people["guest"]
    ((began,),) = run_sql(place.database_url, "SELECT clock_timestamp()")
    async with await connect(b.url, guest.token) as device:
        away_at = device.cursor
        shown = await place.publish(body="Bring a cup.", starts_at=in_s(3600), expires_at=in_s(7200))
        assert (shown["status"], "published_at" in shown) == ("scheduled", False)
        assert (await agrees(device, a.url, guest))["announcements"] == {}
        assert device.cursor == away_at
        place.let_pass("starts_at", shown)
        published = await until(device, "announcement.published")
        stands = (await agrees(device, a.url, guest))["announcements"]
        assert stands == published["patch"]["announcements"]
        assert stands[shown["id"]]["title"] == "Tea"
        [listed] = await place.listed()
        assert stands[shown["id"]]["published_at"] >= listed["starts_at"]
        assert listed["status"] == "standing"
        place.let_pass("expires_at", shown)
        await until(device, "announcement.expired")
        assert (await agrees(device, a.url, guest))["announcements"] == {}
    # Who was away all the while ends up with nothing.
    async with await connect(a.url, guest.token, away_at, state={"announcements": {}}) as back:
        assert (await back.reach(device.cursor))["announcements"] == {}
    assert [one["status"] for one in await place.listed()] == ["over"]
    about_it = (
        "SELECT actor, action FROM audit_log WHERE action LIKE 'announcement%%' AND at >= %s AND user_id IN (0, %s) "
        "ORDER BY at"
    )
    audited = run_sql(place.database_url, about_it, began, place.scene.actor.user_id)
    admin = f"user:{place.scene.actor.user_id}"
    assert audited == [
        (admin, "announcement.publish"),
        ("system", "announcement.start"),
        ("system", "announcement.expire"),
    ]


async def test_a_start_outlives_a_restart_and_an_end_that_passed_meanwhile(
    migrated_url: str, redis_server: RedisServer
) -> None:
    """All instances die with two waiting: one starts with the next instance, the other was over before."""
    with running_instances(migrated_url, redis_server.url) as instances:
        scene = await set_scene(instances[0].url, migrated_url, "admin")
        later = {"title": "late", "level": "info", "starts_at": in_s(3600)}
        late = (await scene.did("announcement.publish", later))["announcement"]["id"]
        missed = (await scene.did("announcement.publish", {**later, "expires_at": in_s(7200)}))["announcement"]["id"]
        for instance in instances:
            instance.kill()
    run_sql(migrated_url, "UPDATE leases SET until = now()")  # those of the dead run out
    run_sql(
        migrated_url,
        "UPDATE announcements SET starts_at = now() - interval '1 minute', "
        "expires_at = CASE WHEN id = %s THEN now() - interval '1 second' END",
        missed,
    )
    with running_instances(migrated_url, redis_server.url, 1) as (instance,):
        login = await sign_in(instance.url)
        async with await connect(instance.url, login.token, None) as device:
            while late not in device.state["announcements"]:
                await device.receive()
            assert (await agrees(device, instance.url, login))["announcements"].keys() == {late}
    assert (
        missed not in run_sql(migrated_url, "SELECT frame FROM shared_entries WHERE frame LIKE '%%published%%'")[0][0]
    )


@pytest.mark.parametrize(
    ("audience", "told"),
    [("members", {"member", "moderator", "admin"}), ("moderators", {"moderator", "admin"}), ("admins", {"admin"})],
)
async def test_a_narrower_audience_hears_and_nobody_else(place: Place, audience: str, told: set[str]) -> None:
    """A notification each, once, in their own streams; not a word of it where everybody reads; taken back from all."""
    a, b = place.instances
    people = {**place.people, "admin": place.scene.actor}
    async with contextlib.AsyncExitStack() as stack:
        devices = {
            role: await stack.enter_async_context(await connect(b.url, login.token)) for role, login in people.items()
        }
        shown = await place.publish(title="In confidence", body="Only for you.", audience=audience, level="warning")
        for role in told:
            await until(devices[role], "notification.created")
            [one] = (await agrees(devices[role], a.url, people[role]))["notifications"]["items"].values()
            assert (one["kind"], one["level"], one["title"], one["body"]) == (
                "announcement", "warning", "In confidence", "Only for you.",
            )  # fmt: skip
            assert one["data"] == {"announcement": shown["id"], "audience": audience}
        # One reads it and another one dismisses it: both are rid of it at the end, and nobody is told again.
        run_sql(place.database_url, "UPDATE announcements SET told_up_to = 0 WHERE id = %s", shown["id"])
        await place.scene.did("announcement.withdraw", {"id": shown["id"]})
        for role in told:
            await until(devices[role], "notification.dismissed")
        for role, device in devices.items():
            state = await agrees(device, a.url, people[role])
            assert state["notifications"] == {"unread_count": 0, "items": {}}
            assert state["announcements"] == {}
            heard = str(device.entries)
            assert ("In confidence" in heard) == (role in told)
            created = [i for e in device.entries for i in e["items"] if i["kind"] == "notification.created"]
            assert len(created) == (role in told)
    assert "confidence" not in run_sql(place.database_url, FRAMES)[0][0]


async def test_telling_many_goes_on_where_it_stopped(place: Place) -> None:
    """More than are told at once, and the job has to begin anew in between: everybody hears once."""
    a, _ = place.instances
    run_sql(
        place.database_url,
        "WITH made AS (INSERT INTO users (name, name_key) SELECT 'm' || n, 'm' || n FROM generate_series(1, 250) n "
        "RETURNING id), s AS (INSERT INTO streams (user_id) SELECT id FROM made) "
        "INSERT INTO roles (user_id, role) SELECT id, 'member' FROM made",
    )
    shown = await place.publish(audience="members")
    counted = "SELECT count(*), count(DISTINCT user_id) FROM notifications WHERE data ->> 'announcement' = %s"
    audience = "SELECT count(DISTINCT user_id) FROM roles WHERE role IN ('member', 'moderator', 'admin')"
    ((count,),) = run_sql(place.database_url, audience)
    assert count >= 253
    async with asyncio.timeout(TOLD_WITHIN_S):
        while run_sql(place.database_url, "SELECT told_up_to FROM announcements") != [(None,)]:
            await asyncio.sleep(0.2)
    assert run_sql(place.database_url, counted, shown["id"]) == [(count, count)]
    # As if the job had died before it could note how far it was: what is told again is refused.
    late = await sign_in(a.url)
    run_sql(place.database_url, "UPDATE roles SET role = 'member' WHERE user_id = %s", late.user_id)
    run_sql(place.database_url, "UPDATE announcements SET told_up_to = 0 WHERE id = %s", shown["id"])
    async with await connect(a.url, late.token) as device:  # the last of the audience, so all before were told
        while not device.state["notifications"]["items"]:
            await device.receive()
    assert run_sql(place.database_url, counted, shown["id"]) == [(count + 1, count + 1)]


async def test_what_is_withdrawn_before_its_start_never_shows(place: Place) -> None:
    a, b = place.instances
    guest = place.people["guest"]
    async with await connect(b.url, guest.token) as device:
        shown = await place.publish(starts_at=in_s(3600))
        await place.scene.did("announcement.withdraw", {"id": shown["id"]})
        place.let_pass("starts_at", shown)
        other = await place.publish(title="Another")
        await until(device, "announcement.published")
        third = await place.publish(title="A third", starts_at=in_s(3600))
        place.let_pass("starts_at", third)  # starts after the first would have
        while len(device.state["announcements"]) < 2:
            await device.receive()
        titles = {one["title"] for one in (await agrees(device, a.url, guest))["announcements"].values()}
        assert titles == {"Another", "A third"}
        await place.scene.did("announcement.withdraw", {"id": other["id"]})
        await until(device, "announcement.withdrawn")
        assert other["id"] not in (await agrees(device, a.url, guest))["announcements"]


async def test_the_list_is_for_who_publishes(place: Place) -> None:
    for role, login in place.people.items():
        answer = await call(place.instances[0].url, "GET", "/api/announcements", token=login.token)
        assert answer.status == 403, role
        assert answer.json["code"] == "forbidden"
    await place.publish()
    assert [one["audience"] for one in await place.listed()] == ["everyone"]
