"""The end of a run: wait until every device has everything, and write down where it stands.

Without it a history proves little: what had not arrived when the traffic stopped might
just have been on its way.
"""

from __future__ import annotations

import asyncio
import random
import time

import aiohttp

from idling_ws.client import ClientError, RestCalls
from idling_ws.loadtest.device import Device
from idling_ws.loadtest.measures import Measures
from idling_ws.proof.digests import digest_of
from idling_ws.proof.history import Recorder

AT_ONCE = 16
# A snapshot may be overtaken by an entry that the system makes; then another is taken.
TRIES = 5
PAUSE_S = 1.0


class Ending:
    """Brings the devices of one process to the end of their streams, within a time."""

    def __init__(
        self,
        devices: list[Device],
        urls: tuple[str, ...],
        measures: Measures,
        recorder: Recorder | None,
        rng: random.Random,
    ) -> None:
        self._urls = urls
        self._measures = measures
        self._recorder = recorder
        self._rng = rng
        self._users: dict[int, list[Device]] = {}
        for device in devices:
            self._users.setdefault(device.user, []).append(device)

    async def run(self, drain_s: float) -> None:
        """Drain every user; what was not done in time is counted and written down as it is."""
        gate = asyncio.Semaphore(AT_ONCE)
        deadline = asyncio.get_running_loop().time() + drain_s

        async def one(devices: list[Device]) -> None:
            async with gate:
                await self._drain(devices, deadline)

        async with asyncio.TaskGroup() as group:
            for devices in self._users.values():
                group.create_task(one(devices))

    def break_off(self) -> None:
        """Write down where the devices stand, without a goal: nobody waited for them."""
        for devices in self._users.values():
            self._write_finals(devices, None)

    async def _drain(self, devices: list[Device], deadline: float) -> None:
        goal: str | None = None
        try:
            async with asyncio.timeout_at(deadline):
                for device in devices:
                    await device.until_quiet()
                for _ in range(TRIES):
                    goal = await self._snapshot(devices)
                    for device in devices:
                        await device.client.reach(goal)
                    if all(device.client.cursor == goal for device in devices):
                        break
        except (TimeoutError, ClientError) as error:
            self._measures.counts["undrained"] += len(devices)
            self._measures.errors[f"drain.{type(error).__name__}"] += 1
            # A device that was waited for has a goal: how far the others of its user came.
            goal = goal or max((d.client.cursor for d in devices if d.client.cursor), key=_seqs, default=None)
        self._write_finals(devices, goal)

    async def _snapshot(self, devices: list[Device]) -> str:
        """Ask any instance for a fresh state, and write down what it said. Return its cursor."""
        while True:
            mine = devices[0].client.rest
            rest = RestCalls(mine.http, self._rng.choice(self._urls), mine.token)
            asked_at = time.time()
            try:
                snapshot = await rest.snapshot()
            except (ClientError, aiohttp.ClientError, OSError) as error:
                self._measures.errors[f"snapshot.{type(error).__name__}"] += 1
                await asyncio.sleep(PAUSE_S)
                continue
            if self._recorder is not None:
                self._recorder.write(
                    "snapshot",
                    t=asked_at,
                    user=devices[0].user,
                    cursor=snapshot["cursor"],
                    state=digest_of(snapshot["state"]),
                    url=rest.base_url,
                )
            return str(snapshot["cursor"])

    def _write_finals(self, devices: list[Device], goal: str | None) -> None:
        for device in devices:
            self._measures.counts["unsettled"] += len(device.unsettled)
            device.write_final(goal)


def _seqs(cursor: str) -> tuple[int, ...]:
    return tuple(int(part) for part in cursor.split(".")[1:])
