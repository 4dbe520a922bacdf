"""The matrix: every fault there is, one run each over servers of our own, and one table of what became of it.

Bounded twice: each run has a time in which its faults must have happened and all must have
arrived, and none is begun once the time of the whole is up. What was left out fails too.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from idling_ws.loadtest.harm import PROXIED
from idling_ws.loadtest.options import Options
from idling_ws.loadtest.place import Place, own_place
from idling_ws.loadtest.session import Session

STORM = "reconnect-storm"
DRAIN_S = 75.0


@dataclass(frozen=True, slots=True)
class Trial:
    """One line of the matrix. ``times`` is None where devices are harmed: that goes on for ``most_s``."""

    fault: str
    times: int | None
    longest_s: float
    every_s: float
    most_s: float
    # None: half of the longest.
    shortest_s: float | None = None


# Under ten minutes together, drains and checks included.
FULL = (
    Trial("redis-kill", 3, 7.0, 0.5, 30.0),
    Trial("redis-freeze", 3, 7.0, 0.5, 30.0),
    Trial("redis-flush", 20, 1.0, 0.1, 30.0),
    Trial("pubsub-kill", 20, 1.0, 0.1, 30.0),
    Trial("pg-kill", 3, 3.0, 0.5, 30.0),
    Trial("pg-restart", 3, 1.0, 0.5, 30.0),
    Trial("pg-freeze", 3, 6.0, 0.5, 30.0),
    Trial("instance-kill", 5, 1.5, 0.5, 30.0),
    Trial("instance-term", 5, 1.5, 0.5, 30.0),
    Trial("client-cut", None, 3.0, 0.5, 15.0),
    Trial("client-freeze", None, 3.0, 0.5, 15.0),
    Trial(STORM, None, 1.0, 1.0, 22.0),
    Trial("redis-hole", 2, 7.0, 0.5, 30.0),
    Trial("instance-deaf", 2, 7.0, 0.5, 30.0, shortest_s=6.0),
    Trial("partition", 6, 5.0, 0.5, 45.0),
)
# As long and as often as somebody would who does not believe it: three quarters of an hour.
LARGE = (
    Trial("redis-kill", 5, 30.0, 2.0, 400.0, shortest_s=30.0),
    Trial("redis-freeze", 5, 30.0, 2.0, 400.0, shortest_s=30.0),
    Trial("redis-flush", 20, 1.0, 1.0, 200.0),
    Trial("pubsub-kill", 20, 1.0, 1.0, 200.0),
    Trial("pg-kill", 5, 5.0, 2.0, 300.0),
    Trial("pg-restart", 5, 1.0, 2.0, 200.0),
    Trial("pg-freeze", 5, 20.0, 2.0, 400.0, shortest_s=20.0),
    Trial("instance-kill", 10, 3.0, 1.0, 300.0),
    Trial("instance-term", 10, 3.0, 1.0, 300.0),
    Trial("client-cut", None, 10.0, 0.2, 60.0),
    Trial("client-freeze", None, 10.0, 0.2, 60.0),
    Trial(STORM, None, 1.0, 1.0, 62.0),
    Trial("redis-hole", 5, 30.0, 2.0, 400.0, shortest_s=30.0),
    Trial("instance-deaf", 5, 20.0, 2.0, 300.0, shortest_s=20.0),
    Trial("partition", 12, 10.0, 1.0, 400.0),
)
# Each once or twice, as short as it can be and still be noticed.
SMALL = tuple(
    replace(
        trial,
        times=trial.times and min(trial.times, 2),
        longest_s=min(trial.longest_s, 1.5),
        every_s=0.2,
        shortest_s=None,
    )
    for trial in FULL
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one trial."""

    trial: Trial
    summary: dict[str, Any]

    @property
    def crossed(self) -> list[str]:
        """What of it is not as it should be."""
        return [threshold["text"] for threshold in self.summary["thresholds"] if threshold["crossed"]]

    @property
    def held(self) -> bool:
        """Whether all is as it should be, and the fault really happened."""
        return not self.crossed and not self.summary["interrupted"] and self.happened > 0

    @property
    def happened(self) -> int:
        """How often the fault happened."""
        name = "storm" if self.trial.fault == STORM else self.trial.fault
        return int(self.summary["metrics"].get(f"fault.{name}", 0))

    def cells(self) -> list[str]:
        """Return the line of the table."""
        metrics, injuries = self.summary["metrics"], self.summary.get("injuries", [])
        waits = [injury["normal_after_s"] for injury in injuries if injury["normal_after_s"] is not None]
        lasted = [injury["lasted_s"] for injury in injuries]
        told = [injury["noticed_after_s"] for injury in injuries if injury["noticed_after_s"] is not None]
        refuted = self.summary["proof"]["refuted"]
        verdict = (
            "held" if self.held else ", ".join(self.crossed) or ("did not happen" if not self.happened else "ended")
        )
        return [
            self.trial.fault,
            str(self.happened),
            f"{sum(lasted) / len(lasted):.1f} s" if lasted else "-",
            f"{statistics.median(waits):.1f} / {max(waits):.1f} s" if waits else "-",
            f"{max(told):.1f} s" if told else "-",
            f"{metrics['settled']:,.0f} ({metrics['mutations_per_s']:,.0f}/s)",
            f"{metrics['confirm_p50_ms']:,.0f} / {metrics['confirm_max_ms']:,.0f} ms",
            f"{metrics['resumed']:,.0f} / {metrics['fresh'] - metrics['devices']:,.0f}",
            verdict if not refuted else f"REFUTED {refuted}",
        ]


