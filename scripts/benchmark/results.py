"""What came out: rows of figures, as tables in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

PRODUCT = "idling_ws"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result. ``goal`` is what the whole product must reach, None where nothing is set."""

    name: str
    unit: str
    goal: float | None
    values: tuple[float, ...]
    server: str = PRODUCT

    @property
    def median(self) -> float:
        """The middle of all runs."""
        return statistics.median(self.values)


@dataclass(slots=True)
class Results:
    """All rows of a run, with what has to be known to judge them."""

    rows: list[Row] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """What was not measured, and why."""
    loads: list[float] = field(default_factory=list)
    """The machine's load averages, from the first to the last."""

    def add(self, name: str, unit: str, goal: float | None, values: Sequence[float], server: str = PRODUCT) -> None:
        """Keep what was measured; nothing where nothing was."""
        if values:
            self.rows.append(Row(name, unit, goal, tuple(values), server))

    @property
    def compared(self) -> dict[tuple[str, str], dict[str, Row]]:
        """The rows that others were measured for too, by name and unit, then by server."""
        found: dict[tuple[str, str], dict[str, Row]] = {}
        for row in self.rows:
            found.setdefault((row.name, row.unit), {})[row.server] = row
        return {what: by_server for what, by_server in found.items() if len(by_server) > 1}

    @property
    def about(self) -> str:
        """In what the figures were taken."""
        load = f"{min(self.loads):.1f} to {max(self.loads):.1f}" if self.loads else "unknown"
        runs = max((len(row.values) for row in self.rows), default=0)
        return f"Load average meanwhile: {load}. Medians of up to {runs} runs, which took turns."


def tables(results: Results) -> Iterator[str]:
    """Yield the product's own table, and where others were measured the one beside them."""
    lines = ["| what | unit | must reach | median | runs |", "|---|---|---|---|---|"]
    for row in results.rows:
        if row.server == PRODUCT:
            spread = ", ".join(map(shown, row.values))
            goal = "" if row.goal is None else f"{row.goal:g}"
            lines.append(f"| {row.name} | {row.unit} | {goal} | **{shown(row.median)}** | {spread} |")
    yield "\n".join(lines)
    compared = results.compared
    if compared:
        servers = list(dict.fromkeys(server for by_server in compared.values() for server in by_server))
        lines = [f"| what | {' | '.join(servers)} |", "|---" * (len(servers) + 1) + "|"]
        for (name, unit), by_server in compared.items():
            cells = [shown(by_server[server].median) if server in by_server else "" for server in servers]
            lines.append(f"| {name}, {unit} | {' | '.join(cells)} |")
        yield "\n".join(lines)


def shown(value: float) -> str:
    """Return a figure with as many digits as it deserves."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
