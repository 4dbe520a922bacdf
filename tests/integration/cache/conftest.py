"""Two caches of one deployment over a real Redis, and the clock that both go by."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.caches import CacheOfOne, running_caches
from tests.support.clocks import MovableClock


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def pair(redis_url: str, clock: MovableClock) -> AsyncIterator[list[CacheOfOne]]:
    async with running_caches(redis_url, clock) as caches:
        yield caches
