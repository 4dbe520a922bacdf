"""A session: one run as the command line sees it, from the first account to the summary.

It runs in the parent of all processes: here the samples come together, the servers of a
place are harmed, what they hold is read, and at the end the history is held against the
promises and the rows of the database.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from idling_ws.loadtest.accounts import Account, make_guests, read_tokens
from idling_ws.loadtest.harm import PLACE_FAULTS, Injector, wait_for
from idling_ws.loadtest.live import View
from idling_ws.loadtest.measures import Sample, Totals
from idling_ws.loadtest.options import Options, history_of
from idling_ws.loadtest.place import Place
from idling_ws.loadtest.soak import Soak
from idling_ws.loadtest.summary import ALWAYS, metrics_of, summary_of
from idling_ws.loadtest.thresholds import Threshold
from idling_ws.loadtest.workers import Workers
from idling_ws.proof.checker import Checker
from idling_ws.proof.checking import check, verdict_on
from idling_ws.proof.findings import Promise

# What still comes after the last fault of a run that ends with its faults.
AFTERMATH_S = 2.0
SOAK_READINGS = 240
MOST_VIOLATIONS = 50


class Session:
    """One run. ``place`` is there when the servers are ours; then ``checker`` has judged the history at the end."""

    def __init__(
        self,
        options: Options,
        tokens: Path | None,
        thresholds: list[Threshold],
        console: Console,
        place: Place | None = None,
    ) -> None:
        self.checker: Checker | None = None
        self._options = options
        self._tokens = tokens
        self._thresholds = [*thresholds, *ALWAYS]
        self._console = console
        self._place = place
        self._totals = Totals()
        self._view = View(console, options)
        self._began = time.monotonic()
        self._connected = 0
        self._interrupted = False
        self._workers: Workers
        self._injector: Injector | None = None
        self._soak: Soak | None = None
        self._traffic_s: tuple[float, float] | None = None
        self._running = asyncio.Event()
        self._ended = asyncio.Event()

    async def run(self) -> dict[str, Any]:
        """Run, and return the summary. Raises ``AccountsError``, ``WorkerError``, ``PlaceError``, ``UnusableError``."""
        options, started_at = self._options, time.time()
        if options.soak:
            self._soak = Soak(options.urls, max(0.5, options.duration_s / SOAK_READINGS))
            await self._soak.note_before()
        self._workers = Workers(options, await self._accounts(), self._receive)
        remove_handlers = self._hear_signals()
        self._began = time.monotonic()
        soaking = None if self._soak is None else asyncio.create_task(self._soak.run())
        try:
            with self._view:
                await self._with_harm(self._workers.run)
        finally:
            if soaking is not None:
                soaking.cancel()
                await asyncio.gather(soaking, return_exceptions=True)
            remove_handlers()
        return await self._summary(started_at)

    def _hear_signals(self) -> Callable[[], None]:
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)

        def interrupt() -> None:
            self._interrupted = True
            self._workers.stop()

        for number in numbers:
            loop.add_signal_handler(number, interrupt)

        def remove() -> None:
            for number in numbers:
                loop.remove_signal_handler(number)

        return remove

    async def _with_harm(self, work: Callable[[], Any]) -> None:
        """Do the work, with harm done to the place while its traffic runs. Raises what went wrong with either."""
        names = [name for name in self._options.faults if name in PLACE_FAULTS]
        if self._place is None or not names:
            await work()
            return
        options = self._options
        self._injector = Injector(
            self._place,
            names,
            random.Random(options.seed),  # noqa: S311 - repeatable by its seed, guards nothing
            self._workers.note_fault,
            every_s=options.fault_every_s,
            longest_s=options.fault_longest_s,
            shortest_s=options.fault_shortest_s,
        )
        harming = asyncio.create_task(self._harm(self._injector))
        try:
            await work()
        finally:
            self._injector.stop()
            self._running.set()
            # Each of its waits has a deadline.
            (failure,) = await asyncio.gather(harming, return_exceptions=True)
        if isinstance(failure, Exception):
            raise failure

    async def _harm(self, injector: Injector) -> None:
        await self._running.wait()
        try:
            await injector.run(self._options.fault_times)
            await wait_for(self._ended, AFTERMATH_S)
        finally:
            # All was done, or it cannot go on: nothing is left to wait for.
            self._workers.stop()

    async def _accounts(self) -> list[Account]:
        if self._tokens is not None:
            return read_tokens(self._tokens, self._options.users)
        return await make_guests(self._options.urls, self._options.users)

    def _receive(self, process: int, phase: str, sample: Sample) -> None:
        self._totals.take(process, sample)
        self._connected = max(self._connected, self._totals.connected)
        # The first process keeps the time for all.
        if process != 0:
            return
        self._view.show(phase, self._totals.tick(time.monotonic() - self._began), self._totals)
        if phase == "running":
            self._running.set()
            if self._soak is not None:
                self._traffic_s = (self._traffic_s or (self._soak.now_s, 0.0))[0], self._soak.now_s
        elif phase != "connecting":
            # Everything has to arrive now: what is broken heals at once.
            self._ended.set()
            self._running.set()
            if self._injector is not None:
                self._injector.stop()

    async def _summary(self, started_at: float) -> dict[str, Any]:
        metrics = metrics_of(self._totals, self._options, self._connected)
        more: dict[str, Any] = {}
        if self._soak is not None:
            await self._soak.note_after()
            more["soak"] = soaked = self._soak.summary(*(self._traffic_s or (0.0, 0.0)))
            metrics |= {"leaks": soaked["leaks"], "soak_unjudged": float(not soaked["judged"])}
        if self._injector is not None:
            injuries = self._injector.injuries
            more["injuries"] = [asdict(injury) for injury in injuries]
            metrics["not_normal"] = sum(injury.normal_after_s is None for injury in injuries)
            metrics["unnoticed"] = sum(injury.is_unnoticed for injury in injuries)
            for injury in injuries:
                metrics[f"fault.{injury.name}"] = metrics.get(f"fault.{injury.name}", 0) + 1
        if self._place is not None:
            more["proof"] = await self._prove(self._place)
            metrics["refuted"] = more["proof"]["refuted"]
        return {
            **summary_of(
                self._totals,
                self._options,
                metrics,
                self._thresholds,
                started_at=started_at,
                interrupted=self._interrupted,
            ),
            **more,
        }

    async def _prove(self, place: Place) -> dict[str, Any]:
        options = self._options
        assert options.history is not None, "a place of our own always has one"  # noqa: S101 -- for the type checker
        paths = [history_of(options.history, index, options.processes) for index in range(options.processes)]
        self.checker = await asyncio.to_thread(check, paths, place.database_url)
        findings = self.checker.findings
        return {
            "refuted": sum(findings.refuted.values()),
            "promises": {promise.name: verdict_on(promise, findings) for promise in Promise},
            "violations": [str(violation) for violation in findings.violations[:MOST_VIOLATIONS]],
        }
