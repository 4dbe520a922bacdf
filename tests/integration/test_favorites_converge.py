"""Favourites changed on two devices, in and out of reach of the server: one order in the end, the same for all."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from idling_ws.client import IdlingClient
from tests.support.instances import Instance
from tests.support.wire_client import call, sign_in

EMOJI = ["1F600", "1F44D", "2764-FE0F", "1F389", "1F680", "1F408", "1F415", "1F355", "1F44B", "1F3B2"]
ROUNDS = 4
CHANGES = 12
IN_TIME_S = 90


def change(rng: random.Random) -> tuple[str, dict[str, Any]]:
    """Return a change of favourites that may or may not make sense by the time it arrives."""
    emoji = rng.choice(EMOJI)
    match rng.choice(["add", "add", "remove", "move", "move"]):
        case "add":
            return "favorite.add", {"emoji": emoji}
        case "remove":
            return "favorite.remove", {"emoji": emoji}
        case _:
            return "favorite.move", {"emoji": emoji, "after": rng.choice([None, *EMOJI])}


async def settled(device: IdlingClient) -> None:
    """Wait until every change of a device has its verdict."""
    await device.until(lambda: not device.pending)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(3))
async def test_two_devices_end_with_the_same_favourites(seed: int, pair: tuple[Instance, Instance]) -> None:
    """Each goes offline and comes back, on another instance, while both go on changing; every change gets a verdict."""
    rng = random.Random(seed)
    a, b = pair
    me = await sign_in(a.url)
    async with (
        IdlingClient([a.url, b.url], token=me.token, name="phone", connect_timeout_s=IN_TIME_S) as phone,
        IdlingClient([b.url, a.url], token=me.token, name="laptop", connect_timeout_s=IN_TIME_S) as laptop,
    ):
        devices = (phone, laptop)
        for _ in range(ROUNDS):
            for device in devices:
                if rng.random() < 0.6:
                    device.cut()
            for _ in range(CHANGES):
                device = rng.choice(devices)
                device.submit(*change(rng))
                if rng.random() < 0.3:
                    await asyncio.sleep(0)
            for device in rng.sample(devices, 2):
                device.plug_in()
            async with asyncio.timeout(IN_TIME_S):
                for device in devices:
                    await settled(device)
        snapshot = (await call(a.url, "GET", "/api/snapshot", token=me.token)).json
        for device in devices:
            await device.reach(snapshot["cursor"], timeout_s=IN_TIME_S)
            assert device.state == device.confirmed_state == snapshot["state"]
    kept = snapshot["state"]["favorites"]
    assert len(kept) == len(set(kept)) > 0
    for instance in pair:
        answer = await call(instance.url, "GET", "/api/emojis/favorites", token=me.token)
        assert answer.json["favorites"] == kept
