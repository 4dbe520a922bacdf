"""The command line of the matrix: ``scripts/chaos.py``, or ``make chaos``.

Exit codes: 0 every promise held through every fault, 1 one did not or was not tried, 2 the
servers could not be started.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click
import uvloop
from rich.console import Console

from idling_ws.client.ladder import ALL_TRANSPORTS
from idling_ws.loadtest.accounts import AccountsError
from idling_ws.loadtest.cli import commas
from idling_ws.loadtest.matrix import FULL, LARGE, SMALL, Matrix, chosen
from idling_ws.loadtest.options import Options
from idling_ws.loadtest.own_instance import PlaceError
from idling_ws.loadtest.workers import WorkerError
from idling_ws.proof.reading import UnusableError

WITHIN_S = 480.0
LARGE_WITHIN_S = 5400.0
BROKEN = 1
UNUSABLE = 2


@click.command()
@click.option(
    "--faults",
    default="",
    callback=commas(tuple(trial.fault for trial in FULL)),
    help="Only these, with commas between; all without it.",
)
@click.option("--small", is_flag=True, help="Each fault once or twice, and short.")
@click.option("--large", is_flag=True, help="Each fault as often and as long as it should ever be: about an hour.")
@click.option("--users", default=30, show_default=True, type=click.IntRange(1))
@click.option("--devices", default=2, show_default=True, type=click.IntRange(1))
@click.option("--rate", default=120.0, show_default=True, type=click.FloatRange(0.01, 1_000_000), help="Mutations/s.")
@click.option("--instances", default=2, show_default=True, type=click.IntRange(1, 16))
@click.option(
    "--transport",
    "transports",
    default=",".join(ALL_TRANSPORTS),
    show_default=True,
    callback=commas(ALL_TRANSPORTS),
    help="Dealt out to the devices in turn.",
)
@click.option(
    "--within",
    "within_s",
    type=click.FloatRange(1),
    help=f"Begin none after so many seconds.  [default: {WITHIN_S:.0f}, with --large {LARGE_WITHIN_S:.0f}]",
)
@click.option("--seed", default=0, show_default=True, help="Makes the same choices again.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Keep data, logs and histories here.")
def main(
    faults: tuple[str, ...],
    *,
    small: bool,
    large: bool,
    users: int,
    devices: int,
    rate: float,
    instances: int,
    transports: tuple[str, ...],
    within_s: float | None,
    seed: int,
    folder: Path | None,
) -> None:
    """Kill, freeze and cut everything, each in a run of its own under load, and check what the devices saw."""
    if small and large:
        raise click.BadParameter("it is either --small or --large")
    trials = chosen(faults, SMALL if small else LARGE if large else FULL)
    # Wide enough for the table also where nobody looks at a terminal.
    console = Console() if sys.stdout.isatty() else Console(width=180)
    options = Options(urls=(), users=users, devices=devices, rate=rate, transports=transports, seed=seed)
    matrix = Matrix(options, instances, console, folder)
    began = time.monotonic()
    try:
        held = uvloop.run(matrix.run(trials, within_s or (LARGE_WITHIN_S if large else WITHIN_S)))
    except (AccountsError, WorkerError, PlaceError, UnusableError, OSError) as error:
        click.echo(f"chaos: {error}", err=True)
        sys.exit(UNUSABLE)
    console.print(matrix.table())
    console.print(f"{len(matrix.outcomes)} faults in {time.monotonic() - began:.0f} s", highlight=False)
    sys.exit(0 if held else BROKEN)
