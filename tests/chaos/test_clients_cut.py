"""Devices whose network comes and goes, and who come back through any door with the cursor they have."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.blackhole import blackholes
from tests.support.crowd import FULL_SIZE, Guest, Roamer, check_against_log, gathered, sized
from tests.support.instances import Instance
from tests.support.steady import Steady, settled
from tests.support.wanderer import DOORS, Wanderer
from tests.support.wire_client import Device, call, connect, metric

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]

Pair = tuple[Instance, Instance]
BACK_WITHIN_S = 60.0
SOCKETS = "idling_sockets"
CLOSED_SILENT = 'idling_socket_closes_total{code="4202"}'
# Twice a heartbeat and ten seconds after the last sign of life, and as much again for the line to be given up.
GONE_WITHIN_S = 2 * (2 * 2.0 + 10.0)


async def test_devices_that_are_cut_and_away_miss_nothing(
    frail_pair: Pair, frail_url: str, guests: list[Guest], figures: Callable[..., dict[str, Any]]
) -> None:
    """Cut at any moment, away for any time, back at either instance through any door: each goes on where it was."""
    bases = [instance.url for instance in frail_pair]
    crowd = guests[: sized(25, 100)]
    wandering = [Wanderer(guest, bases, seed=n) for n, guest in enumerate(crowd)]
    writing = [Roamer(guest, [bases[n % 2]], seed=n) for n, guest in enumerate(crowd)]
    longest_s, entries = sized(2.0, 60.0), sized(600, 5000)
    draw = random.Random(7)
    is_over = asyncio.Event()

    async def come_and_go(device: Wanderer) -> None:
        while not is_over.is_set():
            await asyncio.sleep(draw.uniform(0, longest_s / 2))
            device.is_away = True
            device.cut()
            await asyncio.sleep(draw.uniform(0, longest_s))
            device.is_away = False

    def is_enough(answered: int) -> bool:
        used = {door for device in wandering for door in device.doors}
        return answered >= entries and used == set(DOORS) and all(device.cuts for device in wandering)

    async with gathered([*wandering, *writing]):
        going = [asyncio.create_task(come_and_go(device)) for device in wandering]
        async with Steady(devices=writing, every_s=sized(0.2, 2.0)) as work:
            while not is_enough(len(work.answered)):
                await asyncio.sleep(0.1)
        is_over.set()
        await asyncio.gather(*going)
        await asyncio.gather(*[device.finish() for device in wandering])
        await settled([*writing, *wandering], frail_url)
        doors = sum((device.doors for device in wandering), Counter())
        figures(
            compared=check_against_log([*writing, *wandering], frail_url, repeats=True),
            cuts=sum(device.cuts for device in wandering),
            **{f"back_by_{door}": doors[door] for door in DOORS},
        )
        told = {mid: verdict for device in wandering for mid, verdict in device.told_over_rest.items()}
        heard = {mid: verdict for device in wandering for mid, verdict in device.verdicts.items()}
        assert {mid: (verdict["status"], verdict["seq"]) for mid, verdict in told.items()} == {
            mid: ("confirmed", heard[mid]["seq"]) for mid in told
        }
        states = {device.guest.user_id: device.state for device in writing}
        assert [device for device in wandering if device.state != states[device.guest.user_id]] == []
        for device in wandering[:10]:
            snapshot = (await call(bases[0], "GET", "/api/snapshot", token=device.guest.token)).json
            assert snapshot == {"state": device.state, "cursor": device.cursor}


async def total(pair: Pair, name: str) -> float:
    """Return a metric of both instances together."""
    return sum([await metric(instance.url, name) for instance in pair])


async def test_all_are_back_in_a_minute_and_nobody_needs_a_fresh_state(
    frail_pair: Pair, frail_url: str, guests: list[Guest], figures: Callable[..., dict[str, Any]]
) -> None:
    """A thousand at full size, cut while they work: each resumes, not one snapshot is read, nothing is lost."""
    crowd = guests[: sized(60, 200)] * sized(3, 5)
    bases = [instance.url for instance in frail_pair]
    devices = [Roamer(guest, bases, seed=n) for n, guest in enumerate(crowd)]
    async with gathered(devices):
        snapshots = await total(frail_pair, "idling_snapshots_total")
        async with Steady(devices=devices[: sized(60, 200)], every_s=2.0) as work:
            since = time.monotonic()
            for device in devices:
                device.cut()
            async with asyncio.timeout(BACK_WITHIN_S):
                for device in devices:
                    await device.until(lambda device=device: device.welcomes == 2)
            back_s = time.monotonic() - since
        await settled(devices, frail_url)
        figures(
            devices=len(devices),
            back_s=back_s,
            sent_away=sum(device.closes.count(4100) for device in devices),
            entries=check_against_log(devices, frail_url, repeats=True),
        )
        assert work.statuses() == {"confirmed"}
        assert await total(frail_pair, "idling_snapshots_total") == snapshots
        assert back_s < BACK_WITHIN_S


@pytest.mark.skipif(not FULL_SIZE, reason="a quarter of a minute of silence: `make chaos-tests` runs it")
async def test_whoever_is_half_there_is_given_up(
    frail_pair: Pair, guests: list[Guest], figures: Callable[..., dict[str, Any]]
) -> None:
    """Their network swallows everything, both ways: no goodbye, no reset, and what they are sent is never read.

    4202, nothing of them is kept, and whoever shares a user or an instance with them is not touched.
    """
    instance = frail_pair[0]
    gone, staying = guests[:50], [Roamer(guest, [instance.url]) for guest in guests[:20]]
    async with gathered(staying), blackholes(int(instance.url.rpartition(":")[2])) as hole:
        before = await metric(instance.url, SOCKETS)
        closed = await metric(instance.url, CLOSED_SILENT)
        behind: list[Device] = [await connect(f"http://127.0.0.1:{hole.port}", guest.token) for guest in gone]
        assert await metric(instance.url, SOCKETS) == before + len(gone)
        hole.swallow()
        since = time.monotonic()
        async with Steady(devices=staying, every_s=0.5) as work, asyncio.timeout(60):
            while await metric(instance.url, SOCKETS) > before:
                await asyncio.sleep(0.1)
            gone_s = time.monotonic() - since
        figures(gone_s=gone_s, answered=len(work.answered))
        assert await metric(instance.url, CLOSED_SILENT) == closed + len(gone)
        assert gone_s < GONE_WITHIN_S
        assert work.statuses() == {"confirmed"}
        assert [device for device in staying if device.closes] == []
        for device in behind:
            device.cut()
