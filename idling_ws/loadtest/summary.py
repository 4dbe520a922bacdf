"""The summary: every number of a run under one flat name, for reports and thresholds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from idling_ws.loadtest.measures import Totals, percentiles_ms
from idling_ws.loadtest.options import Options
from idling_ws.loadtest.thresholds import Threshold

PERCENTILES = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p999": 99.9, "max": 100.0}
CURVE = (0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99, 100)

# Counters that are there also when nothing was counted, with what they mean.
COUNTS = {
    "mutations": "mutations asked for",
    "settled": "mutations with their verdict",
    "confirmed": "mutations confirmed",
    "rolled_back": "mutations rolled back",
    "unsettled": "mutations without a verdict at the end",
    "sendings": "sendings of mutations over the devices' own lines",
    "rest_sendings": "further sendings over REST",
    "held_back": "mutations not asked for because too many were pending",
    "reuses": "used ids sent again with other arguments",
    "told": "verdicts told outside of the stream",
    "entries": "entries received",
    "repeats": "entries received again and dropped",
    "gaps": "entries refused because one before them was missing",
    "resumes": "resumes within a connection",
    "fresh": "connections started afresh, with a snapshot",
    "resumed": "connections resumed from a cursor",
    "closes": "connections that ended while the run went on",
    "connect_failed": "devices that did not connect in time",
    "undrained": "devices that did not reach the end in time",
    "not_normal": "faults after which the servers were not back to normal in a minute",
    "unnoticed": "faults that an instance did not tell of in five seconds",
    "refuted": "operations that break a promise",
    "leaks": "things of a process that grew during a soak",
    "soak_unjudged": "1 when a soak was too short to say anything",
}

# A run that could not do its job fails, whatever else was asked.
ALWAYS = tuple(
    Threshold(name, ">", 0)
    for name in ("connect_failed", "undrained", "not_normal", "unnoticed", "refuted", "leaks", "soak_unjudged")
)


def metric_names() -> set[str]:
    """Return the names that a threshold may use, those by code apart."""
    names = set(COUNTS) | {"devices", "connected", "duration_s", "mutations_per_s", "entries_per_s", "errors"}
    names |= {"generator_lag_ms"}
    return names | {f"{what}_{name}_ms" for what in ("confirm", "deliver") for name in PERCENTILES}


def metrics_of(totals: Totals, options: Options, connected: int) -> dict[str, float]:
    """Return all numbers of a run by name; ``connected`` is the most that were at once."""
    duration_s = totals.traffic_s
    counts = totals.sum_of("counts")
    metrics: dict[str, float] = {name: counts[name] for name in COUNTS}
    metrics |= {name: number for name, number in sorted(counts.items()) if name.startswith("fault.")}
    metrics |= {
        "devices": options.users * options.devices,
        "connected": connected,
        "duration_s": round(duration_s, 3),
        "mutations_per_s": round(counts["settled"] / duration_s, 2) if duration_s else 0.0,
        "entries_per_s": round(counts["entries"] / duration_s, 2) if duration_s else 0.0,
        "generator_lag_ms": round(totals.lag_s * 1000, 3),
    }
    for what, histogram in (("confirm", totals.confirm), ("deliver", totals.deliver)):
        values = percentiles_ms(histogram, tuple(PERCENTILES.values()))
        metrics |= {f"{what}_{name}_ms": value for name, value in zip(PERCENTILES, values, strict=True)}
    errors = totals.sum_of("errors")
    metrics["errors"] = errors.total()
    for prefix, counter in (
        ("error", errors),
        ("rejected", totals.sum_of("rejected")),
        ("close", totals.sum_of("closes")),
    ):
        metrics |= {f"{prefix}.{code}": number for code, number in sorted(counter.items())}
    return metrics


def summary_of(
    totals: Totals,
    options: Options,
    metrics: dict[str, float],
    thresholds: list[Threshold],
    *,
    started_at: float,
    interrupted: bool,
) -> dict[str, Any]:
    """Return everything that the reports tell, as one JSON object."""
    return {
        "started_at": started_at,
        "interrupted": interrupted,
        "options": {
            **{key: value for key, value in asdict(options).items() if key != "history"},
            "history": None if options.history is None else options.history.name,
        },
        "metrics": metrics,
        "thresholds": [
            {
                "text": str(threshold),
                "value": metrics.get(threshold.metric, 0.0),
                "crossed": threshold.crossed(metrics),
            }
            for threshold in thresholds
        ],
        "percentiles": {
            what: [list(point) for point in zip(CURVE, percentiles_ms(histogram, CURVE), strict=True)]
            for what, histogram in (("confirm", totals.confirm), ("deliver", totals.deliver))
        },
        "series": [asdict(tick) for tick in totals.ticks],
    }


def notes_of(summary: dict[str, Any]) -> list[str]:
    """Return in words what happened beside the traffic: faults of the servers, and growth during a soak."""
    notes = []
    for injury in summary.get("injuries", ()):
        after_s = injury["normal_after_s"]
        ended = "not normal in a minute" if after_s is None else f"normal {after_s:.1f} s after"
        told = "" if injury["noticed_after_s"] is None else f", told of after {injury['noticed_after_s']:.1f} s"
        notes.append(f"{injury['at_s']:6.1f} s  {injury['name']}: {injury['what']}{told}, {ended}")
    soak = summary.get("soak")
    if soak is not None:
        notes += [
            f"{growth['url']} {growth['name']}: {growth['middle']:,.0f}, grew by {growth['growth']:+,.1f} over the"
            f" second half of the traffic (allowed {growth['limit']:,.1f}, trend {growth['trend_z']:+.1f} sigma)"
            f"{' LEAKS' if growth['leaks'] else ''}"
            for growth in soak["growths"]
        ]
        notes.append(f"{soak['tasks_left']} tasks were left when all had gone")
    return notes
