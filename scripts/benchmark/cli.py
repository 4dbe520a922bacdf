"""The command: which measures, how often, beside whom, and the tables and the page they end in."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import click
import orjson
import uvloop

from scripts.benchmark.growth import SOCKETS, measure_growth
from scripts.benchmark.measures import MEASURES, QUESTION, measure_memory, sample_entry
from scripts.benchmark.page import page_of
from scripts.benchmark.peers.catalogue import PEERS
from scripts.benchmark.peers.installing import install, missing_of
from scripts.benchmark.peers.running import RunningPeer, opened_peers
from scripts.benchmark.place import ROOT, Place, opened
from scripts.benchmark.results import PRODUCT, Results, tables
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
# What others are measured by as well.
COMPARED: dict[str, Callable[[RunningPeer], Awaitable[float]]] = {
    "refused": lambda peer: peer.asked(QUESTION),
    "push": lambda peer: peer.push(),
    "broadcast-4": lambda peer: peer.broadcast(4),
    "broadcast-1": lambda peer: peer.broadcast(1),
    "connect": lambda peer: peer.connects(),
}
QUICK_RUNS, QUICK_CONNECTIONS = 1, 1000
REPORT = ROOT / "reports" / "bench.html"


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for."""

    only: tuple[str, ...]
    runs: int
    connections: int
    peers: bool
    growth: bool
    against: Path | None
    minutes: float

    def wants(self, name: str) -> bool:
        """Whether this measure is among it."""
        return not self.only or name in self.only


def announce(words: str) -> None:
    """Say how far it is."""
    click.echo(f"  {words}", err=True)


