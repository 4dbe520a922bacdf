"""Steady work for a crowd, and what it meets: how long a verdict, an answer or the other devices took."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from tests.support.crowd import Guest, Roamer
from tests.support.rows import run_sql
from tests.support.wire_client import ClosedError, call, connect

VALUES = ({"theme": "dark"}, {"theme": "light"}, {"density": "compact"}, {"density": "cozy"}, {"sounds": True})
READS = ("/api/snapshot", "/api/lobby", "/api/profile", "/api/preferences", "/api/sessions/active", "/readyz")


@dataclass(slots=True)
class Answered:
    """One question from asking to its answer: ``status`` is that of a verdict or a response."""

    asked_at: float
    took_s: float
    what: str
    status: str | int


@dataclass(slots=True)
class Work:
    """Runs one task for each of many for the length of the block; whatever fails in one fails the block."""

    every_s: float = 0.25
    answered: list[Answered] = field(default_factory=list)
    is_over: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """Return what is to be done."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(task) for task in self.tasks()]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_over = True
        if kind is not None:
            for task in self._tasks:
                task.cancel()
        done = await asyncio.gather(*self._tasks, return_exceptions=True)
        failures = [failure for failure in done if isinstance(failure, Exception)]
        if failures and kind is None:
            raise failures[0]

    async def repeat(self, seed: int, ask: Callable[[int], Coroutine[Any, Any, tuple[str, str | int]]]) -> None:
        """Ask again and again, about every ``every_s``, one at a time; ``ask`` gets a number that counts."""
        draw = random.Random(seed)
        n = 0
        await asyncio.sleep(draw.uniform(0, self.every_s))
        while not self.is_over:
            n += 1
            asked_at = time.monotonic()
            what, status = await ask(n)
            self.answered.append(Answered(asked_at, time.monotonic() - asked_at, what, status))
            await asyncio.sleep(draw.uniform(self.every_s / 2, self.every_s * 1.5))

    def slowest_s(self) -> float:
        """Return the longest wait for an answer."""
        return max((one.took_s for one in self.answered), default=0.0)

    def statuses(self) -> set[str | int]:
        """Return every kind of answer there was."""
        return {one.status for one in self.answered}


@dataclass(slots=True)
class Steady(Work):
    """Each device asks for a change on its socket."""

    devices: Sequence[Roamer] = ()

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """One for each device."""

        async def ask(device: Roamer, n: int) -> tuple[str, str]:
            verdict = await device.verdict(device.ask("preferences.set", {"values": VALUES[n % len(VALUES)]}))
            return "mutate", verdict["status"]

        return [
            self.repeat(seed, lambda n, device=device: ask(device, n))  # type: ignore[misc]  # its own device each
            for seed, device in enumerate(self.devices)
        ]


@dataclass(slots=True)
class Callers(Work):
    """Each guest reads, writes and connects anew, at each instance by turns."""

    guests: Sequence[Guest] = ()
    bases: Sequence[str] = ()

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """One for each guest."""
        return [
            self.repeat(seed, lambda n, guest=guest: self._ask(guest, n))  # type: ignore[misc]  # its own guest each
            for seed, guest in enumerate(self.guests)
        ]

    async def _ask(self, guest: Guest, n: int) -> tuple[str, str | int]:
        base = self.bases[n % len(self.bases)]
        kind = n // len(self.bases) % (len(READS) + 2)
        if kind < len(READS):
            return READS[kind], (await call(base, "GET", READS[kind], token=guest.token)).status
        if kind == len(READS):
            try:
                async with await connect(base, guest.token):
                    return "hello", 200
            except ClosedError as closed:
                return "hello", closed.code
        mutation = {"mid": uuid4().hex, "name": "profile.update", "args": {"bio": f"the {n}th"}}
        answer = await call(base, "POST", "/api/mutations", token=guest.token, json={"mutations": [mutation]})
        return "/api/mutations", answer.json["verdicts"][0]["status"] if answer.status == 200 else answer.status


async def settled(devices: Sequence[Roamer], database_url: str) -> None:
    """Wait until every device has all that the database has for it. A verdict may be there before its entry."""
    sql = "SELECT user_id, max(seq) FROM entries GROUP BY 1 UNION ALL SELECT 0, max(seq) FROM shared_entries"
    heads = {user_id: seq or 0 for user_id, seq in await asyncio.to_thread(run_sql, database_url, sql)}
    for device in devices:
        await device.reach(heads.get(device.guest.user_id, 0), heads[0])


def spread_s(devices: Sequence[Roamer], since: float = 0.0, until: float = float("inf")) -> float:
    """Return the longest time between the first device of a user having an entry and the last one having it."""
    first: dict[tuple[int, tuple[str, int]], float] = {}
    last: dict[tuple[int, tuple[str, int]], float] = {}
    for device in devices:
        for name, at in device.took_at.items():
            key = (device.guest.user_id, name)
            first[key] = min(at, first.get(key, at))
            last[key] = max(at, last.get(key, at))
    return max((last[key] - at for key, at in first.items() if since <= at <= until), default=0.0)
