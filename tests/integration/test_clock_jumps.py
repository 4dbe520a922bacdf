"""The clock of an instance's machine is set while people work there: a real process, a real clock, set by an hour.

Nothing is lost or doubled, nobody is sent away, nobody's session ends, what was signed before and
meanwhile is good everywhere, and whoever runs the place is told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from tests.support.event_source import EventSource, listen
from tests.support.instances import Instance
from tests.support.rows import PATIENCE_S, rows_become
from tests.support.servers import ServerStartError
from tests.support.set_clocks import LibraryMissingError, SetClockInstance
from tests.support.wire_client import Device, Login, call, connect, metric, sign_in

HOUR_S = 3600
HEARTBEATS = 16
# Each is far below the hour by which the clock is off, and far above what a busy machine is late by.
QUICK: dict[str, Any] = {"HEARTBEAT_S": 0.5, "STALE_S": 3, "SESSION_TIMEOUT_S": 6}
ROOMY: dict[str, Any] = {"MESSAGES_PER_S": 10000, "MUTATIONS_PER_MIN": 1000000}


@pytest.fixture
def places(migrated_url: str, redis_url: str) -> Iterator[tuple[SetClockInstance, Instance]]:
    """Two instances of one deployment; the clock of the first can be set."""
    try:
        moved = SetClockInstance(migrated_url, redis_url, **QUICK, **ROOMY)
    except LibraryMissingError as exc:
        pytest.skip(str(exc))
    right = Instance(migrated_url, redis_url, PUBLIC_URL=moved.url, **QUICK, **ROOMY)
    moved.settings["PUBLIC_URL"] = moved.url
    try:
        yield moved.start(), right.start()
    finally:
        for instance in (moved, right):
            with contextlib.suppress(ServerStartError, ProcessLookupError):
                instance.close()


@dataclass(slots=True)
class Working:
    """Somebody's devices at work: a socket, an event stream, REST beside a long-poll, and a socket elsewhere."""

    moved: Instance
    login: Login
    here: Device
    there: Device
    stream: EventSource
    cursor: str
    confirmed: list[str] = field(default_factory=list)
    polled: list[int] = field(default_factory=list)
    streamed: list[int] = field(default_factory=list)
    is_over: bool = False

    async def on_the_socket(self) -> None:
        """Change something again and again, and hear everything."""
        while not self.is_over:
            verdict = await self.here.mutate("profile.update", {"bio": f"socket {len(self.confirmed)}"})
            assert verdict["status"] == "confirmed", verdict
            self.confirmed.append(verdict["mid"])

    async def over_rest(self) -> None:
        """Change something, and ask for what came."""
        while not self.is_over:
            mid = uuid4().hex
            mutation = {"mid": mid, "name": "profile.update", "args": {"bio": f"rest {len(self.confirmed)}"}}
            answer = await self._call("POST", "/api/mutations", json={"mutations": [mutation]})
            assert answer["verdicts"][0]["status"] == "confirmed", answer
            self.confirmed.append(mid)
            await self.poll()

    async def poll(self) -> None:
        """Ask once for what came."""
        if answer := await self._call("GET", f"/api/events?cursor={self.cursor}&wait_s=1"):
            self.polled += [entry["seq"] for entry in answer["entries"] if entry["stream"] == "user"]
            self.cursor = answer["cursor"]

    async def on_the_stream(self) -> None:
        """Hear everything as events, to the end of the test."""
        while True:
            event = await self.stream.next()
            assert event.kind == "entry", event
            if event.data["stream"] == "user":
                self.streamed.append(event.data["seq"])

    async def elsewhere(self) -> None:
        """Say that one is there, and hear everything."""
        while not self.is_over:
            await answer_heartbeat(self.there)

    async def _call(self, method: str, path: str, **options: Any) -> Any:
        answer = await call(self.moved.url, method, path, token=self.login.token, **options)
        assert answer.status in {200, 204}, (path, answer.body)
        return answer.json


async def answer_heartbeat(device: Device) -> None:
    """Wait for a heartbeat, and answer it."""
    await device.expect("heartbeat")
    device.send({"type": "heartbeat"})


