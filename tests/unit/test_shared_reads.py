"""Shared reads: a crowd costs two readings, and nobody gets what was read before it asked."""

from __future__ import annotations

import asyncio

import pytest

from idling_ws.store.shared_reads import SharedReads


class Source:
    """Something that changes, read as slowly as a test wants it."""

    def __init__(self) -> None:
        self.value = 0
        self.readings: list[tuple[int, frozenset[str]]] = []
        self.gate = asyncio.Event()
        self.failure: Exception | None = None

    async def load(self, key: int, wishes: frozenset[str]) -> int:
        """Read now, answer when the gate is open."""
        read = self.value
        self.readings.append((key, wishes))
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return read


async def turns(count: int = 5) -> None:
    """Let everything go on that can."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_who_comes_during_a_reading_shares_the_next() -> None:
    """Twenty in two readings; the second knows what was written during the first."""
    source = Source()
    reads = SharedReads(source.load)
    first = asyncio.create_task(reads.read(1, "a"))
    await turns()
    source.value = 7
    others = [asyncio.create_task(reads.read(1, f"b{n % 3}")) for n in range(20)]
    await turns()
    assert len(source.readings) == 1
    source.gate.set()
    assert await first == 0
    assert await asyncio.gather(*others) == [7] * 20
    assert source.readings == [(1, frozenset("a")), (1, frozenset({"b0", "b1", "b2"}))]
    assert reads.shared == 19


async def test_who_comes_together_shares_the_first() -> None:
    """Nothing was read before any of them asked."""
    source = Source()
    source.gate.set()
    reads = SharedReads(source.load)
    assert await asyncio.gather(*[reads.read(1, "a") for _ in range(5)]) == [0] * 5
    assert len(source.readings) == 1


async def test_keys_do_not_wait_for_each_other() -> None:
    """One reading each, at the same time."""
    source = Source()
    reads = SharedReads(source.load)
    tasks = [asyncio.create_task(reads.read(key, "a")) for key in (1, 2, 3)]
    await turns()
    assert [key for key, _ in source.readings] == [1, 2, 3]
    source.gate.set()
    await asyncio.gather(*tasks)


async def test_a_failure_is_everybodys_and_the_next_reading_is_tried() -> None:
    """It is not remembered."""
    source = Source()
    source.gate.set()
    source.failure = ValueError("away")
    reads = SharedReads(source.load)
    outcomes = await asyncio.gather(reads.read(1, "a"), reads.read(1, "b"), return_exceptions=True)
    assert [outcome is source.failure for outcome in outcomes] == [True, True]
    source.failure = None
    assert await reads.read(1, "a") == 0


async def test_who_goes_away_goes_alone() -> None:
    """The others still get theirs."""
    source = Source()
    reads = SharedReads(source.load)
    leaving, staying = (asyncio.create_task(reads.read(1, "a")) for _ in range(2))
    await turns()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    source.gate.set()
    assert await staying == 0
