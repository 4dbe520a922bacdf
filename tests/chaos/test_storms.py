"""Everybody at once: all connections end in the same moment, and all devices come back to where they were."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.crowd import Guest, Roamer, check_against_log, gathered, sized
from tests.support.instances import Instance
from tests.support.steady import Steady, settled
from tests.support.wire_client import metric

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]

Pair = tuple[Instance, Instance]
BACK_WITHIN_S = 60.0


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