async def go_on(watching: Device, failing: asyncio.Future[Any]) -> None:
    """Let heartbeats come and be answered for longer than anybody may be silent here, while others work."""
    for _ in range(HEARTBEATS):
        await answer_heartbeat(watching)
        if failing.done():
            failing.result()


@contextlib.asynccontextmanager
async def working(moved: Instance, right: Instance) -> AsyncIterator[tuple[Working, asyncio.Future[Any]]]:
    """Let somebody work on all of these devices for the length of the block; what fails is in the future."""
    login = await sign_in(moved.url)
    async with (
        await connect(moved.url, login.token) as here,
        await connect(right.url, login.token) as there,
        await listen(moved.url, login.token, here.cursor) as stream,
    ):
        assert (await stream.next()).kind == "welcome"
        work = Working(moved, login, here, there, stream, here.cursor)
        work.confirmed.append(there.ask("session.start", {"activity": "watching the clock"}))
        jobs = [work.on_the_socket(), work.over_rest(), work.elsewhere()]
        failing = asyncio.gather(*jobs)
        streaming = asyncio.ensure_future(work.on_the_stream())
        try:
            yield work, failing
            work.is_over = True
            await failing
            await settle(work)
        finally:
            for task in (failing, streaming):
                task.cancel()
            await asyncio.gather(failing, streaming, return_exceptions=True)


async def settle(work: Working) -> None:
    """Let every device hear all there is; what each heard is the same, each entry once."""
    head = (await call(work.moved.url, "GET", "/api/snapshot", token=work.login.token)).json["cursor"]
    last = int(head.split(".")[1])
    every = list(range(1, last + 1))
    await work.here.reach(head)
    await work.there.reach(head)
    async with asyncio.timeout(PATIENCE_S):
        while len(work.polled) < last:
            await work.poll()
        while len(work.streamed) < last:
            await asyncio.sleep(0.05)
    assert work.polled == work.streamed == every
    for device in (work.here, work.there):
        assert [entry["seq"] for entry in device.entries if entry["stream"] == "user"] == every
        assert device.repeats == 0
        verdicts = [item["mid"] for entry in device.entries for item in entry["items"] if item["kind"] == "verdict"]
        assert sorted(verdicts) == sorted(work.confirmed), "each change took effect once"


async def says(instance: Instance, clock: str) -> None:
    """Wait until ``/readyz`` says so of the clock."""
    async with asyncio.timeout(PATIENCE_S):
        while (said := await asyncio.to_thread(instance.said_of, "clock")) != clock:
            assert said in {"ok", "off"}
            await asyncio.sleep(0.1)


async def is_good(token: str, *instances: Instance) -> None:
    """Hold a token against each of these."""
    for instance in instances:
        answer = await call(instance.url, "GET", "/api/profile", token=token)
        assert answer.status == 200, (instance.url, answer.body)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S], ids=["forward", "back"])
async def test_a_machine_s_clock_is_set_while_people_work(
    places: tuple[SetClockInstance, Instance], migrated_url: str, jump_s: int
) -> None:
    """By an hour, and back: nothing that people notice happens, and operators are told."""
    moved, right = places
    quiet = await sign_in(moved.url)
    async with await connect(moved.url, quiet.token) as watching, working(moved, right) as (work, failing):
        watching.ask("session.start", {"activity": "watching the clock"})
        await answer_heartbeat(watching)
        moved.set_clock(jump_s)
        await says(moved, "off")
        meanwhile = await sign_in(moved.url)
        await is_good(meanwhile.token, moved, right)
        await go_on(watching, failing)
        assert moved.said_of("clock") == "off", "it is wrong still"
        assert (moved.said_of("status"), right.said_of("status")) == ("degraded", "ready")
        moved.set_clock(0)
        await says(moved, "ok")
        await go_on(watching, failing)
        for login in (work.login, quiet, meanwhile):
            await is_good(login.token, moved, right)
        for login in (work.login, quiet):
            active = await call(right.url, "GET", "/api/sessions/active", token=login.token)
            assert active.json["session"] is not None, "nobody's session ended by it"
        assert await metric(moved.url, "idling_clock_jumps_total") == 2
        for instance in places:
            assert await metric(instance.url, "idling_socket_closes_total") == 0
        told = "SELECT kind, ended_at IS NOT NULL FROM operator_notices"
        await rows_become(migrated_url, [("clock_jump", True)], told)
