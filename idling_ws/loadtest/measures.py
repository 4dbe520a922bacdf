"""Measures: what is counted and timed while a run goes on.

A process samples itself once a second: totals so far, and the latencies of that second
as HDR histograms, which add up over seconds and processes without losing the tail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hdrh.histogram import HdrHistogram

LONGEST_US = 600_000_000
DIGITS = 3

Sample = dict[str, Any]


def new_histogram() -> Any:
    """Return an empty histogram of microseconds, exact to three digits, up to ten minutes."""
    return HdrHistogram(1, LONGEST_US, DIGITS)


class Measures:
    """One process's counters and histograms. Keys of ``counts`` are the names of the report."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.closes: Counter[str] = Counter()
        self.connected = 0
        self.lag_s = 0.0
        self.traffic_began: float | None = None
        self.traffic_ended: float | None = None
        self._confirm = new_histogram()
        self._deliver = new_histogram()

    def confirmed_after(self, seconds: float) -> None:
        """Time one mutation, from when it was due to its verdict with its effects."""
        self._confirm.record_value(_microseconds(seconds))

    def delivered_after(self, seconds: float) -> None:
        """Time one entry, from when its mutation was due to another device."""
        self._deliver.record_value(_microseconds(seconds))

    def sample(self, now: float) -> Sample:
        """Return the totals so far and the latencies since the last sample."""
        began = now if self.traffic_began is None else self.traffic_began
        confirm, self._confirm = self._confirm, new_histogram()
        deliver, self._deliver = self._deliver, new_histogram()
        lag_s, self.lag_s = self.lag_s, 0.0
        return {
            "counts": dict(self.counts),
            "errors": dict(self.errors),
            "rejected": dict(self.rejected),
            "closes": dict(self.closes),
            "connected": self.connected,
            "lag_s": lag_s,
            "traffic_s": (now if self.traffic_ended is None else self.traffic_ended) - began,
            "confirm": confirm.encode(),
            "deliver": deliver.encode(),
        }


def _microseconds(seconds: float) -> int:
    return min(LONGEST_US, max(1, int(seconds * 1_000_000)))


@dataclass(frozen=True, slots=True)
class Tick:
    """One second of the run, over all processes; times in milliseconds."""

    at_s: float
    connected: int
    mutations_per_s: float
    entries_per_s: float
    errors_per_s: float
    confirm_p50_ms: float
    confirm_p99_ms: float
    confirm_max_ms: float


@dataclass(slots=True)
class Totals:
    """All processes together, over the whole run."""

    samples: dict[int, Sample] = field(default_factory=dict)
    ticks: list[Tick] = field(default_factory=list)
    confirm: Any = field(default_factory=new_histogram)
    deliver: Any = field(default_factory=new_histogram)
    lag_s: float = 0.0
    traffic_s: float = 0.0
    _second: Any = field(default_factory=new_histogram)
    _before: Counter[str] = field(default_factory=Counter)
    _errors_before: int = 0

    def take(self, process: int, sample: Sample) -> None:
        """Take one process's sample in."""
        self.samples[process] = sample
        self.confirm.decode_and_add(sample["confirm"])
        self._second.decode_and_add(sample["confirm"])
        self.deliver.decode_and_add(sample["deliver"])
        self.traffic_s = max(self.traffic_s, sample["traffic_s"])
        self.lag_s = max(self.lag_s, sample["lag_s"])

    def tick(self, at_s: float) -> Tick:
        """Close one second of the run."""
        counts, errors = self.sum_of("counts"), self.sum_of("errors").total()
        passed_s = max(1e-3, at_s - (self.ticks[-1].at_s if self.ticks else 0.0))
        tick = Tick(
            at_s,
            self.connected,
            (counts["settled"] - self._before["settled"]) / passed_s,
            (counts["entries"] - self._before["entries"]) / passed_s,
            (errors - self._errors_before) / passed_s,
            *percentiles_ms(self._second, (50, 99, 100)),
        )
        self._before, self._errors_before, self._second = counts, errors, new_histogram()
        self.ticks.append(tick)
        return tick

    @property
    def connected(self) -> int:
        """How many devices are connected now."""
        return sum(sample["connected"] for sample in self.samples.values())

    def sum_of(self, what: str) -> Counter[str]:
        """Return the counters of that name, added up."""
        total: Counter[str] = Counter()
        for sample in self.samples.values():
            total.update(sample[what])
        return total


def percentiles_ms(histogram: Any, percentiles: Sequence[float]) -> list[float]:
    """Return percentiles in milliseconds, in one walk over the histogram; 0 where nothing was timed."""
    if not histogram.get_total_count():
        return [0.0] * len(percentiles)
    values = histogram.get_percentile_to_value_dict(sorted(percentiles))
    return [float(values[percentile]) / 1000 for percentile in percentiles]