HEADINGS = (
    "fault",
    "times",
    "lasted",
    "normal after (median / worst)",
    "told of after",
    "mutations",
    "confirm p50 / max",
    "resumed / afresh again",
    "checker",
)


class Matrix:
    """Runs trials over places of its own. ``outcomes`` are those that were run."""

    def __init__(self, options: Options, instances: int, console: Console, folder: Path | None = None) -> None:
        self._options = options
        self._instances = instances
        self._console = console
        self._folder = folder
        self.outcomes: list[Outcome] = []
        self.left_out: list[Trial] = []

    async def run(self, trials: Sequence[Trial], within_s: float) -> bool:
        """Run them; return whether every one held. Raises ``PlaceError`` and what a session does."""
        until = asyncio.get_running_loop().time() + within_s
        # The proxies cost something: only who needs them goes through them.
        for needs, name in ((False, "plain"), (True, "proxied")):
            chosen = [trial for trial in trials if (trial.fault in PROXIED) is needs]
            if not chosen:
                continue
            folder = None if self._folder is None else self._folder / name
            async with own_place(folder, self._instances, with_proxies=needs) as place:
                for trial in chosen:
                    if asyncio.get_running_loop().time() > until or self._is_interrupted:
                        self.left_out.append(trial)
                        continue
                    await self._try(trial, place)
        return not self.left_out and all(outcome.held for outcome in self.outcomes)

    @property
    def _is_interrupted(self) -> bool:
        return any(outcome.summary["interrupted"] for outcome in self.outcomes)

    async def _try(self, trial: Trial, place: Place) -> None:
        options = replace(
            self._options,
            urls=place.urls,
            duration_s=trial.most_s,
            scenario="reconnect" if trial.fault == STORM else self._options.scenario,
            faults=() if trial.fault == STORM else (trial.fault,),
            fault_times=trial.times,
            fault_every_s=trial.every_s,
            fault_longest_s=trial.longest_s,
            fault_shortest_s=trial.shortest_s,
            drain_s=DRAIN_S,
            history=place.folder / f"{trial.fault}.jsonl",
        )
        summary = await Session(options, None, [], Console(quiet=True), place).run()
        outcome = Outcome(trial, summary)
        self.outcomes.append(outcome)
        self._console.print("  ".join(outcome.cells()), highlight=False, soft_wrap=True)
        for violation in summary["proof"]["violations"]:
            self._console.print(f"    {violation}", highlight=False, soft_wrap=True)

    def table(self) -> Table:
        """Return all outcomes as a table."""
        table = Table(title="What was done, and what became of it")
        for number, heading in enumerate(HEADINGS):
            table.add_column(heading, justify="left" if number in (0, len(HEADINGS) - 1) else "right")
        for outcome in self.outcomes:
            table.add_row(*outcome.cells(), style=None if outcome.held else "red")
        for trial in self.left_out:
            table.add_row(trial.fault, "0", *["-"] * (len(HEADINGS) - 3), "not run: no time left", style="red")
        return table


def chosen(names: Sequence[str], trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """Return the trials of these faults, all where none is named."""
    return tuple(trial for trial in trials if not names or trial.fault in names)
