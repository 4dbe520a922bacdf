"""The command: which measures, how often, and the table they end in."""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass
from pathlib import Path

import click
import orjson
import uvloop

from scripts.benchmark.measures import MEASURES, measure_memory
from scripts.benchmark.place import opened
from scripts.benchmark.shared import measure_shared
from scripts.benchmark.stores import PEOPLE, fill_lobby, measure_stores

STORE_ROWS = (
    ("PostgreSQL, for a durable mutation", "CPU µs", "postgres_us"),
    ("Redis, for the same", "CPU µs", "redis_us"),
    ("PostgreSQL's log, for the same", "bytes", "log_bytes"),
    ("kept in the database, of the same", "bytes", "kept_bytes"),
    ("PostgreSQL, for writing down one sign of life, in batches", "CPU µs", "sign_us"),
    (f"PostgreSQL, for reading a lobby of {PEOPLE:,}", "CPU ms", "lobby_ms"),
)
SHARED_ROWS = (
    ("Redis, for one sign of life, in batches", "redis_sign_us"),
    ("Redis, for one instance and second, with its lobby and its pulse", "redis_second_us"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result. ``goal`` is what the whole product must reach, None where nothing is set."""

    name: str
    unit: str
    goal: float | None
    values: tuple[float, ...]
    note: str = ""

    @property
    def median(self) -> float:
        """The middle of all runs."""
        return statistics.median(self.values)


async def run(only: tuple[str, ...], runs: int, connections: int) -> list[Row]:
    """Measure and return the rows."""
    rows: list[Row] = []
    async with opened(max(1001, min(connections, 10000)) + 1) as place:
        wanted = {name: item for name, item in MEASURES.items() if not only or name in only}
        values: dict[str, list[float]] = {name: [] for name in wanted}
        for turn in range(runs):
            for name, (_, _, measure) in wanted.items():
                values[name].append(await measure(place, f"{name}-{turn}-{os.getpid()}"))
                click.echo(f"  run {turn + 1} {name}: {values[name][-1]:.1f} µs", err=True)
        rows += [Row(text, "CPU µs", goal, tuple(values[name])) for name, (text, goal, _) in wanted.items()]
        if not only or "stores" in only:
            fill_lobby(place)
            costs = [await measure_stores(place, f"stores-{turn}-{os.getpid()}") for turn in range(runs)]
            for text, unit, field in STORE_ROWS:
                rows.append(Row(text, unit, None, tuple(getattr(cost, field) for cost in costs)))
            redis_url = place.environ["IDLING_REDIS_URL"]
            shared = [await measure_shared(redis_url, f"shared-{turn}-{os.getpid()}") for turn in range(runs)]
            for text, field in SHARED_ROWS:
                rows.append(Row(text, "CPU µs", None, tuple(getattr(cost, field) for cost in shared)))
        if not only or "memory" in only:
            memory, share = await measure_memory(place, connections)
            rows.append(Row(f"memory per idle connection at {connections:,}", "KiB", 8, (memory,)))
            rows.append(Row(f"heartbeats of {connections:,} sockets", "% of a core", 4, (share,)))
    return rows


@click.command()
@click.option("--only", multiple=True, help=f"One of {', '.join(MEASURES)}, stores, memory; several times.")
@click.option("--runs", default=5, show_default=True)
@click.option("--connections", default=5000, show_default=True, help="For memory and heartbeats.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures here as well.")
def main(only: tuple[str, ...], runs: int, connections: int, json_path: Path | None) -> None:
    """Measure what the product costs."""
    rows = uvloop.run(run(only, runs, connections))
    click.echo("| what | unit | must reach | median | runs |\n|---|---|---|---|---|")
    for row in rows:
        spread = ", ".join(f"{value:.1f}" for value in row.values)
        goal = "" if row.goal is None else f"{row.goal:g}"
        click.echo(f"| {row.name} | {row.unit} | {goal} | **{row.median:.1f}** | {spread} |")
    if json_path is not None:
        json_path.write_bytes(orjson.dumps([{"name": r.name, "unit": r.unit, "values": r.values} for r in rows]))
