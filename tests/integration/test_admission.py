"""Too much at once, over real sockets: newcomers are sent away for a while, and who is in notices nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.instances import Instance, running_instances
from tests.support.rows import locked
from tests.support.servers import RedisServer
from tests.support.wire_client import Answer, Device, Login, RefusedError, call, connect, metric, sign_in, upgrade

PATIENCE_S = 60.0
ARRIVING = 3


def running(pair_url: str, redis_url: str, pair: tuple[Instance, Instance], **settings: Any) -> Any:
    """Run another instance of the pair's deployment."""
    origin = pair[0].settings["PUBLIC_URL"]
    return running_instances(pair_url, redis_url, 1, HEARTBEAT_S=2, PUBLIC_URL=origin, **settings)


@pytest.fixture(scope="module")
def small(pair_url: str, redis_server: RedisServer, pair: tuple[Instance, Instance]) -> Iterator[Instance]:
    """One that takes few, and few at a time."""
    with running(pair_url, redis_server.url, pair, MAX_ARRIVING=ARRIVING, MAX_CONNECTIONS=8) as (made,):
        yield made


@pytest.fixture(scope="module")
def strict(pair_url: str, redis_server: RedisServer, pair: tuple[Instance, Instance]) -> Iterator[Instance]:
    """One that counts as late soon."""
    with running(pair_url, redis_server.url, pair, MAX_LAG_MS=20) as (made,):
        yield made


async def until_metric(instance: Instance, name: str, wanted: float) -> None:
    """Wait until a metric says so."""
    async with asyncio.timeout(PATIENCE_S):
        while await metric(instance.url, name) != wanted:
            await asyncio.sleep(0.02)


async def beat(device: Device) -> None:
    """Wait for a heartbeat, and answer it."""
    while (await device.receive_any())["type"] != "heartbeat":
        continue
    device.send({"type": "heartbeat"})


async def come_all(instance: Instance, logins: list[Login]) -> tuple[list[dict[str, Any]], Answer]:
    """Say hello from one device each at once, and ask for an event stream; return the goodbyes, and its answer."""
    devices: list[Device] = [await upgrade(instance.url, Device) for _ in logins]
    for device, login in zip(devices, logins, strict=True):
        device.send({"type": "hello", "client": {"id": "newcomer"}, "token": login.token})
    accept = {"Accept": "text/event-stream"}
    stream = await call(instance.url, "GET", "/api/events", token=logins[-1].token, headers=accept)
    byes = [await device.expect("bye") for device in devices]
    for device in devices:
        device.cut()
    return byes, stream


async def test_whoever_comes_too_many_is_told_when_to_come_again(small: Instance, pair_url: str) -> None:
    """The database hangs for newcomers: three wait for it, the next is sent away at once; who is in hears on."""
    logins = [await sign_in(small.url) for _ in range(ARRIVING + 2)]
    async with asyncio.timeout(PATIENCE_S), await connect(small.url, logins[0].token) as inside:
        sent_away = False
        while not sent_away:
            before = await metric(small.url, "idling_admission_refused_total")
            with locked(pair_url, "log_epoch"):
                byes, stream = await come_all(small, logins[1:])
            assert {bye["code"] for bye in byes} == {4100}
            assert all(1000 <= bye["retry_ms"] <= 60_000 for bye in byes)
            assert len({bye["retry_ms"] for bye in byes}) > 1
            assert (stream.status, stream.json["code"]) == (503, "unavailable")
            # On a machine that stands still for two seconds the first may have given up before the last came.
            refused = await metric(small.url, "idling_admission_refused_total") - before
            sent_away = refused >= 1 and "Retry-After" in stream.headers
            await beat(inside)
        assert (await inside.mutate("profile.update", {"bio": "still here"}))["status"] == "confirmed"
    await until_metric(small, "idling_arriving ", 0)
    async with await connect(small.url, logins[-1].token):
        assert await metric(small.url, "idling_loop_lag_seconds_count") > 0


