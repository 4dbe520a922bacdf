"""Cookies and the copies of who holds them: cheap while all is well, and never more than copies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from idling_ws.domain.errors import AuthError
from idling_ws.domain.ids import UserId
from idling_ws.identity.browser_sessions import BrowserSessions
from idling_ws.identity.credentials import hash_of
from idling_ws.identity.revocations import Revocations
from idling_ws.store import login_cache
from idling_ws.store import logins as rows
from idling_ws.store.login_cache import KEPT_S, LoginCache
from idling_ws.store.redis import TIMEOUT_S, Keys, connect
from tests.support.caches import PATIENCE_S
from tests.support.identity import Parts, open_parts
from tests.support.instances import Instance
from tests.support.servers import RedisServer
from tests.support.visitor import Visitor
from tests.support.wire_client import call, sign_in


@dataclass
class Place:
    """One instance's way to know a browser."""

    parts: Parts
    cache: LoginCache
    revocations: Revocations
    sessions: BrowserSessions

    async def guest(self) -> str:
        """The cookie of a new guest."""
        made = await self.parts.guests.create(None, address="", user_agent="")
        return made.cookie_token

    async def forget_in_postgres(self) -> None:
        """So that whatever is known afterwards comes from a copy."""
        await self.parts.database.run("DELETE FROM logins")


@asynccontextmanager
async def open_place(database_url: str, redis_url: str, *, timeout_s: float = TIMEOUT_S) -> AsyncIterator[Place]:
    async with open_parts(database_url) as parts:
        redis = connect(redis_url, timeout_s=timeout_s)
        cache = LoginCache(redis, Keys("epoch"), parts.clock)
        revocations = Revocations(parts.database, parts.keyring, parts.clock)
        await revocations.load()
        yield Place(
            parts, cache, revocations, BrowserSessions(parts.database, parts.logins, cache, revocations, parts.clock)
        )
        await redis.aclose()


