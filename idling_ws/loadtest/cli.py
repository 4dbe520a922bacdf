"""The command line of the load test: ``scripts/load_test.py --url http://127.0.0.1:8080``.

Exit codes: 0 as it should be, 1 a threshold was crossed or devices were left behind, 2 the
run could not begin. Ctrl-C ends the traffic and still writes every report; a second
one ends at once.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import uvloop
from rich.console import Console

from idling_ws.client.ladder import ALL_TRANSPORTS
from idling_ws.loadtest.accounts import Account, AccountsError, make_guests, read_tokens
from idling_ws.loadtest.faults import FAULTS
from idling_ws.loadtest.live import View
from idling_ws.loadtest.measures import Sample, Totals
from idling_ws.loadtest.options import Options, history_of
from idling_ws.loadtest.report import write_html, write_json
from idling_ws.loadtest.scenarios import SCENARIOS
from idling_ws.loadtest.summary import ALWAYS, metric_names, metrics_of, summary_of
from idling_ws.loadtest.thresholds import Threshold
from idling_ws.loadtest.workers import WorkerError, Workers

# What a click option makes of the command below it.
Option = Callable[[Callable[..., None]], Callable[..., None]]

CROSSED = 1
UNUSABLE = 2


def _commas(known: tuple[str, ...] | None) -> Any:
    """Return a click callback that splits at commas and holds each part against ``known``."""

    def split(_context: click.Context, _option: click.Parameter, value: tuple[str, ...] | str) -> tuple[str, ...]:
        texts = (value,) if isinstance(value, str) else value
        parts = tuple(part.strip() for text in texts for part in text.split(",") if part.strip())
        unknown = [part for part in parts if known is not None and part not in known]
        if unknown:
            raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(known or ())}")
        return parts

    return split


def _thresholds(_context: click.Context, _option: click.Parameter, value: tuple[str, ...]) -> list[Threshold]:
    try:
        return [Threshold.parse(text, metric_names()) for text in value]
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _table(rows: dict[str, Any]) -> str:
    return "; ".join(f"{name}: {row.summary}" for name, row in rows.items())


def _seconds(name: str, default: float, words: str, *, least: float, most: float | None = None) -> Option:
    """Return a length of time: the option ``--name``, handed over as ``name_s``."""
    kind = click.FloatRange(least, most)
    parameter = f"{name.replace('-', '_')}_s"
    return click.option(f"--{name}", parameter, default=default, show_default=True, type=kind, help=words)


@click.command()
@click.option(
    "--url",
    "urls",
    multiple=True,
    required=True,
    callback=_commas(None),
    help="Base URL of an instance; several, or several times.",
)
@click.option("--users", default=20, show_default=True, type=click.IntRange(1))
@click.option("--devices", default=2, show_default=True, type=click.IntRange(1), help="Devices of each user.")
@_seconds("duration", 30.0, "Seconds of traffic at most.", least=0.1, most=86_400)
@click.option(
    "--rate",
    default=50.0,
    show_default=True,
    type=click.FloatRange(0.01, 1_000_000),
    help="Mutations a second, over all devices.",
)
@click.option("--in-flight", type=click.IntRange(1, 64), help="Instead of a rate: each device keeps so many pending.")
@click.option("--mutations", type=click.IntRange(1), help="End after so many mutations.")
@click.option(
    "--scenario", default="mixed", show_default=True, type=click.Choice(tuple(SCENARIOS)), help=_table(SCENARIOS)
)
@click.option(
    "--transport",
    "transports",
    default="ws",
    show_default=True,
    callback=_commas(ALL_TRANSPORTS),
    help="ws, sse, poll: several are dealt out in turn.",
)
@click.option("--faults", default="", callback=_commas(tuple(FAULTS)), help=_table(FAULTS))
@_seconds("fault-every", 1.0, "Seconds between faults of one kind.", least=0.01)
@_seconds("fault-longest", 5.0, "Seconds until a fault heals, at most.", least=0.01)
@_seconds("drain", 60.0, "Seconds to wait at the end until everything has arrived.", least=0.1)
@click.option("--seed", default=0, show_default=True, help="Makes the same choices again.")
@click.option(
    "--tokens",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON lines of `idling-ws token issue --guests N`; without it, guests are made.",
)
@click.option(
    "--history",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Record for check_history.py; with several processes one file each.",
)
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1, 64))
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a report for people.")
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write a report for machines."
)
@click.option(
    "--fail-if",
    "thresholds",
    multiple=True,
    callback=_thresholds,
    help='Exit 1 if so: "confirm_p99_ms>250". May be given several times.',
)
def main(
    tokens: Path | None, html: Path | None, json_path: Path | None, thresholds: list[Threshold], **settings: Any
) -> None:
    """Drive a running server with many devices, measure it, and record what they saw."""
    options = Options(**settings)
    if options.processes > options.users:
        raise click.BadParameter("there are fewer users than processes", param_hint="--processes")
    console = Console()
    try:
        summary = uvloop.run(Session(options, tokens, thresholds, console).run())
    except (AccountsError, WorkerError, OSError) as error:
        click.echo(f"load test: {error}", err=True)
        sys.exit(UNUSABLE)
    if html is not None:
        write_html(html, summary)
    if json_path is not None:
        write_json(json_path, summary)
    _conclude(console, options, summary)
    sys.exit(CROSSED if any(threshold["crossed"] for threshold in summary["thresholds"]) else 0)


class Session:
    """A run as the command line sees it: from the first account to the summary."""

    def __init__(self, options: Options, tokens: Path | None, thresholds: list[Threshold], console: Console) -> None:
        self._options = options
        self._tokens = tokens
        self._thresholds = [*thresholds, *ALWAYS]
        self._console = console
        self._totals = Totals()
        self._view = View(console, options)
        self._began = time.monotonic()
        self._connected = 0
        self._interrupted = False

    async def run(self) -> dict[str, Any]:
        """Run, and return the summary."""
        started_at = time.time()
        workers = Workers(self._options, await self._accounts(), self._receive)
        loop = asyncio.get_running_loop()

        def interrupt() -> None:
            self._interrupted = True
            workers.stop()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupt)
        self._began = time.monotonic()
        with self._view:
            await workers.run()
        metrics = metrics_of(self._totals, self._options, self._connected)
        return summary_of(
            self._totals,
            self._options,
            metrics,
            self._thresholds,
            started_at=started_at,
            interrupted=self._interrupted,
        )

    async def _accounts(self) -> list[Account]:
        if self._tokens is not None:
            return read_tokens(self._tokens, self._options.users)
        return await make_guests(self._options.urls, self._options.users)

    def _receive(self, process: int, phase: str, sample: Sample) -> None:
        self._totals.take(process, sample)
        self._connected = max(self._connected, self._totals.connected)
        # The first process keeps the time for all.
        if process == 0:
            tick = self._totals.tick(time.monotonic() - self._began)
            self._view.show(phase, tick, self._totals)


def _conclude(console: Console, options: Options, summary: dict[str, Any]) -> None:
    metrics = summary["metrics"]
    console.print(
        f"{metrics['settled']:,.0f} mutations in {metrics['duration_s']:.1f} s"
        f" ({metrics['mutations_per_s']:,.1f}/s), {metrics['entries']:,.0f} entries,"
        f" confirm p50 {metrics['confirm_p50_ms']:.1f} p95 {metrics['confirm_p95_ms']:.1f}"
        f" p99 {metrics['confirm_p99_ms']:.1f} max {metrics['confirm_max_ms']:.1f} ms,"
        f" {metrics['errors']:.0f} errors, {metrics['unsettled']:.0f} without a verdict",
        soft_wrap=True,
        highlight=False,
    )
    for threshold in summary["thresholds"]:
        if threshold["crossed"]:
            console.print(f"crossed: {threshold['text']} (it is {threshold['value']:g})", style="red")
    if options.history is not None:
        files = " ".join(
            str(history_of(options.history, index, options.processes)) for index in range(options.processes)
        )
        console.print(f"check with: scripts/check_history.py {files}", soft_wrap=True, highlight=False)
