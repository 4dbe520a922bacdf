"""Faults: what a run does to itself while it goes on, as one table.

A fault happens once, to whatever it picks, and heals before it returns, also when the
run ends in the middle of it. Each runs in a loop of its own until the traffic stops.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from idling_ws.loadtest.device import Device, pick
from idling_ws.loadtest.measures import Measures
from idling_ws.proof.history import Recorder


@dataclass(slots=True)
class Scene:
    """What a fault may do harm to."""

    devices: list[Device]
    rng: random.Random
    longest_s: float
    measures: Measures
    recorder: Recorder | None
    # A device under one fault is left alone by the others.
    harmed: set[str]

    def note(self, name: str, what: str) -> None:
        """Write down that it happened."""
        self.measures.counts[f"fault.{name}"] += 1
        if self.recorder is not None:
            self.recorder.write("fault", name=name, what=what)

    def victim(self) -> Device | None:
        """Pick a device that nothing is being done to."""
        return pick(self.devices, self.rng, lambda device: device.name not in self.harmed and not device.client.gone)


async def _harm(scene: Scene, name: str, hurt: Callable[[Device], None], heal: Callable[[Device], None]) -> None:
    device = scene.victim()
    if device is None:
        return
    pause_s = scene.rng.uniform(0, scene.longest_s)
    scene.note(name, f"{device.name} for {pause_s:.2f} s")
    scene.harmed.add(device.name)
    hurt(device)
    try:
        await asyncio.sleep(pause_s)
    finally:
        heal(device)
        scene.harmed.discard(device.name)


async def _client_cut(scene: Scene) -> None:
    await _harm(scene, "client-cut", lambda device: device.client.cut(), lambda device: device.client.plug_in())


async def _client_freeze(scene: Scene) -> None:
    await _harm(scene, "client-freeze", lambda device: device.client.freeze(), lambda device: device.client.thaw())


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to do harm."""

    summary: str
    inject: Callable[[Scene], Coroutine[Any, Any, None]]


FAULTS: dict[str, Fault] = {
    "client-cut": Fault("pull a device's plug, without a goodbye, and put it back", _client_cut),
    "client-freeze": Fault("let a device keep its line but neither read nor send", _client_freeze),
}


async def storm(scene: Scene) -> None:
    """Cut every connection at once, and let all come back when they may."""
    scene.note("storm", f"{len(scene.devices)} devices")
    for device in scene.devices:
        if device.name not in scene.harmed and not device.client.gone:
            device.client.cut()
            device.client.plug_in()


async def keep_injecting(fault: Fault, scene: Scene, every_s: float) -> None:
    """Let it happen again and again, several at once where healing takes longer than the pause.

    Ends by being cancelled; all that was hurt is healed then.
    """
    async with asyncio.TaskGroup() as group:
        while True:
            await asyncio.sleep(scene.rng.uniform(0.5, 1.5) * every_s)
            group.create_task(fault.inject(scene))