@pytest.fixture
async def place(migrated_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    # A Redis that a busy machine keeps waiting is not one that is away.
    monkeypatch.setattr(login_cache, "TIMEOUT_S", PATIENCE_S)
    async with open_place(migrated_url, redis_url, timeout_s=PATIENCE_S) as opened:
        yield opened


async def test_a_copy_answers_instead_of_postgres(place: Place) -> None:
    cookie = await place.guest()
    first = await place.sessions.find(cookie)
    await place.forget_in_postgres()
    assert await place.sessions.find(cookie) == first
    assert (place.cache.hits, place.cache.misses) == (1, 1)


async def test_a_copy_does_not_live_long_and_holds_no_secret(place: Place, redis_server: RedisServer) -> None:
    cookie = await place.guest()
    await place.sessions.find(cookie)
    redis = connect(redis_server.url)
    [key] = [key async for key in redis.scan_iter("*:login:*")]
    assert 0 < await redis.ttl(key) <= KEPT_S
    assert cookie.encode() not in key + (await redis.get(key) or b"")
    await redis.aclose()


async def test_a_request_under_way_cannot_bring_an_ended_login_back(place: Place) -> None:
    """It read Postgres before the log-out and keeps its copy after it: nothing is kept."""
    cookie = await place.guest()
    read_before = await rows.find_by_cookie(place.parts.database, hash_of(cookie), place.parts.clock.now())
    assert read_before is not None
    identity = await place.sessions.find(cookie)
    await place.parts.logins.logout(identity.login_id)
    await place.sessions.end(cookie)
    await place.cache.put(hash_of(cookie), read_before)
    assert await place.cache.get(hash_of(cookie)) == (None, True)
    with pytest.raises(AuthError):
        await place.sessions.find(cookie)


async def test_a_copy_of_an_ended_login_counts_no_more_once_its_end_was_heard(place: Place) -> None:
    """Ended where Redis was out of reach, say: the copy is still there, and refused."""
    cookie = await place.guest()
    identity = await place.sessions.find(cookie)
    await place.parts.logins.logout(identity.login_id)
    await place.sessions.find(cookie)
    await place.revocations.poll()
    with pytest.raises(AuthError):
        await place.sessions.find(cookie)


async def test_a_copy_of_changed_rights_counts_no_more_once_the_change_was_heard(place: Place) -> None:
    """Nor is another one made while an old one could still be under way."""
    cookie = await place.guest()
    user_id = (await place.sessions.find(cookie)).user_id
    await place.parts.database.run("INSERT INTO roles (user_id, role) VALUES (%s, 'moderator')", (user_id,))
    await place.parts.database.run("INSERT INTO revocations (user_id, reason) VALUES (%s, 'roles_changed')", (user_id,))
    assert (await place.sessions.find(cookie)).person.roles == ("guest",)
    await place.revocations.poll()
    assert place.revocations.changed_lately(UserId(user_id))
    for _ in range(2):
        assert (await place.sessions.find(cookie)).person.roles == ("guest", "moderator")


async def test_a_changed_cookie_is_dead_in_its_copy_too(place: Place) -> None:
    cookie = await place.guest()
    identity = await place.sessions.find(cookie)
    other = await place.parts.logins.change_cookie(identity.login_id, "device")
    await place.sessions.end(cookie)
    with pytest.raises(AuthError):
        await place.sessions.find(cookie)
    assert (await place.sessions.find(other)).login_id == identity.login_id


@pytest.mark.parametrize("written", [b"", b"{", b"[]", b'{"login_id": "x"}', b'"ended"', b"\xff", b"null"])
async def test_what_stands_in_redis_wrongly_is_no_copy(place: Place, redis_server: RedisServer, written: bytes) -> None:
    """Another version's shape, or somebody's mistake: Postgres is asked."""
    cookie = await place.guest()
    redis = connect(redis_server.url)
    await redis.set(f"{Keys('epoch').prefix}:login:{hash_of(cookie).hex()}", written)
    await place.sessions.find(cookie)
    await redis.aclose()


@pytest.mark.parametrize("fault", ["kill", "stop"])
async def test_without_redis_a_login_lives_on_from_postgres(migrated_url: str, fault: str) -> None:
    """Killed or frozen; and after the first who found out nobody else waits for it."""
    redis = RedisServer().start()
    try:
        async with open_place(migrated_url, redis.url) as place:
            cookie = await place.guest()
            identity = await place.sessions.find(cookie)
            getattr(redis, fault)()
            assert await place.sessions.find(cookie) == identity
            asked = 0

            async def ask() -> None:
                nonlocal asked
                asked += 1

            await place.cache._ask(ask)
            assert asked == 0
            await place.parts.logins.logout(identity.login_id)
            await place.sessions.end(cookie)
            with pytest.raises(AuthError):
                await place.sessions.find(cookie)
    finally:
        redis.close()


async def test_a_log_out_at_one_door_is_known_at_the_other_at_once(pair: tuple[Instance, Instance]) -> None:
    """Also with requests under way at both that carry the cookie: none of them keeps it alive.

    Where the machine is so busy that an instance takes Redis to be away, it is heard of a moment later.
    """
    own = {"Origin": pair[0].settings["PUBLIC_URL"]}
    late: set[int] = set()

    async def is_refused(base: str, cookie: dict[str, str]) -> None:
        async with asyncio.timeout(60):
            while (await call(base, "GET", "/api/snapshot", headers=cookie)).status != 401:
                late.add(n)

    for n in range(20):
        here, there = pair[n % 2], pair[1 - n % 2]
        cookie = {"Cookie": (await sign_in(here.url)).cookie}
        under_way = [
            asyncio.create_task(call(base.url, "GET", "/api/profile", headers=cookie))
            for base in pair
            for _ in range(5)
        ]
        assert (await call(here.url, "POST", "/auth/logout", headers={**cookie, **own})).status == 200
        await is_refused(there.url, cookie)
        await asyncio.gather(*under_way)
        for base in pair:
            await is_refused(base.url, cookie)
    assert len(late) <= 10


async def test_a_new_guest_ends_the_login_that_its_browser_had(pair: tuple[Instance, Instance]) -> None:
    visitor, own = Visitor(pair[0].url, pair[1].url), {"Origin": pair[0].settings["PUBLIC_URL"]}
    assert (await visitor.ask("POST", "/auth/guest", json={}, headers=own)).status == 201
    before = visitor.cookie_header
    assert (await visitor.ask("POST", "/auth/guest", json={}, headers=own)).status == 201
    assert visitor.cookie_header != before
    assert (await call(pair[1].url, "GET", "/api/snapshot", headers=before)).status == 401
    assert (await visitor.ask("GET", "/api/snapshot")).status == 200


async def test_a_token_does_not_prolong_itself(pair: tuple[Instance, Instance]) -> None:
    """Whoever finds one has it for the rest of its quarter of an hour, not for a month."""
    login = await sign_in(pair[0].url)
    answer = await call(pair[0].url, "POST", "/auth/token", token=login.token)
    assert (answer.status, answer.json["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("path", ["/auth/logout", "/auth/logout-everywhere", "/auth/token", "/api/devices/x"])
async def test_nothing_is_ended_on_a_foreign_pages_wish(pair: tuple[Instance, Instance], path: str) -> None:
    """A browser sends the cookie whoever asks: without our own origin nothing happens."""
    login = await sign_in(pair[0].url)
    method = "DELETE" if "devices" in path else "POST"
    for headers in ({}, {"Origin": "https://evil.test"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = await call(pair[0].url, method, path, headers={"Cookie": login.cookie, **headers})
        assert (answer.status, answer.json["code"]) == (403, "forbidden")
        assert "Set-Cookie" not in answer.headers
    assert (await call(pair[0].url, "GET", "/api/snapshot", headers={"Cookie": login.cookie})).status == 200
