"""An end reaches everything that hangs on a login, on both instances, within two seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.crowd import sized
from tests.support.event_stream import EventStream, listen
from tests.support.instances import Instance, give_own_epoch, running_instances
from tests.support.minting import login_id_of, mint
from tests.support.raw_socket import ClosedError
from tests.support.rows import rows_become, run_sql
from tests.support.servers import RedisServer
from tests.support.visitor import Visitor
from tests.support.wire_client import Device, Login, call, connect, sign_in

# Every instance asks each second, so two are promised: of many, most end in that time. The rest is what a busy
# machine adds; a run at full size judges the slowest too.
PROMISED_S = 2.0
ENDED_S = sized(60.0, PROMISED_S)
EACH_WAY = sized(3, 10)
TOKEN_S = 8


@dataclass
class Person:
    """Somebody with a socket and an event stream on each instance, all of one login."""

    login: Login
    sockets: list[Device]
    streams: list[EventStream]

    @property
    def cookie(self) -> dict[str, str]:
        return {"Cookie": self.login.cookie}

    async def ended(self) -> tuple[set[int], float]:
        """Return the codes that all of it ended with, and when the last of it did."""
        ends = await asyncio.gather(
            *(device.expect_close() for device in self.sockets), *(stream.expect("bye") for stream in self.streams)
        )
        return {end.code if isinstance(end, ClosedError) else end["code"] for end in ends}, time.monotonic()


async def person(stack: AsyncExitStack, instances: list[Instance], *, ttl_s: int | None = None) -> Person:
    """Let somebody come in and connect everywhere."""
    login = await sign_in(instances[0].url)
    token = login.token if ttl_s is None else await mint(instances[0], login, ttl_s=ttl_s)
    auth = {"Authorization": f"Bearer {token}"}
    sockets = [await stack.enter_async_context(await connect(one.url, token)) for one in instances]
    streams = [await stack.enter_async_context(listen(one.url, auth)) for one in instances]
    return Person(login, sockets, streams)


@dataclass
class Place:
    """A deployment, and a moderator in it."""

    instances: list[Instance]
    database_url: str
    moderator: Login | None = None

    async def get_moderator(self) -> Login:
        if self.moderator is None:
            self.moderator = await sign_in(self.instances[0].url)
            run_sql(
                self.database_url,
                "INSERT INTO roles (user_id, role) VALUES (%s, 'moderator'), (%s, 'admin')",
                self.moderator.user_id,
                self.moderator.user_id,
            )
        return self.moderator


@pytest.fixture(scope="module")
def place(postgres: Any, migrated_template: str, redis_server: RedisServer) -> Iterator[Place]:
    url = postgres.create_database(migrated_template)
    give_own_epoch(url)
    with running_instances(url, redis_server.url) as instances:
        yield Place(instances, url)
    postgres.drop_database(url)


async def log_out(place: Place, who: Person) -> None:
    headers = {**who.cookie, "Origin": place.instances[0].url}
    answer = await call(place.instances[1].url, "POST", "/auth/logout", headers=headers)
    assert answer.status == 200, answer.body


async def log_out_everywhere(place: Place, who: Person) -> None:
    answer = await call(place.instances[0].url, "POST", "/auth/logout-everywhere", token=who.login.token)
    assert answer.json == {"ended": 1}


async def sign_out_device(place: Place, who: Person) -> None:
    base, token = place.instances[0].url, who.login.token
    [device] = (await call(base, "GET", "/api/devices", token=token)).json["devices"]
    assert device["current"] is True
    assert (await call(base, "DELETE", f"/api/devices/{device['id']}", token=token)).status == 200


async def use_a_refresh_token_twice(place: Place, who: Person) -> None:
    for instance, status in zip(place.instances, (200, 401), strict=True):
        body = {"refresh_token": who.login.refresh_token}
        assert (await call(instance.url, "POST", "/auth/refresh", json=body)).status == status


async def suspend(place: Place, who: Person) -> None:
    moderator = await place.get_moderator()
    args = {"user": who.login.user_id, "until": "2099-01-01T00:00:00Z", "reason": "for a test"}
    asked = {"mutations": [{"mid": f"suspend-{who.login.user_id}", "name": "user.suspend", "args": args}]}
    answer = await call(place.instances[0].url, "POST", "/api/mutations", token=moderator.token, json=asked)
    assert answer.json["verdicts"][0]["status"] == "confirmed", answer.json


ENDINGS: dict[str, tuple[Callable[[Place, Person], Awaitable[None]], int, str]] = {
    "logged out": (log_out, 4004, "unauthenticated"),
    "logged out everywhere": (log_out_everywhere, 4004, "unauthenticated"),
    "signed out among the devices": (sign_out_device, 4004, "unauthenticated"),
    "a refresh token came twice": (use_a_refresh_token_twice, 4004, "unauthenticated"),
    "suspended": (suspend, 4003, "suspended"),
}


@pytest.mark.timeout(300)
async def test_fifty_of_fifty_end_everywhere_in_time(place: Place) -> None:
    """Ten of each way (at full size), with two sockets and two event streams each; and no door lets them in again."""
    async with AsyncExitStack() as stack:
        people = [(way, await person(stack, place.instances)) for way in ENDINGS for _ in range(EACH_WAY)]
        await place.get_moderator()

        async def end(way: str, who: Person) -> float:
            do, code, refusal = ENDINGS[way]
            closing = asyncio.create_task(who.ended())
            await do(place, who)
            since = time.monotonic()
            codes, at = await closing
            assert codes == {code}, way
            for instance in place.instances:
                for headers in ({"Authorization": f"Bearer {who.login.token}"}, who.cookie):
                    answer = await call(instance.url, "GET", "/api/snapshot", headers=headers)
                    assert answer.json["code"] == refusal, way
                with pytest.raises(ClosedError) as closed:
                    await connect(instance.url, who.login.token)
                assert closed.value.code == code, way
            return at - since

        took = [await end(way, who) for way, who in people]
    assert len(took) == 5 * EACH_WAY
    assert sorted(took)[len(took) // 2] <= PROMISED_S
    assert max(took) <= ENDED_S


async def test_tokens_that_run_out_end_everywhere_in_time(place: Place) -> None:
    """Sockets and event streams alike, with the code that says: refresh, and come again."""
    async with AsyncExitStack() as stack:
        people = [await person(stack, place.instances, ttl_s=TOKEN_S) for _ in range(sized(5, 50))]
        since = time.monotonic()
        for codes, at in await asyncio.gather(*(who.ended() for who in people)):
            assert codes == {4203}
            assert at - since <= TOKEN_S + ENDED_S
        # Only the token has run out: the cookie goes on.
        for who in people:
            headers = {**who.cookie, "Origin": place.instances[0].url}
            assert (await call(place.instances[1].url, "POST", "/auth/token", headers=headers)).status == 200


async def test_another_role_closes_for_a_moment_and_holds_afterwards(place: Place) -> None:
    """The socket comes back with 4203, resumes where it was, and may do what it may do now."""
    async with AsyncExitStack() as stack:
        who = await person(stack, place.instances)
        announce = {"title": "hello", "level": "info"}
        assert (await who.sockets[0].mutate("announcement.publish", announce))["error"]["code"] == "forbidden"
        cookie = {**who.cookie, "Origin": place.instances[0].url}
        assert (await call(place.instances[1].url, "GET", "/api/snapshot", headers=cookie)).status == 200
        run_sql(
            place.database_url,
            "INSERT INTO roles (user_id, role) VALUES (%s, 'admin');"
            "INSERT INTO revocations (user_id, reason) VALUES (%s, 'roles_changed')",
            who.login.user_id,
            who.login.user_id,
        )
        since = time.monotonic()
        codes, at = await who.ended()
        assert (codes, at - since <= ENDED_S) == ({4203}, True)
        cursor, state = who.sockets[1].cursor, who.sockets[1].state
        async with await connect(place.instances[1].url, who.login.token, cursor, state=state) as again:
            assert again.welcome["resumed"]
            assert again.welcome["user"]["roles"] == ["admin", "guest"]
            assert (await again.mutate("announcement.publish", announce))["status"] == "confirmed"
        # By cookie as well, where a copy of who they are is kept: it says nothing any more.
        asked = {"mutations": [{"mid": "by-cookie", "name": "announcement.publish", "args": announce}]}
        answer = await call(place.instances[1].url, "POST", "/api/mutations", headers=cookie, json=asked)
        assert answer.json["verdicts"][0]["status"] == "confirmed"


async def test_a_device_ends_alone(place: Place) -> None:
    """Of two devices of one user the other one goes on, and so does everybody else."""
    async with AsyncExitStack() as stack:
        here, other = await person(stack, place.instances), await person(stack, place.instances)
        visitor = Visitor(*(one.url for one in place.instances))
        visitor.cookies["idling"] = here.login.cookie.partition("=")[2]
        run_sql(
            place.database_url,
            "INSERT INTO logins (id, user_id, provider, created_at, last_seen_at, expires_at)"
            " VALUES (%s, %s, 'script', now(), now(), now() + interval '1 day')",
            f"second-{here.login.user_id}",
            here.login.user_id,
        )
        token = await mint(place.instances[0], here.login, ttl_s=600, login_id=f"second-{here.login.user_id}")
        devices = [await stack.enter_async_context(await connect(one.url, token)) for one in place.instances]
        origin = {"Origin": place.instances[0].url}
        gone = await visitor.ask("DELETE", f"/api/devices/{login_id_of(here.login)}", headers=origin)
        assert gone.status == 200
        assert visitor.session_cookie is None  # it was this very device
        codes, _ = await here.ended()
        assert codes == {4004}
        for device in (*devices, *other.sockets):
            assert (await device.mutate("profile.update", {"bio": "still here"}))["status"] == "confirmed"


async def test_a_device_of_somebody_else_is_not_there(place: Place) -> None:
    """A hundred of a hundred ids of others: not found, and they go on."""
    async with AsyncExitStack() as stack:
        victim = await person(stack, place.instances)
        mallory = await sign_in(place.instances[0].url)
        for n in range(100):
            base = place.instances[n % 2].url
            answer = await call(base, "DELETE", f"/api/devices/{login_id_of(victim.login)}", token=mallory.token)
            assert (answer.status, answer.json["code"]) == (404, "not_found")
        for id_ in ("x", "%00", "%ff", "..%2f", "a" * 500):
            answer = await call(place.instances[0].url, "DELETE", f"/api/devices/{id_}", token=mallory.token)
            assert answer.json["code"] == "not_found"
        for device in victim.sockets:
            assert (await device.mutate("profile.update", {"bio": "untouched"}))["status"] == "confirmed"


async def test_a_reused_refresh_token_is_told_to_its_user(place: Place) -> None:
    """Whoever comes in next reads that a device of theirs was signed out for safety."""
    login = await sign_in(place.instances[0].url)
    body = {"refresh_token": login.refresh_token}
    assert (await call(place.instances[0].url, "POST", "/auth/refresh", json=body)).status == 200
    assert (await call(place.instances[1].url, "POST", "/auth/refresh", json=body)).status == 401
    told = "SELECT kind, level, data ->> 'login' FROM notifications WHERE user_id = %s"
    notified = [("device.ended", "warning", login_id_of(login))]
    await rows_become(place.database_url, notified, told, login.user_id)


@pytest.fixture
async def lonely(migrated_url: str) -> AsyncIterator[tuple[Place, RedisServer]]:
    """A deployment with a Redis of its own, to be killed."""
    redis = RedisServer().start()
    try:
        with running_instances(migrated_url, redis.url) as instances:
            yield Place(instances, migrated_url), redis
    finally:
        redis.close()


@pytest.mark.parametrize("fault", ["kill", "stop"])
async def test_an_end_needs_no_redis(lonely: tuple[Place, RedisServer], fault: str) -> None:
    """Killed, or frozen: what is revoked ends as soon, on both instances; cookies are known from Postgres."""
    place, redis = lonely
    async with AsyncExitStack() as stack:
        people = [await person(stack, place.instances) for _ in range(4)]
        # Kept in Redis now: a copy must not outlive what it is a copy of.
        for who in people:
            for instance in place.instances:
                assert (await call(instance.url, "GET", "/api/snapshot", headers=who.cookie)).status == 200
        getattr(redis, fault)()
        for who, way in zip(people, (log_out, log_out_everywhere, sign_out_device, suspend), strict=True):
            for instance in place.instances:
                assert (await call(instance.url, "GET", "/api/snapshot", headers=who.cookie)).status == 200
            closing = asyncio.create_task(who.ended())
            await way(place, who)
            since = time.monotonic()
            _, at = await closing
            assert at - since <= ENDED_S
        if fault == "stop":
            redis.cont()
            for who in people:
                for instance in place.instances:
                    answer = await call(instance.url, "GET", "/api/snapshot", headers=who.cookie)
                    assert answer.status in (401, 403)
