"""What a run is asked to do, decided once on the command line and the same in every process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """One run. ``rate`` is mutations a second over all devices; ``in_flight`` replaces it by a closed loop."""

    urls: tuple[str, ...]
    users: int = 20
    devices: int = 2
    duration_s: float = 30.0
    rate: float = 50.0
    mutations: int | None = None
    in_flight: int | None = None
    scenario: str = "mixed"
    transports: tuple[str, ...] = ("ws",)
    faults: tuple[str, ...] = ()
    fault_every_s: float = 1.0
    fault_longest_s: float = 5.0
    # None: half of the longest.
    fault_shortest_s: float | None = None
    fault_times: int | None = None
    drain_s: float = 60.0
    seed: int = 0
    history: Path | None = None
    processes: int = 1
    soak: bool = False

    def share(self, index: int) -> Options:
        """Return the part of process ``index``: its share of users, rate and mutations."""
        count = self.processes
        users = len(range(index, self.users, count))
        part = users / self.users
        return replace(
            self,
            users=users,
            rate=self.rate * part,
            mutations=None if self.mutations is None else _part(self.mutations, index, count),
            seed=self.seed * 1000 + index,
            history=None if self.history is None else history_of(self.history, index, count),
        )


def _part(total: int, index: int, count: int) -> int:
    return total // count + (1 if index < total % count else 0)


def history_of(path: Path, index: int, count: int) -> Path:
    """Return the file of one process: ``run.jsonl`` alone, or ``run.0.jsonl``, ``run.1.jsonl``…"""
    return path if count == 1 else path.with_suffix(f".{index}{path.suffix}")
