"""`idling-ws serve` as a person starts it: several workers that go with their parent, and servers of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest

from idling_ws.embedded import running_endpoints
from idling_ws.store.server_role import ROLE
from tests.support.crowd import Roamer, check_against_log, gathered, issue_guests
from tests.support.instances import Instance
from tests.support.rows import run_sql
from tests.support.servers import RedisServer, _children_of, free_port
from tests.support.steady import Steady, settled
from tests.support.wire_client import connect, sign_in

COUNT = 2
PATIENCE_S = 240.0


@pytest.mark.parametrize("end", [subprocess.Popen.kill, subprocess.Popen.terminate], ids=["kill -9", "SIGTERM"])
def test_workers_end_with_their_parent(
    database_url: str, redis_url: str, tmp_path: Path, end: Callable[[subprocess.Popen[str]], None]
) -> None:
    """Also when it could not tell them: their standard input ends."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("IDLING_")},
        "IDLING_DATABASE_URL": database_url,
        "IDLING_REDIS_URL": redis_url,
        "IDLING_DATA_DIR": str(tmp_path),
        "IDLING_SECRET_KEY": "of this test alone, and of some length",
        "IDLING_LOG_FORMAT": "json",
    }
    parent = subprocess.Popen(
        [sys.executable, "-m", "idling_ws", "serve", "--port", str(free_port()), "--workers", str(COUNT)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert parent.stderr is not None
    try:
        up = 0
        while up < COUNT:
            line = parent.stderr.readline()
            assert line, "it ended before all workers were up"
            up += line.startswith("{") and json.loads(line)["event"].endswith("is up")
        end(parent)
        # All of them hold the other end of this pipe: it ends when the last one has.
        down = parent.stderr.read().count("is down")
    finally:
        parent.send_signal(signal.SIGTERM)
        parent.wait()
        parent.stderr.close()
    assert down == COUNT


class Workers(Instance):
    """One port, and so many processes behind it."""

    def _command(self) -> list[str]:
        return [*super()._command(), "--workers", str(COUNT)]

    def workers(self) -> list[int]:
        """Return the process ids of those that run."""
        return _children_of(self.pid)


@pytest.mark.timeout(300)
async def test_a_worker_that_is_killed_comes_back_and_its_devices_resume(
    pair_url: str, pair_redis: RedisServer
) -> None:
    """Each of them once, under load: nobody begins afresh, nothing is lost or doubled, and all are there again."""
    place = Workers(pair_url, pair_redis.url, MESSAGES_PER_S=10000)
    place.settings["PUBLIC_URL"] = place.url
    with place:
        guests = await asyncio.to_thread(issue_guests, place, 6)
        devices = [Roamer(guest, [place.url], seed=n) for n, guest in enumerate(guests * 2)]
        async with gathered(devices), asyncio.timeout(PATIENCE_S):
            while len(place.logged("is up")) < COUNT:
                await asyncio.sleep(0.05)
            first = place.workers()
            assert len(first) == COUNT
            async with Steady(devices=devices, every_s=0.2) as work:
                for n, pid in enumerate(first, start=1):
                    await asyncio.sleep(0.3)
                    os.kill(pid, signal.SIGKILL)
                    while len(place.logged("is up")) < COUNT + n:
                        await asyncio.sleep(0.05)
            await settled(devices, pair_url)
            assert work.statuses() == {"confirmed"}
            # Every device was on one of the two that were killed.
            assert all(device.closes for device in devices)
            check_against_log(devices, pair_url, repeats=True)
            now = place.workers()
        assert len(now) == COUNT
        assert not {*first} & {*now}
        assert await asyncio.to_thread(place.terminate) == 0


async def is_listening(port: int) -> bool:
    """Tell whether somebody answers there."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def test_what_serves_over_embedded_servers_does_not_own_the_audit_trail(tmp_path: Path) -> None:
    """It works, and whatever would change a row is refused to its role; the command line goes on as the owner."""
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("IDLING_")},
        "IDLING_DATA_DIR": str(tmp_path),
        "IDLING_PORT": str(port),
        "IDLING_LOG_FORMAT": "json",
    }
    words = [sys.executable, "-m", "idling_ws"]
    process = await asyncio.create_subprocess_exec(
        *words, "serve", env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        while b"is up" not in (line := await process.stderr.readline()):
            assert line, "it ended before it was up"
        url = f"http://127.0.0.1:{port}"
        async with asyncio.timeout(60):  # it listens a moment after it says so
            while not await is_listening(port):
                await asyncio.sleep(0.02)
        login = await sign_in(url)
        async with await connect(url, login.token) as device:
            assert (await device.mutate("session.start", {"activity": "reading"}))["status"] == "confirmed"
        running = running_endpoints(tmp_path)
        assert running is not None
        sql = "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"
        with contextlib.closing(psycopg2.connect(running.database_url)) as owner, owner.cursor() as cursor:
            cursor.execute(sql, (owner.info.backend_pid,))
            assert cursor.fetchall() == [(ROLE,)]
        served = running.database_url.replace("//idling@", f"//{ROLE}@")
        for statement in ("UPDATE audit_log SET actor = 'x'", "ALTER TABLE audit_log DISABLE TRIGGER ALL"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                run_sql(served, statement)
        grant = await asyncio.create_subprocess_exec(
            *words, "user", "grant", "--user", str(login.user_id), "--role", "admin", env=environment
        )
        assert await grant.wait() == 0
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()
    assert process.returncode == 0
