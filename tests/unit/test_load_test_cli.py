"""The load test as people run it: a process, its output, its files, its exit code, and Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from click.testing import CliRunner

from idling_ws.loadtest.cli import main
from idling_ws.proof.cli import main as check_history
from tests.support.memory_server import MemoryServer

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "load_test.py"
PATIENCE_S = 120.0


@pytest_asyncio.fixture
async def server() -> AsyncIterator[MemoryServer]:
    """A server in memory."""
    made = MemoryServer()
    yield made
    await made.close()


async def start(*arguments: str, own_group: bool = False) -> asyncio.subprocess.Process:
    """Start the script as its documentation says."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(SCRIPT),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=own_group,
    )


async def end(process: asyncio.subprocess.Process) -> tuple[int, str]:
    """Wait for the end; return exit code and output. Nothing that hangs is left behind."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def until_said(process: asyncio.subprocess.Process, words: str) -> None:
    """Wait for a line with these words."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        while line := await process.stdout.readline():
            if words in line.decode():
                return
    raise AssertionError(f"it ended without saying {words!r}")


def reports(folder: Path) -> tuple[str, ...]:
    """The options that ask for every report there is."""
    return (
        "--html",
        str(folder / "r.html"),
        "--json",
        str(folder / "r.json"),
        "--history",
        str(folder / "h.jsonl"),
    )


def metrics_in(folder: Path) -> dict[str, Any]:
    """Read the metrics back."""
    metrics: dict[str, Any] = orjson.loads((folder / "r.json").read_bytes())["metrics"]
    return metrics


def checked(*files: Path) -> str:
    """Check histories; they must hold."""
    result = CliRunner().invoke(check_history, [str(file) for file in files])
    assert result.exit_code == 0, result.output
    return result.output


async def test_a_run_measures_reports_and_records(server: MemoryServer, tmp_path: Path) -> None:
    """All three transports, repeats and faults on two instances; the history holds."""
    urls = await server.start(2)
    run = await start(
        "--url", ",".join(urls), "--users", "4", "--devices", "3", "--transport", "ws,sse,poll",
        "--scenario", "repeat", "--mutations", "80", "--rate", "200", "--duration", "30",
        "--faults", "client-cut,client-freeze", "--fault-every", "0.05", "--fault-longest", "0.2",
        "--fail-if", "confirm_max_ms>60000", *reports(tmp_path),
    )  # fmt: skip
    code, output = await end(run)
    assert code == 0, output
    metrics = metrics_in(tmp_path)
    assert metrics["unsettled"] == 0
    assert metrics["settled"] == metrics["mutations"]
    assert metrics["fault.client-cut"] > 0
    assert metrics["confirm_p50_ms"] > 0
    assert "<svg" in (tmp_path / "r.html").read_text()
    output = checked(tmp_path / "h.jsonl")
    assert "12  devices brought to the end of their streams" in output
    assert "12  final states equal to a fresh snapshot" in output


async def test_several_processes_make_one_run(server: MemoryServer, tmp_path: Path) -> None:
    """Each plays its users and writes its own history; together they are checked as one."""
    (url,) = await server.start()
    run = await start(
        "--url", url, "--users", "3", "--processes", "2", "--mutations", "40", "--rate", "100",
        *reports(tmp_path),
    )  # fmt: skip
    code, output = await end(run)
    assert code == 0, output
    assert metrics_in(tmp_path)["settled"] >= 40
    assert "6  devices brought" in checked(tmp_path / "h.0.jsonl", tmp_path / "h.1.jsonl")


async def test_a_crossed_threshold_fails_the_run(server: MemoryServer, tmp_path: Path) -> None:
    """Exit code 1, and it says which; the reports are written all the same."""
    (url,) = await server.start()
    run = await start(
        "--url", url, "--users", "1", "--mutations", "5", "--fail-if", "settled>=5",
        "--fail-if", "errors>0", *reports(tmp_path),
    )  # fmt: skip
    code, output = await end(run)
    assert code == 1, output
    assert "crossed: settled>=5" in output
    assert "errors>0" not in output
    assert '<td class="crossed">crossed</td>' in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize("processes", ["1", "2"])
