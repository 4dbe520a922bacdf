#!/usr/bin/env python3
"""Let Autobahn's test suite fuzz the very sockets that devices hang on, behind an ear that sends back what it hears.

The suite (https://github.com/crossbario/autobahn-testsuite) needs a Python 2.7, and is installed beside it:

    python2.7 -m pip install --target autobahn autobahntestsuite
    .venv/bin/python scripts/autobahn.py --python2 python2.7 --packages autobahn

Exit codes: 0 no case failed, 1 some did, 2 the suite did not run.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

import click
import uvloop
from aiohttp import WSMsgType, web

from idling_ws.edge import line
from idling_ws.wire.frames import SUBPROTOCOL
from idling_ws.wire.websocket import frame, text_frame

# Sections 12 and 13 are about compression, which is not offered.
SECTIONS = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*")
# Larger than a device may send, as large as section 9 does.
MAX_BYTES = 17 << 20
BINARY = 0x2
AGENT = "idling_ws"
# Some of its packages share a namespace, which only a folder of the site can have.
RUN = "import os, site; site.addsitedir(os.environ.pop('PACKAGES')); from autobahntestsuite.wstest import run; run()"
FAILED = frozenset({"FAILED", "WRONG CODE", "UNCLEAN", "FAILED BY CLIENT"})
BROKEN = 1
UNUSABLE = 2


class Echo:
    """An ear that says what it hears."""

    def __init__(self) -> None:
        self.line: line.DirectLine

    def heard(self, text: str) -> None:
        """Send it back."""
        self.line.write(text_frame(text.encode()))

    def counted(self, idle_frames: int) -> bool:
        """Let everybody send as many as they like: limits are a matter of devices."""
        return True

    def blocked(self) -> None:
        """Nothing: what is echoed may pile up."""

    def unblocked(self) -> None:
        """Nothing."""

    def ended(self, code: int) -> None:
        """Nothing: it holds nothing."""


class EchoLine(line.DirectLine):
    """A line that takes binary messages as well, for the suite sends them; devices' are refused with 1003."""

    def on_message(self, message: Any) -> None:
        """Send a binary message back, and take all else as ever."""
        if message[0] is WSMsgType.BINARY and self._close_code is None:
            self.write(frame(BINARY, message[1]))
        else:
            super().on_message(message)


async def _open(request: web.Request) -> web.Response:
    ear = Echo()
    ear.line = line.open_direct(request, ear, line.accept_key(request), MAX_BYTES)
    return web.Response()


async def _fuzz(python2: str, packages: Path, folder: Path, cases: tuple[str, ...]) -> dict[str, Any]:
    """Serve, let the suite run, and return its index: for each case what it says. Raises ``OSError``."""
    app = web.Application()
    app.router.add_get("/", _open)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        server = {"agent": AGENT, "url": f"ws://127.0.0.1:{port}/", "protocols": [SUBPROTOCOL]}
        spec = folder / "fuzzingclient.json"
        spec.write_text(
            json.dumps({"outdir": str(folder), "servers": [server], "cases": list(cases), "exclude-cases": []})
        )
        suite = await asyncio.create_subprocess_exec(
            *(python2, "-c", RUN, "-m", "fuzzingclient", "-s", str(spec)),
            env={**os.environ, "PACKAGES": str(packages.resolve())},
            stdout=sys.stderr,
        )
        try:
            await suite.wait()
        finally:
            if suite.returncode is None:
                suite.kill()
                await suite.wait()
    finally:
        await runner.cleanup()
    found: dict[str, Any] = json.loads((folder / "index.json").read_text())[AGENT]
    return found


@click.command()
@click.option("--python2", default="python2.7", show_default=True, help="A Python 2.7.")
@click.option(
    "--packages",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where the suite was installed.",
)
@click.option("--case", "cases", multiple=True, help="Only these, like 7.9.*; all but compression without it.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Keep the suite's pages here.")
def main(python2: str, packages: Path, cases: tuple[str, ...], folder: Path | None) -> None:
    """Let Autobahn's fuzzing client try the sockets, and say what failed."""
    with tempfile.TemporaryDirectory() as temporary, mock.patch.object(line, "DirectLine", EchoLine):
        kept = (folder or Path(temporary)).resolve()
        kept.mkdir(parents=True, exist_ok=True)
        try:
            found = uvloop.run(_fuzz(python2, packages, kept, cases or SECTIONS))
        except (OSError, KeyError, ValueError) as error:
            click.echo(f"autobahn: the suite did not run: {error}", err=True)
            sys.exit(UNUSABLE)
    failed = {
        name: case
        for name, case in sorted(found.items())
        if case["behavior"] in FAILED or case["behaviorClose"] in FAILED
    }
    for name, case in failed.items():
        click.echo(f"{name}: {case['behavior']}, closed {case['behaviorClose']}")
    counts = Counter(case["behavior"] for case in found.values())
    click.echo(f"{len(found)} cases: " + ", ".join(f"{number} {name}" for name, number in sorted(counts.items())))
    sys.exit(BROKEN if failed else 0)


if __name__ == "__main__":
    main()
