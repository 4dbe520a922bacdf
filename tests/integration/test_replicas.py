"""Replicas that really stream: they answer what may lag, and nobody misses what they did themselves."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from idling_ws.domain.clock import SystemClock
from idling_ws.store.log import StreamLog
from idling_ws.store.migrate import migrate
from idling_ws.store.postgres import Database
from idling_ws.store.replicas import Replicas
from tests.integration.test_operating import idling
from tests.support.crowd import sized
from tests.support.instances import Instance, running_instances
from tests.support.rows import run_sql
from tests.support.servers import PostgresServer, RedisServer, free_port
from tests.support.standby import StandbyServer, can_copy
from tests.support.wire_client import Login, call, metric, sign_in

PATIENCE_S = 60.0
NEVER_BEHIND_S = 3600

pytestmark = pytest.mark.skipif(not can_copy(), reason="no pg_basebackup: install Debian's postgresql")


@dataclass(frozen=True, slots=True)
class Place:
    """Two instances over a primary and its replica."""

    primary_url: str
    standby: StandbyServer
    a: Instance
    b: Instance


@pytest.fixture(scope="module")
def place(redis_server: RedisServer) -> Iterator[Place]:
    """Servers of this file's own: it pauses, freezes and kills the replica."""
    with PostgresServer() as primary:
        url = primary.create_database()
        migrate(url)
        with (
            StandbyServer(primary) as standby,
            running_instances(
                url,
                redis_server.url,
                REPLICA_URLS=standby.url_of(url),
                REPLICA_MAX_LAG_S=NEVER_BEHIND_S,
            ) as (a, b),
        ):
            yield Place(url, standby, a, b)


async def until(is_so: Callable[[], Any]) -> None:
    """Wait until ``is_so()``, which may be awaited, is true."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = is_so()
            if await answer if asyncio.iscoroutine(answer) else answer:
                return
            await asyncio.sleep(0.05)


async def read(base: str, path: str, login: Login) -> Any:
    """Read one path."""
    answer = await call(base, "GET", path, token=login.token)
    assert answer.status == 200, answer.body
    return answer.json


async def change(base: str, login: Login, path: str, body: dict[str, Any]) -> Any:
    """Change something over REST; what was answered is committed."""
    answer = await call(base, "POST", path, token=login.token, json=body)
    assert answer.status < 300, answer.body
    return answer.json


async def replica_reads(base: str) -> float:
    """Return how many reads the replica has answered."""
    return await metric(base, "idling_replica_reads_total")


async def read_from_replica(base: str, path: str, login: Login) -> Any:
    """Read one path, until it is the replica that answers: on a busy machine it may count as away for a moment."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            before = await replica_reads(base)
            answer = await read(base, path, login)
            if await replica_reads(base) > before:
                return answer


READS = ("/api/sessions", "/api/sessions/active", "/api/lobby", "/api/emojis/usage", "/api/analytics/me")


async def test_what_may_lag_is_read_from_the_replica(place: Place) -> None:
    """Each such read is answered by it, once it has replayed what its reader did."""
    login = await sign_in(place.a.url)
    await change(place.a.url, login, "/api/sessions/create", {"activity": "reading"})
    await change(place.a.url, login, "/api/emojis/usage", {"emoji": "1F600"})
    await asyncio.to_thread(place.standby.catch_up)
    for path in (*READS, f"/api/users/{login.user_id}"):
        await read_from_replica(place.b.url, path, login)
    await until(lambda: is_state(place.b, "ok"))


