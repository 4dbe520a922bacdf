"""The load test over servers of its own: it harms them while it runs, and proves that nothing came of it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from idling_ws.loadtest.cli import main
from idling_ws.loadtest.harm import PLACE_FAULTS

SCRIPT = Path(__file__).parents[2] / "scripts" / "load_test.py"
PATIENCE_S = 280.0
DEVICES = 18


async def load_test(*arguments: str) -> tuple[int, str]:
    """Run the script; return its status and what it said."""
    run = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            output, _ = await run.communicate()
    finally:
        if run.returncode is None:
            run.kill()
            await run.wait()
    assert run.returncode is not None
    return run.returncode, output.decode()


@pytest.mark.timeout(300)
async def test_nothing_is_lost_doubled_or_reordered_in_trouble(tmp_path: Path) -> None:
    """Every fault of the servers once, over all transports, with every mutation repeated; the rows agree."""
    report, page = tmp_path / "r.json", tmp_path / "r.html"
    status, said = await load_test(
        "--users", "6", "--devices", "3", "--transport", "ws,sse,poll", "--scenario", "repeat", "--rate", "15",
        "--duration", "200", "--drain", "120", "--faults", ",".join(PLACE_FAULTS), "--fault-times", "1",
        "--fault-every", "0.1", "--fault-longest", "0.5", "--json", str(report), "--html", str(page),
    )  # fmt: skip
    assert status == 0, said
    summary: dict[str, Any] = orjson.loads(report.read_bytes())
    metrics = summary["metrics"]
    assert {injury["name"] for injury in summary["injuries"]} == PLACE_FAULTS.keys()
    assert all(injury["normal_after_s"] is not None for injury in summary["injuries"])
    assert set(summary["proof"]["promises"].values()) == {"held"}
    assert metrics["unsettled"] == 0
    assert metrics["resumed"] > 0
    # All began afresh once; nobody had to again.
    assert metrics["fresh"] == DEVICES
    assert f"{DEVICES}  devices brought to the end of their streams" in said
    assert f"{DEVICES}  final states equal to a fresh snapshot" in said
    assert "<td>redis-kill</td>" in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ("--faults", "client-cut,redis-kill"),
            "redis-kill cannot be done to servers that are not",
        ),
        (("--instances", "2"), "leave out --url"),
        (("--fault-times", "2"), "leave out --url"),
        (("--folder", "place"), "leave out --url"),
    ],
)
def test_what_cannot_be_done_to_others_servers_is_said(arguments: tuple[str, ...], complaint: str) -> None:
    """Before anything begins."""
    result = CliRunner().invoke(main, ["--url", "http://127.0.0.1:1", *arguments])
    assert result.exit_code == 2
    assert complaint in " ".join(result.output.split())
