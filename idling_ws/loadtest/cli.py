"""The command line of the load test: ``scripts/load_test.py``, with ``--url`` for servers that run already.

Exit codes: 0 as it should be, 1 a threshold was crossed or devices were left behind, 2 the
run could not begin. Ctrl-C ends the traffic and still writes every report; a second
one ends at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import uvloop
from rich.console import Console

from idling_ws.client.ladder import ALL_TRANSPORTS
from idling_ws.loadtest.accounts import AccountsError
from idling_ws.loadtest.faults import FAULTS
from idling_ws.loadtest.harm import PLACE_FAULTS, PROXIED
from idling_ws.loadtest.options import Options, history_of
from idling_ws.loadtest.own_instance import PlaceError
from idling_ws.loadtest.place import own_place
from idling_ws.loadtest.report import write_html, write_json
from idling_ws.loadtest.scenarios import SCENARIOS
from idling_ws.loadtest.session import MOST_VIOLATIONS, Session
from idling_ws.loadtest.summary import metric_names, notes_of
from idling_ws.loadtest.thresholds import Threshold
from idling_ws.loadtest.workers import WorkerError
from idling_ws.proof.cli import print_findings
from idling_ws.proof.reading import UnusableError

# What a click option makes of the command below it.
Option = Callable[[Callable[..., None]], Callable[..., None]]

INSTANCES = 2
CROSSED = 1
UNUSABLE = 2


def commas(known: tuple[str, ...] | None) -> Any:
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
    callback=commas(None),
    help="Base URL of an instance; several, or several times. Without it servers of its own are started.",
)
@click.option(
    "--instances",
    type=click.IntRange(1, 16),
    help=f"Without --url: so many instances over PostgreSQL and Redis of its own.  [default: {INSTANCES}]",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Without --url: where these keep data, logs and history, and leave them.",
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
    callback=commas(ALL_TRANSPORTS),
    help="ws, sse, poll: several are dealt out in turn.",
)
@click.option(
    "--faults", default="", callback=commas((*FAULTS, *PLACE_FAULTS)), help=_table({**FAULTS, **PLACE_FAULTS})
)
@_seconds("fault-every", 1.0, "Seconds between faults of one kind.", least=0.01)
@_seconds("fault-longest", 5.0, "Seconds until a fault heals, at most.", least=0.01)
@click.option(
    "--fault-shortest",
    "fault_shortest_s",
    type=click.FloatRange(0.01),
    help="Seconds until a fault of the servers heals, at least.  [default: half of --fault-longest]",
)
@click.option("--fault-times", type=click.IntRange(1), help="End when each fault of the servers happened so often.")
@click.option("--soak", is_flag=True, help="Read memory, tasks and open files, and fail when they grow.")
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
    tokens: Path | None,
    html: Path | None,
    json_path: Path | None,
    thresholds: list[Threshold],
    instances: int | None,
    folder: Path | None,
    **settings: Any,
) -> None:
    """Drive servers with many devices, measure them, record what the devices saw, and do harm where asked to.

    Without --url it starts PostgreSQL, Redis and instances, and at the end holds the history
    against the protocol's promises and the rows of the database.
    """
    options = Options(**settings)
    if options.processes > options.users:
        raise click.BadParameter("there are fewer users than processes", param_hint="--processes")
    _refuse_what_needs_own_servers(options, instances, folder)
    console = Console()
    try:
        if options.urls:
            session = Session(options, tokens, thresholds, console)
            summary = uvloop.run(session.run())
        else:
            summary = uvloop.run(_run_own(options, tokens, thresholds, console, instances or INSTANCES, folder))
    except (AccountsError, WorkerError, PlaceError, UnusableError, OSError) as error:
        click.echo(f"load test: {error}", err=True)
        sys.exit(UNUSABLE)
    if html is not None:
        write_html(html, summary)
    if json_path is not None:
        write_json(json_path, summary)
    _conclude(console, options, summary)
    sys.exit(CROSSED if any(threshold["crossed"] for threshold in summary["thresholds"]) else 0)


def _refuse_what_needs_own_servers(options: Options, instances: int | None, folder: Path | None) -> None:
    """Raise ``BadParameter`` for what cannot be done to servers that others have started."""
    if not options.urls:
        return
    harmful = [name for name in options.faults if name in PLACE_FAULTS]
    if harmful:
        raise click.BadParameter(
            f"{', '.join(harmful)} cannot be done to servers that are not the load test's own, "
            "for it must know their processes: leave out --url, and it starts some",
            param_hint="--faults",
        )
    for name, value in (("--instances", instances), ("--folder", folder), ("--fault-times", options.fault_times)):
        if value is not None:
            raise click.BadParameter("this is for servers of its own: leave out --url", param_hint=name)


async def _run_own(
    options: Options,
    tokens: Path | None,
    thresholds: list[Threshold],
    console: Console,
    instances: int,
    folder: Path | None,
) -> dict[str, Any]:
    """Run over a place of our own, and print what the checker found. Raises ``PlaceError`` and what a session does."""
    if tokens is not None:
        raise click.BadParameter("tokens of others are not good at servers of its own", param_hint="--tokens")
    with_proxies = any(name in PROXIED for name in options.faults)
    async with own_place(folder, instances, with_proxies=with_proxies) as place:
        history = options.history or place.folder / "history.jsonl"
        session = Session(replace(options, urls=place.urls, history=history), tokens, thresholds, console, place)
        summary = await session.run()
        if session.checker is not None:
            print_findings(session.checker, MOST_VIOLATIONS, with_rows=True)
    return summary


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
    for words in notes_of(summary):
        console.print(words, soft_wrap=True, highlight=False)
    for threshold in summary["thresholds"]:
        if threshold["crossed"]:
            console.print(f"crossed: {threshold['text']} (it is {threshold['value']:g})", style="red")
    if options.history is not None and "proof" not in summary:
        files = " ".join(
            str(history_of(options.history, index, options.processes)) for index in range(options.processes)
        )
        console.print(f"check with: scripts/check_history.py {files}", soft_wrap=True, highlight=False)