async def test_nobody_misses_their_own_change_on_a_replica_that_lags(place: Place) -> None:
    """Written at one instance, read at the other; somebody else, who wrote nothing, reads what was before."""
    writer, other = [await sign_in(place.a.url) for _ in range(2)]
    await change(place.a.url, writer, "/api/sessions/create", {"activity": "reading"})
    await asyncio.to_thread(place.standby.catch_up)
    await asyncio.to_thread(place.standby.pause)
    try:
        for base, elsewhere in ((place.a.url, place.b.url), (place.b.url, place.a.url)):
            ended = (await change(base, writer, "/api/sessions/end", {}))["session"]["id"]
            started = (await change(base, writer, "/api/sessions/create", {"activity": "music"}))["session"]["id"]
            await change(base, writer, "/api/emojis/usage", {"emoji": "1F600"})
            for at in (elsewhere, base):
                shown = await read(at, "/api/sessions", writer)
                assert [session["id"] for session in shown["sessions"][:2]] == [started, ended]
                assert (await read(at, "/api/sessions/active", writer))["session"]["id"] == started
                assert (await read(at, f"/api/users/{writer.user_id}", writer))["session"]["id"] == started
                members = (await read(at, "/api/lobby", writer))["members"]
                assert started in [member["session"]["id"] for member in members]
                assert (await read(at, "/api/emojis/usage", writer))["usage"][0]["emoji"] == "1F600"
                days = (await read(at, "/api/analytics/me", writer))["days"]
                assert days[0]["sessions"] >= 1
            members = (await read_from_replica(elsewhere, "/api/lobby", other))["members"]
            assert started not in [member["session"]["id"] for member in members]
        await until(lambda: lag_is_seen(place.b))
    finally:
        await asyncio.to_thread(place.standby.resume)
    await asyncio.to_thread(place.standby.catch_up)
    await read_from_replica(place.b.url, "/api/sessions", writer)


async def lag_is_seen(instance: Instance) -> bool:
    """Whether ``/metrics`` says that the replica lags."""
    return await metric(instance.url, "idling_replica_lag_seconds") > 0


async def test_nobody_misses_their_own_change_on_a_replica_that_is_always_late(place: Place) -> None:
    """Everybody writes and reads at the same time, at any instance, and the replica never catches up.

    What was written before the lag began is read from it, for as long as they wrote nothing since.
    """
    people = [await sign_in(place.a.url) for _ in range(sized(5, 50))]
    await asyncio.to_thread(place.standby.catch_up)
    await asyncio.to_thread(place.standby.lag, sized(2000, 5000))
    bases, draw = (place.a.url, place.b.url), random.Random(3)

    async def go_on(login: Login) -> int:
        for turn in range(sized(5, 40)):
            written_at, read_at = draw.choice(bases), draw.choice(bases)
            begun = await change(written_at, login, "/api/sessions/create", {"activity": f"the {turn}th"})
            shown = await read(read_at, "/api/sessions/active", login)
            assert shown["session"]["id"] == begun["session"]["id"]
            await change(draw.choice(bases), login, "/api/sessions/end", {})
            listed = await read(read_at, "/api/sessions", login)
            assert listed["sessions"][0]["id"] == begun["session"]["id"]
            assert listed["sessions"][0]["status"] == "ended"
        return turn + 1

    try:
        turns = await asyncio.gather(*[go_on(login) for login in people])
        await until(lambda: lag_is_seen(place.b))
    finally:
        await asyncio.to_thread(place.standby.lag, 0)
    await asyncio.to_thread(place.standby.catch_up)
    assert min(turns) == max(turns) > 0
    await read_from_replica(place.b.url, "/api/sessions", people[0])


@pytest.mark.parametrize("fault", ["killed", "frozen"])
async def test_without_its_replica_an_instance_goes_on(place: Place, fault: str) -> None:
    """Reads are answered by the primary, ``/readyz`` says what is missing, and it is used again once it is back."""
    login = await sign_in(place.a.url)
    await change(place.a.url, login, "/api/sessions/create", {"activity": "reading"})
    if fault == "killed":
        await asyncio.to_thread(place.standby.kill)
    else:
        place.standby.stop()
    try:
        for path in READS:
            await read(place.a.url, path, login)
        await until(lambda: is_state(place.a, "down"))
        await until(lambda: place.a.said_of("status") == "degraded")
        before = await replica_reads(place.a.url)
        assert len((await read(place.a.url, "/api/sessions", login))["sessions"]) == 1
        assert await replica_reads(place.a.url) == before
    finally:
        if fault == "killed":
            await asyncio.to_thread(place.standby.start)
        else:
            place.standby.cont()
    await until(lambda: is_state(place.a, "ok"))
    await asyncio.to_thread(place.standby.catch_up)
    await read_from_replica(place.a.url, "/api/sessions", login)


