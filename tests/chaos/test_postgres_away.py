"""PostgreSQL away: what is confirmed is there, what is not is answered in time, and nobody is thrown out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from uuid import uuid4

import pytest

from tests.support.crowd import FULL_SIZE, Guest, Roamer, check_against_log, gathered, sized
from tests.support.event_stream import listen
from tests.support.instances import Instance
from tests.support.pulse import beating
from tests.support.rows import run_sql
from tests.support.servers import PostgresServer
from tests.support.steady import Callers, Steady, settled
from tests.support.wire_client import Device, Login, call, connect, metric, sign_in

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]

Pair = tuple[Instance, Instance]
Felt = Callable[[], Awaitable[None]]
Fault = Callable[[PostgresServer, Felt], Awaitable[None]]

# A mutation is answered in four seconds at most; the rest is what a busy machine adds. A run at full size judges
# it. Beside a whole suite the order of events does: the database stays away until all have been answered.
ANSWER_S = sized(60.0, 5.5)


async def freeze(postgres: PostgresServer, felt: Felt) -> None:
    """SIGSTOP: connections stay, nobody answers, for longer than anybody waits."""
    postgres.stop()
    try:
        await asyncio.sleep(sized(2, 10))
        await felt()
    finally:
        postgres.cont()


async def kill(postgres: PostgresServer, felt: Felt) -> None:
    """kill -9: connections break, later ones are refused; it recovers when it is back."""
    postgres.kill()
    try:
        await asyncio.sleep(sized(2, 10))
        await felt()
    finally:
        await asyncio.to_thread(postgres.start)


async def restart(postgres: PostgresServer, felt: Felt) -> None:
    """An orderly restart."""
    await asyncio.to_thread(postgres.restart)


def stored_mids(database_url: str, devices: Iterable[Roamer]) -> set[str]:
    """Return every ``mid`` of these devices' users that has an entry since they began."""
    began = {device.guest.user_id: device.began_at[0] for device in devices}
    rows = run_sql(database_url, "SELECT user_id, seq, mid FROM entries WHERE mid IS NOT NULL")
    return {mid for user_id, seq, mid in rows if seq > began.get(user_id, seq)}


async def watch_readiness(instance: Instance, seen: set[tuple[int, str]]) -> None:
    """Note every answer of ``/readyz``."""
    while True:
        with contextlib.suppress(OSError):
            status, body = await asyncio.to_thread(instance.readiness)
            seen.add((status, body["status"]))
        await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def watching(instance: Instance) -> Any:
    """Note what ``/readyz`` says for the length of the block."""
    seen: set[tuple[int, str]] = set()
    watch = asyncio.create_task(watch_readiness(instance, seen))
    try:
        yield seen
    finally:
        watch.cancel()


async def until_ready(pair: Pair) -> None:
    """Wait until both instances say so."""
    async with asyncio.timeout(90):
        for instance in pair:
            while (await asyncio.to_thread(instance.readiness))[1]["status"] != "ready":
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("fault", [freeze, kill, restart])
async def test_confirmed_is_present_and_the_rest_is_answered_in_time(
    frail_pair: Pair,
    frail_url: str,
    frail_postgres: PostgresServer,
    guests: list[Guest],
    fault: Fault,
    figures: Callable[..., dict[str, Any]],
) -> None:
    """No false confirmation, no lost socket, and it heals by itself."""
    staying, callers = guests[: sized(20, 100)], guests[sized(20, 100) :][: sized(4, 10)]
    bases = [instance.url for instance in frail_pair]
    devices = [Roamer(guest, [base]) for guest in staying for base in bases]
    async with gathered(devices):

        async def felt() -> None:
            """Every device has been refused something by now, and the instance says that it is unready."""
            for device in devices:
                await device.until(lambda device=device: device.refused)
            async with asyncio.timeout(60):
                while (503, "unready") not in seen:
                    await asyncio.sleep(0.05)

        async with (
            watching(frail_pair[0]) as seen,
            Steady(devices=devices, every_s=sized(0.5, 0.25)),
            Callers(guests=callers, bases=bases) as calls,
        ):
            await asyncio.sleep(0.5)
            await fault(frail_postgres, felt)
            await until_ready(frail_pair)
            await asyncio.sleep(sized(1, 10))
        await settled(devices, frail_url)
        # Whatever could not be told at the time has been told by now: nothing is left to the log alone.
        refused = [(code, took_s) for device in devices for _, code, took_s in device.refused]
        measured = figures(
            entries=check_against_log(devices, frail_url),
            refused=len(refused),
            slowest_refusal_s=max((took_s for _, took_s in refused), default=0.0),
            calls=len(calls.answered),
            slowest_call_s=calls.slowest_s(),
            closed=sum(len(device.closes) for device in devices),
        )
        confirmed = {mid for device in devices for mid in device.verdicts}
        assert confirmed == stored_mids(frail_url, devices)
        assert {code for code, _ in refused} <= {"unavailable"}
        assert calls.statuses() <= {"confirmed", "error", 200, 503, 4100}
        assert measured["slowest_refusal_s"] < ANSWER_S
        assert measured["slowest_call_s"] < ANSWER_S
        assert [device for device in devices if device.closes] == []
        await until_ready(frail_pair)
        for instance in frail_pair:
            assert instance.logged('"level": "error"') == []


