"""The live view: a table that is redrawn each second on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from idling_ws.loadtest.measures import Tick, Totals, percentiles_ms
from idling_ws.loadtest.options import Options

PLAIN_EVERY_S = 5.0
MOST_CODES = 8


class View:
    """Shows how a run goes. Use as a context manager."""

    def __init__(self, console: Console, options: Options) -> None:
        self._console = console
        self._options = options
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._plain_at = 0.0
        self._phase = ""

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, traceback)

    def show(self, phase: str, tick: Tick, totals: Totals) -> None:
        """Show one second."""
        if self._live is not None:
            self._live.update(self._table(phase, tick, totals), refresh=True)
        elif tick.at_s >= self._plain_at or phase != self._phase:
            self._phase = phase
            self._plain_at = tick.at_s + PLAIN_EVERY_S
            self._console.print(self._line(phase, tick, totals), soft_wrap=True, highlight=False)

    def _line(self, phase: str, tick: Tick, totals: Totals) -> str:
        return (
            f"{tick.at_s:6.0f} s  {phase}: {tick.connected}/{self._devices} connected,"
            f" {tick.mutations_per_s:.0f} mutations/s, {tick.entries_per_s:.0f} entries/s,"
            f" confirm p50 {tick.confirm_p50_ms:.1f} p99 {tick.confirm_p99_ms:.1f} max {tick.confirm_max_ms:.1f} ms,"
            f" {totals.sum_of('errors').total()} errors"
        )

    @property
    def _devices(self) -> int:
        return self._options.users * self._options.devices

    def _table(self, phase: str, tick: Tick, totals: Totals) -> Table:
        table = Table(title=f"{self._options.scenario} · {phase} · {tick.at_s:.0f} s", min_width=60)
        for column in ("", "now", "whole run"):
            table.add_column(column, justify="left" if not column else "right")
        counts = totals.sum_of("counts")
        table.add_row("connected", f"{tick.connected:,}", f"of {self._devices:,}")
        table.add_row("mutations/s", f"{tick.mutations_per_s:,.0f}", f"{counts['settled']:,} settled")
        table.add_row("entries/s", f"{tick.entries_per_s:,.0f}", f"{counts['entries']:,}")
        p50, p95, p99, longest = percentiles_ms(totals.confirm, (50, 95, 99, 100))
        for name, now, whole in (
            ("confirm p50", tick.confirm_p50_ms, p50),
            ("confirm p95", None, p95),
            ("confirm p99", tick.confirm_p99_ms, p99),
            ("confirm max", tick.confirm_max_ms, longest),
            ("other device p99", None, percentiles_ms(totals.deliver, (99,))[0]),
        ):
            table.add_row(name, "" if now is None else f"{now:,.1f} ms", f"{whole:,.1f} ms")
        for name in ("rolled_back", "closes", "resumed", "fresh", "gaps", "held_back"):
            if counts[name]:
                table.add_row(name.replace("_", " "), "", f"{counts[name]:,}")
        for name in ("errors", "closes"):
            for code, number in totals.sum_of(name).most_common(MOST_CODES):
                table.add_row(f"{name[:-1]} {code}", "", f"{number:,}")
        return table
