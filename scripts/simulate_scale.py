"""How many people fit, and what breaks first: prints the tables of docs/scaling.md.

    .venv/bin/python scripts/simulate_scale.py

The model, with what is assumed in it, is ``scale_model``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.scale_model import (
    KEPT_DAYS,
    LIMITS,
    PEOPLE_PER_PARTITION,
    SCALES,
    Costs,
    Need,
    breaks_at,
    come_back,
    hottest,
    read_costs,
)


def costs_table(costs: Costs) -> str:
    """Return what was measured, as it is used here."""
    return _table(
        ("what", "cost"),
        [
            ("a connection, memory", f"{costs.socket_bytes / 1024:.1f} KiB"),
            ("a connection, its heartbeats", f"{costs.heartbeat_share * 1e6:.1f} µs of a core each second"),
            ("a connection, made anew", f"{costs.connect_s * 1e6:,.0f} µs"),
            ("a delivery from another instance", f"{costs.remote_delivery_s * 1e6:.0f} µs"),
            ("a mutation, our process", f"{costs.change_s * 1e6:.0f} µs"),
            ("a mutation, PostgreSQL", f"{costs.postgres_change_s * 1e6:.0f} µs, {costs.log_bytes:,.0f} bytes of log"),
            ("a mutation, Redis", f"{costs.redis_change_s * 1e6:.1f} µs"),
            ("a sign of life, Redis", f"{costs.redis_sign_s * 1e6:.1f} µs"),
            ("a process, Redis: the lobby, the instances", f"{costs.redis_second_s * 1e6:.0f} µs each second"),
            ("a mutation, kept", f"{costs.kept_bytes:,.0f} bytes"),
            ("a sign of life, PostgreSQL", f"{costs.sign_s * 1e6:.1f} µs"),
            ("a look at the lobby, PostgreSQL", f"{costs.lobby_s * 1e6:.2f} µs for each person in it"),
        ],
    )


def needs_table(costs: Costs) -> str:
    """Return what each scale needs."""
    needs = [Need(people, costs) for people in SCALES]
    rows: list[tuple[str, Callable[[Need], str]]] = [
        ("sockets", lambda need: f"{need.sockets:,.0f}"),
        ("changes a second", lambda need: f"{need.changes_per_s:,.0f}"),
        ("cores our processes keep busy", lambda need: f"{need.process_cores:,.1f}"),
        ("processes", lambda need: f"{need.processes:,}"),
        ("memory of the sockets, GiB", lambda need: f"{need.memory_gib:,.1f}"),
        ("PostgreSQL cores: changes, signs of life", lambda need: f"{need.postgres_cores:,.1f}"),
        ("one look at the lobby, s", lambda need: f"{need.look_s:,.2f}"),
        ("connections to the primary, no pooler", lambda need: f"{need.connections:,.0f}"),
        ("log, MiB/s", lambda need: f"{need.log_mib_per_s:,.1f}"),
        (f"entries and audit of {KEPT_DAYS} days, GiB", lambda need: f"{need.kept_gib:,.0f}"),
        ("Redis cores", lambda need: f"{need.redis_cores:,.2f}"),
    ]
    return _table(
        ("people at once", *[f"{people:,}" for people in SCALES]),
        [(name, *[show(need) for need in needs]) for name, show in rows],
    )


def limits_table(costs: Costs) -> str:
    """Return what breaks first."""
    found = sorted((breaks_at(amount, limit, costs), name, words) for name, words, amount, limit in LIMITS)
    return _table(
        ("what", "its limit", "reached at, people"),
        [(name, words, f"{_rounded(people):,}") for people, name, words in found],
    )


def partitions_table(costs: Costs) -> str:
    """Return how many partitions, and how even they are."""
    rows = []
    for people in SCALES[1:]:
        count = math.ceil(people / PEOPLE_PER_PARTITION)
        need = Need(people / count, costs)
        factor = hottest(count)
        rows.append(
            (
                f"{people:,}",
                str(count),
                f"{factor:.2f}",
                str(need.processes),
                f"{need.postgres_cores * factor:.1f}",
                f"{need.look_s:.2f}",
                f"{need.log_mib_per_s * factor:.0f}",
                f"{need.redis_cores * factor:.2f}",
            )
        )
    head = ("people", "partitions", "busiest by average", "processes each")
    return _table((*head, "PostgreSQL cores", "a look at the lobby, s", "log, MiB/s", "Redis cores"), rows)


def return_table(costs: Costs) -> str:
    """Return what the death of a process does to the others."""
    rows = [
        (
            f"{people:,}",
            f"{back.processes:,}",
            f"{back.devices:,}",
            f"{back.busiest_s:.1f}",
            f"{back.longest_wait_s:.1f}",
            f"{back.all_back_s:.1f}",
        )
        for people, back in ((people, come_back(Need(people, costs))) for people in SCALES)
    ]
    head = ("people", "processes", "devices that return", "work for the busiest of the others, s")
    return _table((*head, "longest wait, s", "all back after, s"), rows)


def tables(costs: Costs) -> Iterator[str]:
    """Yield every table, in the order of the document."""
    for table in (costs_table, needs_table, limits_table, partitions_table, return_table):
        yield table(costs)


def _rounded(number: float) -> int:
    """Return two digits of a number: what these are good for."""
    digits = math.floor(math.log10(number)) - 1
    return int(round(number / 10**digits) * 10**digits)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return (
        "\n".join("| " + " | ".join(cells) + " |" for cells in lines).replace("| --- ", "|---").replace("--- |", "---|")
    )


def main() -> None:
    """Print every table."""
    print("\n\n".join(tables(read_costs())))


if __name__ == "__main__":
    main()