async def test_ctrl_c_ends_in_good_order(processes: str, server: MemoryServer, tmp_path: Path) -> None:
    """The traffic stops, everything arrives, every report is there, and the history holds."""
    (url,) = await server.start()
    run = await start(
        "--url", url, "--users", "2", "--duration", "3600", "--rate", "50", "--processes", processes,
        *reports(tmp_path),
    )  # fmt: skip
    await until_said(run, "running")
    run.send_signal(signal.SIGINT)
    code, output = await end(run)
    assert code == 0, output
    assert orjson.loads((tmp_path / "r.json").read_bytes())["interrupted"] is True
    assert "ended early" in (tmp_path / "r.html").read_text()
    output = checked(*sorted(tmp_path.glob("h*.jsonl")))
    assert "4  devices brought to the end of their streams" in output


async def test_ctrl_c_of_a_terminal_reaches_the_parent_alone(server: MemoryServer, tmp_path: Path) -> None:
    """A terminal signals the whole group; the children still come to a good end."""
    (url,) = await server.start()
    run = await start(
        "--url", url, "--users", "2", "--duration", "3600", "--rate", "50", "--processes", "2",
        *reports(tmp_path), own_group=True,
    )  # fmt: skip
    await until_said(run, "running")
    os.killpg(run.pid, signal.SIGINT)
    code, output = await end(run)
    assert code == 0, output
    assert "4  devices brought to the end of their streams" in checked(*sorted(tmp_path.glob("h*.jsonl")))


async def test_a_second_ctrl_c_does_not_wait(server: MemoryServer, tmp_path: Path) -> None:
    """The server hangs, so the drain would; the history is whole, and says what is not proven."""
    (url,) = await server.start()
    run = await start(
        "--url", url, "--users", "1", "--duration", "3600", "--rate", "50", "--drain", "3600",
        *reports(tmp_path),
    )  # fmt: skip
    await until_said(run, "running")
    server.switches.unavailable = refusals = 1_000_000
    async with asyncio.timeout(PATIENCE_S):
        while server.switches.unavailable == refusals:
            await server.seen.wait()
    run.send_signal(signal.SIGINT)
    await until_said(run, "draining")
    run.send_signal(signal.SIGINT)
    code, output = await end(run)
    assert code == 0, output
    assert "2  devices that were not brought to the end" in checked(tmp_path / "h.jsonl")


async def test_a_server_out_of_reach_is_no_result(tmp_path: Path) -> None:
    """Exit code 2: nothing was measured."""
    run = await start("--url", "http://127.0.0.1:1", *reports(tmp_path))
    code, output = await end(run)
    assert code == 2
    assert "http://127.0.0.1:1" in output
    assert not (tmp_path / "r.json").exists()


async def test_devices_that_cannot_connect_fail_the_run(server: MemoryServer, tmp_path: Path) -> None:
    """A green run over nobody would be a lie."""
    (url,) = await server.start()
    tokens = tmp_path / "tokens.jsonl"
    tokens.write_text('{"user_id": 1, "access_token": "nonsense"}\n')
    run = await start("--url", url, "--users", "1", "--tokens", str(tokens), *reports(tmp_path))
    code, output = await end(run)
    assert code == 1, output
    assert "crossed: connect_failed>0 (it is 2)" in output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--fail-if", "nonsense"], "is not of the form"),
        (["--fail-if", "nonsense>1"], "there is no metric 'nonsense'; there are"),
        (["--faults", "client-cut,meteor"], "'meteor' is none of client-cut, client-freeze"),
        (["--transport", "pigeon"], "'pigeon' is none of ws, sse, poll"),
        (["--scenario", "party"], "'party' is not one of"),
        (["--users", "0"], "0 is not in the range"),
        (["--users", "1", "--processes", "2"], "fewer users than processes"),
        (["--tokens", "/nonexistent"], "does not exist"),
    ],
)
def test_what_cannot_be_understood_is_refused_before_anything_begins(arguments: list[str], complaint: str) -> None:
    """With a word on what would be right."""
    result = CliRunner().invoke(main, ["--url", "http://127.0.0.1:1", *arguments])
    assert result.exit_code == 2
    assert complaint in result.output