async def is_state(instance: Instance, state: str) -> bool:
    """Whether ``/readyz`` says so of the replica."""
    return await asyncio.to_thread(instance.said_of, "replica") == state


@pytest.fixture
async def primary(place: Place) -> AsyncIterator[Database]:
    """The primary, as an instance holds it."""
    database = Database(place.primary_url)
    await database.open()
    yield database
    await database.close()


async def test_too_far_behind_is_not_read_from(place: Place, primary: Database) -> None:
    """Then nobody's reads go there, until it has caught up."""
    url = place.standby.url_of(place.primary_url)
    replicas = Replicas(primary, [url], await StreamLog(primary).epoch(), SystemClock(), max_lag_s=0.5)
    await replicas.start()
    try:
        await asyncio.to_thread(place.standby.catch_up)
        await until(lambda: replicas.worst() == "ok")
        await asyncio.to_thread(place.standby.pause)
        run_sql(place.primary_url, "INSERT INTO leases (name, holder, until) VALUES ('test', 'test', now())")
        await until(lambda: replicas.worst() == "behind")
        assert replicas.all[0].lag_s > 0.5
        assert replicas.choose() is None
        assert await replicas.reading(None).run("SELECT count(*) FROM leases WHERE name = 'test'") == [(1,)]
        await asyncio.to_thread(place.standby.resume)
        await until(lambda: replicas.choose() is not None)
    finally:
        await asyncio.to_thread(place.standby.resume)
        await replicas.stop()


async def test_what_is_no_replica_of_ours_is_not_read_from(place: Place, primary: Database) -> None:
    """A primary (one that was promoted, say), another place's, and nobody at all, by name; a good one goes on."""
    epoch = await StreamLog(primary).epoch()
    good = place.standby.url_of(place.primary_url)
    nowhere = f"postgresql://idling@127.0.0.1:{free_port()}/none"
    await asyncio.to_thread(place.standby.catch_up)
    for urls, ours, states in (
        ([place.primary_url, good], epoch, ["stray", "ok"]),
        ([good, nowhere], epoch, ["ok", "down"]),
        ([good], "another", ["stray"]),
    ):
        replicas = Replicas(primary, urls, ours, SystemClock(), max_lag_s=NEVER_BEHIND_S)
        await replicas.start()
        try:
            await until(lambda: [replica.state for replica in replicas.all] == states)  # noqa: B023 -- this turn's
            assert replicas.worst() == next(state for state in states if state != "ok")
            chosen = {replica.name for _ in urls if (replica := replicas.choose()) is not None}
            assert chosen == {one.name for one, state in zip(replicas.all, states, strict=True) if state == "ok"}
        finally:
            await replicas.stop()


async def test_the_doctor_looks_at_each_replica(place: Place) -> None:
    """One that keeps up, one that follows nobody, and one that is away."""
    good, nowhere = place.standby.url_of(place.primary_url), f"postgresql://idling@127.0.0.1:{free_port()}/none"
    await asyncio.to_thread(place.standby.catch_up)
    _, said = await idling(place.a, "doctor", REPLICA_URLS=",".join((good, place.primary_url, nowhere)))
    name = f"replica: 127.0.0.1:{place.standby.port}"
    assert f"ok    {name}: PostgreSQL " in said, said
    assert f"FAIL  replica: 127.0.0.1:{place.standby.primary.port}: it follows nobody" in said, said
    assert f"FAIL  {nowhere.rpartition('/')[0].replace('postgresql://idling@', 'replica: ')}: " in said, said