async def run(order: Order) -> Results:
    """Measure. What is compared takes turns, so that all meet the same machine."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # nothing that was started stays
    results = Results()
    deadline = time.monotonic() + order.minutes * 60
    results.loads.append(os.getloadavg()[0])
    users = max(1000, min(order.connections, SOCKETS[-1]), SOCKETS[-1] if order.growth else 0)
    async with opened(users + 1, order.against) as place, contextlib.AsyncExitStack() as stack:
        running: list[RunningPeer] = []
        if order.peers and (any(map(order.wants, COMPARED)) or order.wants("memory")):
            sample = await sample_entry(place, f"sample-{os.getpid()}")
            running = await stack.enter_async_context(opened_peers(_peers_here(results), sample, results.left_out))
        await _rounds(place, running, order, results, deadline)
        if order.wants("stores"):
            fill_lobby(place)
            spent = [await measure_stores(place, f"stores-{turn}-{os.getpid()}") for turn in range(order.runs)]
            for text, unit, field in STORE_ROWS:
                results.add(text, unit, None, [getattr(cost, field) for cost in spent])
            redis_url = place.environ["IDLING_REDIS_URL"]
            shared = [await measure_shared(redis_url, f"shared-{turn}-{os.getpid()}") for turn in range(order.runs)]
            for text, field in SHARED_ROWS:
                results.add(text, "CPU µs", None, [getattr(cost, field) for cost in shared])
        if order.wants("memory"):
            await _memory(place, running, order.connections, results)
        if order.growth:
            await measure_growth(place, results, order.runs, f"growth-{os.getpid()}", announce)
    results.loads.append(os.getloadavg()[0])
    return results


def _peers_here(results: Results) -> list[str]:
    results.left_out += install()
    here: list[str] = []
    for peer in PEERS:
        missing = missing_of(peer)
        if missing is None:
            here.append(peer.name)
        else:
            results.left_out.append(f"{peer.name}: {missing}")
    return here


async def _rounds(place: Place, running: list[RunningPeer], order: Order, results: Results, deadline: float) -> None:
    places = [(PRODUCT, place)]
    if place.other is not None:
        places.append((f"{PRODUCT} of {order.against}", replace(place, a=place.other)))
    wanted = {name: item for name, item in MEASURES.items() if order.wants(name)}
    values: dict[tuple[str, str], list[float]] = {}
    for turn in range(order.runs):
        for name, (_, _, measure) in wanted.items():
            if time.monotonic() > deadline:
                results.left_out.append(
                    f"what comes behind {name} in run {turn + 1}: {order.minutes:g} minutes are over"
                )
                return _add(values, results)
            for number, (server, there) in enumerate(places):
                cost = await measure(there, f"{name}-{turn}-{number}-{os.getpid()}")
                values.setdefault((name, server), []).append(cost)
                announce(f"run {turn + 1} {name}, {server}: {cost:.1f} µs")
            for peer in list(running) if name in COMPARED else ():
                if name == "refused" and peer.peer.asking is None:
                    continue
                try:
                    cost = await COMPARED[name](peer)
                except (OSError, TimeoutError, AssertionError) as error:
                    results.left_out.append(f"{peer.peer.name}, after {name} in run {turn + 1}: {error!r}")
                    running.remove(peer)
                    continue
                values.setdefault((name, peer.peer.name), []).append(cost)
                announce(f"run {turn + 1} {name}, {peer.peer.name}: {cost:.1f} µs")
            results.loads.append(os.getloadavg()[0])
    return _add(values, results)


def _add(values: dict[tuple[str, str], list[float]], results: Results) -> None:
    for (name, server), costs in values.items():
        text, goal, _ = MEASURES[name]
        results.add(text, "CPU µs", goal, costs, server)


async def _memory(place: Place, running: list[RunningPeer], connections: int, results: Results) -> None:
    name = f"memory per idle connection at {connections:,}"
    memory, share = await measure_memory(place, connections)
    results.add(name, "KiB", 8, [memory])
    for peer in running:
        try:
            results.add(name, "KiB", None, [await peer.memory_kib(connections)], peer.peer.name)
        except (OSError, TimeoutError, AssertionError) as error:
            results.left_out.append(f"{peer.peer.name}, memory: {error!r}")
    results.add(f"heartbeats of {connections:,} sockets", "% of a core", 4, [share])


@click.command()
@click.option("--only", multiple=True, help=f"One of {', '.join(MEASURES)}, stores, memory, growth; several times.")
@click.option("--runs", default=5, show_default=True)
@click.option("--connections", default=5000, show_default=True, help="For memory and heartbeats.")
@click.option("--quick", is_flag=True, help="One run and 1,000 connections: for a look.")
@click.option("--peers/--no-peers", default=True, show_default=True, help="Other servers beside it, in .peers/.")
@click.option("--growth", is_flag=True, help="Also from 100 to 10,000 sockets and to a million entries.")
@click.option("--against", type=click.Path(path_type=Path, exists=True), help="Another checkout, measured by turns.")
@click.option("--minutes", default=25.0, show_default=True, help="Begin no further round after this.")
@click.option("--html", "html_path", type=click.Path(path_type=Path), default=REPORT, help="Where the page goes.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures here as well.")
def main(
    only: tuple[str, ...],
    runs: int,
    connections: int,
    quick: bool,
    peers: bool,
    growth: bool,
    against: Path | None,
    minutes: float,
    html_path: Path,
    json_path: Path | None,
) -> None:
    """Measure what the product costs, beside others that do the same work."""
    if quick:
        runs, connections = QUICK_RUNS, QUICK_CONNECTIONS
    growth = growth or "growth" in only
    order = Order(only, runs, connections, peers, growth, against.resolve() if against else None, minutes)
    results = uvloop.run(run(order))
    click.echo("\n\n".join([*tables(results), results.about, *[f"Left out: {words}" for words in results.left_out]]))
    html_path.parent.mkdir(parents=True, exist_ok=True)
    html_path.write_text(page_of(results), encoding="utf-8")
    click.echo(f"\nThe page: {html_path}")
    if json_path is not None:
        json_path.write_bytes(
            orjson.dumps(
                [{"name": r.name, "server": r.server, "unit": r.unit, "values": r.values} for r in results.rows]
            )
        )