async def test_a_crowd_of_one_users_devices_shares_its_state(pair: tuple[Instance, Instance], pair_url: str) -> None:
    """Ten come while the database is slow: each is welcomed with the same, and it was not read ten times."""
    url = pair[0].url
    login = await sign_in(url)
    async with asyncio.timeout(PATIENCE_S):
        shared = 0.0
        while shared < 8:
            before = await metric(url, "idling_snapshots_shared_total")
            devices: list[Device] = [await upgrade(url, Device) for _ in range(10)]
            with locked(pair_url, "log_epoch"):
                for device in devices:
                    device.send({"type": "hello", "client": {"id": "one of ten"}, "token": login.token})
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1.5):
                        while await metric(url, "idling_arriving ") < len(devices):
                            await asyncio.sleep(0.02)
            # On a machine that stands still for two seconds they were sent away: then once more.
            answers = [await device.receive_any() for device in devices]
            for device in devices:
                device.cut()
            if all(answer["type"] == "welcome" for answer in answers):
                shared = await metric(url, "idling_snapshots_shared_total") - before
    assert len({(answer["cursor"], str(answer["state"])) for answer in answers}) == 1


async def test_a_full_house_answers_the_upgrade(small: Instance) -> None:
    """503 with Retry-After; whoever leaves makes room."""
    await until_metric(small, "idling_sockets ", 0)
    login = await sign_in(small.url)
    devices = [await connect(small.url, login.token) for _ in range(8)]
    with pytest.raises(RefusedError) as refused:
        await connect(small.url, login.token)
    assert refused.value.status == 503
    assert int(refused.value.headers["retry-after"]) >= 1
    devices.pop().cut()
    await until_metric(small, "idling_sockets ", 7)
    devices.append(await connect(small.url, login.token))
    for device in devices:
        device.cut()


async def welcomed(instance: Instance, login: Login) -> Device:
    """Connect, again and again while the machine is too busy: this instance counts as late soon."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await connect(instance.url, login.token)
            except RefusedError:
                await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def stuttering(instance: Instance) -> Any:
    """Freeze it again and again, so that its loop is late at every look."""
    over = asyncio.Event()

    async def stutter() -> None:
        while not over.is_set():
            os.kill(instance.pid, signal.SIGSTOP)
            await asyncio.sleep(0.25)
            os.kill(instance.pid, signal.SIGCONT)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(stutter())
    try:
        yield
    finally:
        over.set()
        await task


async def until_answered(instance: Instance, path: str, status: int, login: Login) -> Answer:
    """Ask until that is the answer."""
    async with asyncio.timeout(PATIENCE_S):
        while (answer := await call(instance.url, "GET", path, token=login.token)).status != status:
            await asyncio.sleep(0.02)
    return answer


async def until_refused(instance: Instance, login: Login) -> RefusedError:
    """Connect until that is refused."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                (await connect(instance.url, login.token)).cut()
            except RefusedError as refused:
                return refused


async def test_a_late_loop_puts_reads_off_and_newcomers_but_no_change(strict: Instance) -> None:
    """What can wait gets 503 until it is in time again; a change and a heartbeat go through."""
    login = await sign_in(strict.url)
    async with await welcomed(strict, login) as inside:
        async with stuttering(strict):
            answer = await until_answered(strict, "/api/lobby", 503, login)
            assert answer.json["retryable"] is True
            assert int(answer.headers["Retry-After"]) >= 1
            assert (await until_refused(strict, login)).status == 503
            assert (await inside.mutate("profile.update", {"bio": "in spite of it"}))["status"] == "confirmed"
            await beat(inside)
            assert (await call(strict.url, "GET", "/healthz")).status == 200
        await until_answered(strict, "/api/lobby", 200, login)
    assert await metric(strict.url, "idling_reads_put_off_total") >= 1


async def test_a_storm_is_no_fault_of_which_operators_are_told(
    pair_url: str, redis_server: RedisServer, pair: tuple[Instance, Instance]
) -> None:
    """Who is sent away for a while is counted and is no alarm: after each deploy many come at once."""
    login = await sign_in(pair[0].url)
    with running(pair_url, redis_server.url, pair, MAX_CONNECTIONS=1, ALERT_ERRORS_PER_MIN=5) as (instance,):
        async with await connect(instance.url, login.token) as device:
            for _ in range(10):
                with pytest.raises(RefusedError):
                    await upgrade(instance.url, Device)
            assert await metric(instance.url, 'idling_errors_total{code="unavailable"}') == 10
            for _ in range(2):  # the health is looked at more often
                await beat(device)
            assert await metric(instance.url, 'idling_condition{kind="errors_many"}') == 0