async def test_people_and_operators_are_told(frail_pair: Pair, frail_url: str, frail_postgres: PostgresServer) -> None:
    """Devices hear that changes cannot be saved, and when they can; what a cache holds is read on, and says so.

    At full size it lasts long enough for operators to hear of it, once each way, when it is back.
    """
    a = frail_pair[0]
    me = await sign_in(a.url)
    run_sql(frail_url, "INSERT INTO roles (user_id, role) VALUES (%s, 'admin')", me.user_id)
    read = await call(a.url, "GET", "/api/preferences", token=me.token)
    assert (read.status, read.json.get("stale")) == (200, None)
    async with await connect(a.url, me.token) as device, beating(device):
        frail_postgres.kill()
        try:
            await told_of_saving(device, can=False)
            refused = await device.verdict(device.ask("profile.update", {"bio": "not now"}))
            assert (refused["status"], refused["error"]["code"]) == ("error", "unavailable")
            read = await call(a.url, "GET", "/api/preferences", token=me.token)
            assert (read.status, read.json.get("stale")) == (200, True)
            assert (
                await call(a.url, "PATCH", "/api/preferences", token=me.token, json={"theme": "dark"})
            ).status == 503
            status, ready = a.readiness()
            assert (status, ready["status"], ready["parts"]["postgres"]) == (503, "unready", "down")
            await asyncio.sleep(sized(0, 8))
        finally:
            await asyncio.to_thread(frail_postgres.start)
        await told_of_saving(device, can=True)
        assert (await device.mutate("profile.update", {"bio": "now"}))["status"] == "confirmed"
        if FULL_SIZE:
            async with asyncio.timeout(90):
                while len(notices_of(device)) < 2:
                    await device.receive()
            assert sorted(notices_of(device)) == ["ended", "raised"]


async def test_who_listens_over_http_waits_until_it_is_back(frail_pair: Pair, frail_postgres: PostgresServer) -> None:
    """A long-poll that was asked for while it is away, and an event stream: answered once it is there, not refused."""
    a, b = frail_pair
    me = await sign_in(a.url)
    cursor = (await call(a.url, "GET", "/api/snapshot", token=me.token)).json["cursor"]
    frail_postgres.kill()
    try:
        async with asyncio.timeout(60):
            while (await asyncio.to_thread(a.readiness))[1]["status"] != "unready":
                await asyncio.sleep(0.05)
        polled = asyncio.create_task(call(a.url, "GET", f"/api/events?cursor={cursor}&wait_s=60", token=me.token))
        streamed = asyncio.create_task(first_entry(a, me, cursor))
        async with asyncio.timeout(60):
            while await metric(a.url, "idling_waiting") < 2:
                await asyncio.sleep(0.05)
    finally:
        await asyncio.to_thread(frail_postgres.start)
    mid = await changed_at(b, me)
    answer = await polled
    assert answer.status == 200, answer.body
    assert [entry["items"][-1]["mid"] for entry in answer.json["entries"]] == [mid]
    assert (await streamed)["items"][-1]["mid"] == mid
    await until_ready(frail_pair)


async def first_entry(instance: Instance, login: Login, cursor: str) -> Any:
    """Open an event stream and return the first entry that it brings."""
    async with listen(instance.url, {"Authorization": f"Bearer {login.token}", "Last-Event-ID": cursor}) as stream:
        return await stream.expect("entry")


async def changed_at(instance: Instance, login: Login) -> str:
    """Change something as soon as it can be changed; return its ``mid``."""
    mid = uuid4().hex
    body = {"mutations": [{"mid": mid, "name": "profile.update", "args": {"bio": "back"}}]}
    async with asyncio.timeout(60):
        while True:
            answer = await call(instance.url, "POST", "/api/mutations", token=login.token, json=body)
            if answer.status == 200 and answer.json["verdicts"][0]["status"] == "confirmed":
                return mid
            await asyncio.sleep(0.1)


async def told_of_saving(device: Device, *, can: bool) -> None:
    """Read until a ``health`` notice says whether changes can be saved."""
    async with asyncio.timeout(90):
        while True:
            notice = await device.expect("notice")
            if notice["topic"] == "health" and notice["data"]["saving"] is can:
                return


def notices_of(device: Device) -> list[str]:
    """Return the states of the database's notices in the bell."""
    told = [one["data"] for one in device.state["notifications"]["items"].values() if one["kind"] == "operator.notice"]
    return [data["state"] for data in told if data["kind"] == "database_away"]


async def test_an_entry_whose_commit_nobody_heard_of_is_delivered(
    frail_pair: Pair, frail_url: str, frail_postgres: PostgresServer, guests: list[Guest]
) -> None:
    """Answered ``unavailable``, and committed when the database goes on: the same ``mid`` finds its verdict."""
    devices = [Roamer(guest, [base.url]) for guest in guests[: sized(30, 100)] for base in frail_pair]
    async with gathered(devices):
        for _ in range(sized(1, 10)):
            # Frozen in the middle of a burst: some transactions are between their commit and its answer.
            mids = [(device, device.ask("profile.update", {"bio": "in a burst"})) for device in devices]
            await asyncio.sleep(0.01)
            frail_postgres.stop()
            await asyncio.sleep(3)
            frail_postgres.cont()
            for device, mid in mids:
                await device.verdict(mid)
        await settled(devices, frail_url)
        check_against_log(devices, frail_url)
        assert {mid for device in devices for mid in device.verdicts} == stored_mids(frail_url, devices)
