"""Traffic: who asks for what and when.

Open loop: mutations are due at random times around a steady rate, whether or not the
server keeps up, and are timed from when they were due. Otherwise a server that stalls
would slow the questions down and look better than it is.
"""

from __future__ import annotations

import asyncio
import random

import aiohttp

from idling_ws.client import Mutation, ProtocolError, RefusedError
from idling_ws.loadtest.device import Device, pick
from idling_ws.loadtest.measures import Measures
from idling_ws.loadtest.options import Options
from idling_ws.loadtest.scenarios import SCENARIOS, Wish

# REST calls beside the devices' own lines; beyond so many at once they are left out, and counted.
MOST_REST_CALLS = 64


class Traffic:
    """Lets the devices of one process ask for things, until told to stop or out of mutations."""

    def __init__(self, options: Options, devices: list[Device], measures: Measures, rng: random.Random) -> None:
        self._options = options
        self._scenario = SCENARIOS[options.scenario]
        self._measures = measures
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._left = options.mutations
        self._calls: set[asyncio.Task[None]] = set()
        self._done = asyncio.Event()
        self._siblings: dict[int, list[Device]] = {}
        for device in devices:
            self._siblings.setdefault(device.user, []).append(device)
        self._writers = [siblings[0] for siblings in self._siblings.values()] if self._scenario.one_writer else devices

    async def run(self) -> None:
        """Return when all mutations were asked for; otherwise run until cancelled."""
        try:
            if not self._scenario.choices:
                await self._done.wait()
            elif self._options.in_flight is not None:
                await self._closed_loop(self._options.in_flight)
            else:
                await self._open_loop()
        finally:
            for writer in self._writers:
                writer.settled_hook = None
            if self._calls:
                # They are bounded by their own time-out.
                await asyncio.gather(*self._calls, return_exceptions=True)

    async def _open_loop(self) -> None:
        due = self._loop.time()
        for writer in self._writers:
            writer.settled_hook = self._maybe_reuse
        while not self._done.is_set():
            due += self._rng.expovariate(self._options.rate)
            now = self._loop.time()
            if due > now:
                await asyncio.sleep(due - now)
            else:
                self._measures.lag_s = max(self._measures.lag_s, now - due)
                # Let the sockets be served also while catching up.
                await asyncio.sleep(0)
            device = pick(self._writers, self._rng, _able)
            if device is not None:
                self._ask(device, due)

    async def _closed_loop(self, in_flight: int) -> None:
        def next_one(device: Device, mutation: Mutation) -> None:
            self._maybe_reuse(device, mutation)
            self._ask(device, self._loop.time())

        for device in self._writers:
            device.settled_hook = next_one
            for _ in range(in_flight):
                self._ask(device, self._loop.time())
        await self._done.wait()

    def _ask(self, device: Device, due: float) -> None:
        if self._left is not None:
            if self._left <= 0:
                self._done.set()
                return
            self._left -= 1
        wish = self._scenario.choose(device.client.state, self._rng)
        mutation = device.ask(wish, due)
        if mutation is None or self._rng.random() >= self._scenario.repeat_share:
            return
        other = self._rng.choice(self._siblings[device.user])
        if other is not device and _able(other):
            other.ask(wish, due, mid=mutation.mid)
        self._call(device, wish, mutation.mid)

    def _maybe_reuse(self, device: Device, mutation: Mutation) -> None:
        if self._rng.random() < self._scenario.reuse_share and mutation.verdict is not None:
            if mutation.verdict.seq is None:
                # Nothing was stored, so its id is still free.
                return
            self._measures.counts["reuses"] += 1
            self._call(device, Wish("profile.update", {"bio": f"not {mutation.mid}"}), mutation.mid)

    def _call(self, device: Device, wish: Wish, mid: str) -> None:
        if len(self._calls) >= MOST_REST_CALLS:
            self._measures.counts["held_back"] += 1
            return
        task = asyncio.create_task(self._over_rest(device, wish, mid))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _over_rest(self, device: Device, wish: Wish, mid: str) -> None:
        try:
            await device.ask_over_rest(wish, mid)
        except RefusedError as error:
            self._measures.errors[f"rest.{error.code}"] += 1
        except ProtocolError:
            self._measures.errors["rest.protocol"] += 1
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self._measures.errors[f"rest.{type(error).__name__}"] += 1


def _able(device: Device) -> bool:
    return not device.client.gone
