"""The load test and its checker against the product itself: two instances, and trouble while it runs."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import orjson
from click.testing import CliRunner

from idling_ws.proof.cli import main as check_history
from tests.support.instances import Instance, running_instances
from tests.support.servers import RedisServer

SCRIPT = Path(__file__).parents[2] / "scripts" / "load_test.py"
PATIENCE_S = 240.0
DEVICES = 36


async def _until_said(process: asyncio.subprocess.Process, words: str) -> None:
    assert process.stdout is not None
    said = b""
    while line := await process.stdout.readline():
        said += line
        if words in line.decode():
            return
    raise AssertionError(f"it ended without saying {words!r}: {said.decode()}")


def _make_trouble(instances: list[Instance], redis_server: RedisServer) -> None:
    """Kill one instance and drain the other, each while its neighbour serves; take Redis away in three ways."""
    first, second = instances
    first.kill()
    first.start()
    redis_server.flush()
    for _ in range(3):
        redis_server.cut_subscribers()
    assert second.terminate() == 0
    second.start()
    redis_server.kill()
    redis_server.start()


async def test_nothing_is_lost_doubled_or_reordered_in_trouble(migrated_url: str, tmp_path: Path) -> None:
    """Over all transports, with every mutation repeated; the history and the database agree."""
    history, report = tmp_path / "h.jsonl", tmp_path / "r.json"
    with (
        RedisServer() as redis_server,
        running_instances(migrated_url, redis_server.url, MESSAGES_PER_S=1000) as instances,
    ):
        run = await asyncio.create_subprocess_exec(
            sys.executable, str(SCRIPT),
            "--url", ",".join(instance.url for instance in instances),
            "--users", "12", "--devices", "3", "--transport", "ws,sse,poll", "--scenario", "repeat",
            "--rate", "25", "--duration", "3600", "--faults", "client-cut,client-freeze", "--fault-longest", "2",
            "--history", str(history), "--json", str(report),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            async with asyncio.timeout(PATIENCE_S):
                await _until_said(run, f"{DEVICES}/{DEVICES} connected")
                await asyncio.to_thread(_make_trouble, instances, redis_server)
                run.send_signal(signal.SIGINT)
                output, _ = await run.communicate()
        finally:
            if run.returncode is None:
                run.kill()
                await run.wait()
        assert run.returncode == 0, output.decode()
    metrics = orjson.loads(report.read_bytes())["metrics"]
    assert metrics["unsettled"] == 0
    assert metrics["resumed"] > 0
    # All began afresh once; nobody had to again.
    assert metrics["fresh"] == DEVICES
    result = CliRunner().invoke(check_history, [str(history), "--database-url", migrated_url])
    assert result.exit_code == 0, result.output
    assert f"{DEVICES}  devices brought to the end of their streams" in result.output
    assert f"{DEVICES}  final states equal to a fresh snapshot" in result.output
    assert "not tried" not in result.output
