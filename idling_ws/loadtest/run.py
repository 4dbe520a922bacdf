"""One process of a run: connect, make traffic and trouble, bring all to an end, write it down."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import aiohttp

from idling_ws.client import ClientError, IdlingClient
from idling_ws.loadtest.accounts import Account, TokenKeeper
from idling_ws.loadtest.device import Device, Stopwatch
from idling_ws.loadtest.ending import Ending
from idling_ws.loadtest.faults import FAULTS, Scene, keep_injecting, storm
from idling_ws.loadtest.measures import Measures, Sample
from idling_ws.loadtest.options import Options
from idling_ws.loadtest.scenarios import SCENARIOS
from idling_ws.loadtest.traffic import Traffic
from idling_ws.proof.history import FORMAT, Recorder

CONNECT_AT_ONCE = 50
CONNECT_TIMEOUT_S = 30.0
SAMPLE_EVERY_S = 1.0

Emit = Callable[[str, Sample], None]


class Run:
    """One process's part of a run. ``emit(phase, sample)`` is called once a second."""

    def __init__(self, options: Options, accounts: Sequence[Account], emit: Emit, process: int = 0) -> None:
        self._options = options
        self._accounts = accounts
        self._emit = emit
        self._process = process
        self._measures = Measures()
        self._rng = random.Random(options.seed)  # noqa: S311 - repeatable by its seed, guards nothing
        self._stop = asyncio.Event()
        self._abandon = asyncio.Event()
        self._phase = "connecting"
        self._recorder: Recorder | None = None

    def stop(self) -> None:
        """End the traffic now and come to an end in good order; a second time: at once."""
        if self._stop.is_set():
            self._abandon.set()
        self._stop.set()

    def note_fault(self, name: str, what: str) -> None:
        """Write down what was done to the servers."""
        if self._recorder is not None:
            self._recorder.write("fault", name=name, what=what)

    async def run(self) -> None:
        """Do it all. Every way out leaves a history that says how far it is to be trusted."""
        with contextlib.ExitStack() as files:
            recorder = None
            if self._options.history is not None:
                recorder = files.enter_context(Recorder(self._options.history))
                self._write_header(recorder)
                self._recorder = recorder
            sampler = asyncio.create_task(self._sample())
            try:
                async with aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
                ) as http:
                    await self._with_devices(http, recorder)
            finally:
                sampler.cancel()
                self._recorder = None
                self._emit("ended", self._measures.sample(asyncio.get_running_loop().time()))

    def _write_header(self, recorder: Recorder) -> None:
        options = self._options
        recorder.write(
            "run",
            format=FORMAT,
            run=f"{options.scenario}-{int(time.time())}",
            process=self._process,
            scenario=options.scenario,
            faults=options.faults,
            seed=options.seed,
            urls=options.urls,
        )

    async def _with_devices(self, http: aiohttp.ClientSession, recorder: Recorder | None) -> None:
        devices = self._make_devices(http, recorder)
        ending = Ending(devices, self._options.urls, self._measures, recorder, self._rng)
        try:
            await self._until_stopped(self._connect(devices))
            if self._stop.is_set() or not self._measures.connected:
                ending.break_off()
                return
            self._phase = "running"
            await self._traffic(devices, recorder)
            self._phase = "draining"
            drain = asyncio.create_task(ending.run(self._options.drain_s))
            await self._first(drain, self._abandon)
            if drain.cancelled():
                ending.break_off()
            else:
                drain.result()
        finally:
            self._phase = "closing"
            await asyncio.gather(*(device.client.close() for device in devices), return_exceptions=True)

    def _make_devices(self, http: aiohttp.ClientSession, recorder: Recorder | None) -> list[Device]:
        options, stopwatch = self._options, Stopwatch()
        devices: list[Device] = []
        for account in self._accounts:
            keeper = TokenKeeper(account, http, options.urls[0])
            for number in range(options.devices):
                name = f"u{account.user_id}.{number}"
                device = Device(name, account.user_id, self._measures, stopwatch, recorder)
                # Neighbouring devices of a user begin on different instances.
                turn = number % len(options.urls)
                device.client = IdlingClient(
                    [*options.urls[turn:], *options.urls[:turn]],
                    token=keeper.token,
                    transports=(options.transports[len(devices) % len(options.transports)],),
                    http=http,
                    hooks=device,
                    client_id=name,
                    name="load-test",
                    rng=random.Random(self._rng.random()),  # noqa: S311 - repeatable by its seed
                )
                devices.append(device)
        return devices

    async def _connect(self, devices: list[Device]) -> None:
        gate = asyncio.Semaphore(CONNECT_AT_ONCE)

        async def one(device: Device) -> None:
            async with gate:
                client = device.client
                client.start()
                try:
                    await client.until(lambda: client.live, timeout_s=CONNECT_TIMEOUT_S)
                except (ClientError, TimeoutError) as error:
                    self._measures.counts["connect_failed"] += 1
                    self._measures.errors[f"connect.{type(error).__name__}"] += 1

        async with asyncio.TaskGroup() as group:
            for device in devices:
                group.create_task(one(device))

    async def _traffic(self, devices: list[Device], recorder: Recorder | None) -> None:
        options, loop = self._options, asyncio.get_running_loop()
        rng = random.Random(self._rng.random())  # noqa: S311 - repeatable by its seed
        scene = Scene(devices, rng, options.fault_longest_s, self._measures, recorder, set())
        works = [
            asyncio.create_task(keep_injecting(FAULTS[name], scene, options.fault_every_s))
            for name in options.faults
            if name in FAULTS
        ]
        storm_every_s = SCENARIOS[options.scenario].storm_every_s
        if storm_every_s is not None:
            works.append(asyncio.create_task(_storms(scene, storm_every_s)))
        self._measures.traffic_began = loop.time()
        traffic = asyncio.create_task(Traffic(options, devices, self._measures, self._rng).run())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(options.duration_s):
                    await self._first(traffic, self._stop)
        finally:
            # Cancelled, the faults heal what they hurt.
            self._measures.traffic_ended = loop.time()
            for work in (*works, traffic):
                work.cancel()
            results = await asyncio.gather(*works, traffic, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _until_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        await self._first(task, self._stop)
        if not task.cancelled():
            task.result()

    async def _first(self, task: asyncio.Task[None], event: asyncio.Event) -> None:
        """Wait for the task or the event; the event cancels the task."""
        waiter = asyncio.create_task(event.wait())
        try:
            await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiter.cancel()
            if not task.done():
                task.cancel()
            await asyncio.wait({task})

    async def _sample(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SAMPLE_EVERY_S)
            self._emit(self._phase, self._measures.sample(loop.time()))


async def _storms(scene: Scene, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        await storm(scene)
