"""What machines that watch are told: up, ready or degraded by name, version, numbers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import psycopg2.extensions
import pytest
from redis.asyncio import Redis

from tests.support.instances import Instance, running_instances
from tests.support.rows import run_sql
from tests.support.servers import PostgresServer, RedisServer, free_port
from tests.support.shapes import is_problem
from tests.support.wire_client import call, connect, sign_in

Pair = tuple[Instance, Instance]
PATIENCE_S = 60.0
# What this machine itself has to say for as long as nothing ails it.
SOUND = {"disk": "ok", "clock": "ok"}


async def readiness_becomes(instance: Instance, status: str, parts: dict[str, str]) -> None:
    """Wait until ``/readyz`` says so, with 200: whoever stood still for a moment was deaf meanwhile."""
    async with asyncio.timeout(PATIENCE_S):
        while (said := await call(instance.url, "GET", "/readyz")).json.get("parts") != parts:
            await asyncio.sleep(0.05)
    assert (said.status, said.json["status"]) == (200, status)


async def test_machines_that_watch_are_answered(pair: Pair) -> None:
    """Up, ready by part, version, and numbers."""
    assert (await call(pair[0].url, "GET", "/healthz")).json == {"status": "ok"}
    await readiness_becomes(pair[0], "ready", {"postgres": "ok", "redis": "ok", "canary": "ok", **SOUND})
    assert (await call(pair[0].url, "GET", "/version")).json["name"] == "idling_ws"
    metrics = await call(pair[0].url, "GET", "/metrics")
    assert metrics.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b"\nidling_sockets " in metrics.body


@pytest.fixture(scope="module")
def alone(pair_url: str) -> Iterator[Instance]:
    """An instance without Redis and without guests."""
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    with running_instances(pair_url, nowhere, 1, needs_redis=False, GUEST_LOGIN="false") as (instance,):
        yield instance


async def test_without_redis_it_is_degraded_and_serves(alone: Instance, pair: Pair) -> None:
    """200, by name; who is known comes in and changes things."""
    await readiness_becomes(alone, "degraded", {"postgres": "ok", "redis": "down", "canary": "deaf", **SOUND})
    is_problem(await call(alone.url, "POST", "/auth/guest", json={}), 403, "forbidden")
    body = {"mutations": [{"mid": "m1", "name": "profile.update", "args": {"bio": "x"}}]}
    is_problem(await call(alone.url, "POST", "/api/mutations", json=body), 401, "unauthenticated")
    assert json.loads((await call(alone.url, "GET", "/healthz")).body) == {"status": "ok"}


async def test_a_database_that_takes_no_changes_is_named(postgres: PostgresServer, migrated_url: str) -> None:
    """A standby, or a primary that was closed for writing: reads go on, and people and machines are told."""
    name = str(psycopg2.extensions.parse_dsn(migrated_url)["dbname"])

    def close_for_writing(word: str) -> None:
        run_sql(postgres.url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = {word}')
        run_sql(postgres.url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", name)

    with RedisServer() as server, running_instances(migrated_url, server.url, 1) as (instance,):
        token = (await sign_in(instance.url)).token
        async with await connect(instance.url, token) as device:
            close_for_writing("on")
            await device.expect("notice", topic="health", data={"saving": False, "uploads": False, "prompt": True})
            named = {"postgres": "read only", "redis": "ok", "canary": "ok", **SOUND}
            await readiness_becomes(instance, "degraded", named)
            verdict = await device.verdict(device.ask("profile.update", {"bio": "not now"}))
            assert (verdict["status"], verdict["error"]["code"]) == ("error", "unavailable")
            assert (await call(instance.url, "GET", "/api/snapshot", token=token)).status == 200
            close_for_writing("off")
            await device.expect("notice", topic="health", data={"saving": True, "uploads": True, "prompt": True})
            await readiness_becomes(instance, "ready", {"postgres": "ok", "redis": "ok", "canary": "ok", **SOUND})
            assert (await device.mutate("profile.update", {"bio": "now"}))["status"] == "confirmed"


NO_ROOM = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER no_room BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION no_room()
"""


async def test_a_database_without_room_is_named(migrated_url: str) -> None:
    """It refuses a change for want of room: nothing is consumed, and that is told for a while."""
    with RedisServer() as server, running_instances(migrated_url, server.url, 1) as (instance,):
        token = (await sign_in(instance.url)).token
        async with await connect(instance.url, token) as device:
            run_sql(migrated_url, NO_ROOM)
            verdict = await device.verdict(device.ask("profile.update", {"bio": "now"}, mid="kept"))
            assert (verdict["status"], verdict["error"]["code"]) == ("error", "unavailable")
            await readiness_becomes(instance, "degraded", {"postgres": "full", "redis": "ok", "canary": "ok", **SOUND})
            await device.expect("notice", topic="health", data={"saving": False, "uploads": False, "prompt": True})
            run_sql(migrated_url, "DROP TRIGGER no_room ON entries")
            await device.expect("notice", topic="health", data={"saving": True, "uploads": True, "prompt": True})
            assert (await device.mutate("profile.update", {"bio": "now"}, mid="kept"))["status"] == "confirmed"


async def test_why_redis_is_not_heard_is_in_the_log(migrated_url: str) -> None:
    """Once for each reason, however often it is tried: nobody there, and one who may not subscribe."""
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    with RedisServer() as server:
        async with Redis.from_url(server.url) as redis:
            await redis.acl_setuser("mute", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all"])
        forbidden = server.url.replace("//", "//mute:pw@")
        for url, why in ((nowhere, "[Errno "), (forbidden, "NOPERM")):
            with running_instances(migrated_url, url, 1, needs_redis=False) as (instance,):
                async with asyncio.timeout(PATIENCE_S):
                    while not instance.logged("no line to Redis"):
                        await asyncio.sleep(0.05)
                await readiness_becomes(
                    instance, "degraded", {"postgres": "ok", "redis": "down", "canary": "deaf", **SOUND}
                )
                [line] = instance.logged("no line to Redis")
                assert why in line
                assert "pw" not in line


@pytest.fixture
async def mute_redis(migrated_url: str) -> AsyncIterator[tuple[Instance, Redis]]:
    """An instance, and a way to make its Redis, which is nobody else's, refuse to publish."""
    with RedisServer() as server, running_instances(migrated_url, server.url, 1) as (instance,):
        async with Redis.from_url(server.url) as redis:
            yield instance, redis


async def test_the_canary_is_missed_by_name(mute_redis: tuple[Instance, Redis]) -> None:
    """Redis answers, and nothing comes back over it: degraded, and devices of the instance go on."""
    instance, redis = mute_redis
    async with await connect(instance.url, (await sign_in(instance.url)).token) as device:
        await redis.acl_setuser("default", enabled=True, nopass=True, commands=["-publish"])
        await readiness_becomes(instance, "degraded", {"postgres": "ok", "redis": "ok", "canary": "deaf", **SOUND})
        verdict = await device.mutate("profile.update", {"bio": "still here"})
        assert verdict["status"] == "confirmed"
        await redis.acl_setuser("default", enabled=True, nopass=True, commands=["+publish"])
        await readiness_becomes(instance, "ready", {"postgres": "ok", "redis": "ok", "canary": "ok", **SOUND})
