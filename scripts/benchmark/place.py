"""What is measured: two instances over servers of their own, A on one core and all else on the other."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import psycopg2

from idling_ws.embedded import EmbeddedServers
from scripts.benchmark.device import Device

ROOT = Path(__file__).resolve().parents[2]
SERVER_CORE, OTHER_CORE = 0, 1
PORT = 18080
AT_ONCE = 50
TICKS = os.sysconf("SC_CLK_TCK")
SETTINGS = {
    "IDLING_SECRET_KEY": "benchmark-benchmark-benchmark-benchmark",
    "IDLING_GUEST_LOGIN": "1",
    "IDLING_MESSAGES_PER_S": "1000000",
    "IDLING_MAX_CONNECTIONS_PER_USER": "100000",
    "IDLING_LOG_LEVEL": "warning",
}


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process has used so far, by its own clock: to the nanosecond, not to the tick."""
    # What clock_getcpuclockid(3) makes of a process id on Linux.
    return time.clock_gettime((~pid << 3) | 2)


def rss_kib(pid: int) -> int:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]) * 4


class Instance:
    """One server process, pinned to a core. ``tree``: the checkout it runs."""

    def __init__(self, port: int, core: int, environ: dict[str, str], tree: Path = ROOT) -> None:
        self.port = port
        command = [sys.executable, "-m", "idling_ws", "serve", "--port", str(port)]
        self.process = subprocess.Popen(command, env=environ, cwd=tree)
        os.sched_setaffinity(self.process.pid, {core % (os.cpu_count() or 1)})

    def cpu_s(self) -> float:
        """CPU seconds used so far."""
        return cpu_s(self.process.pid)

    def rss_kib(self) -> int:
        """Resident memory."""
        return rss_kib(self.process.pid)

    async def ready(self, session: aiohttp.ClientSession) -> None:
        """Wait until it takes work."""
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"http://127.0.0.1:{self.port}/readyz") as answer:
                        if answer.status == 200 and (await answer.json())["status"] == "ready":
                            return
                await asyncio.sleep(0.1)

    async def connect(self, token: str, cursor: str | None = None) -> Device:
        """Connect, say hello, wait for the welcome."""
        loop = asyncio.get_running_loop()
        _, device = await loop.create_connection(Device, "127.0.0.1", self.port)
        device.upgrade()
        hello: dict[str, Any] = {
            "type": "hello",
            "client": {"id": "b", "name": "bench", "version": "1"},
            "token": token,
        }
        if cursor is not None:
            hello["cursor"] = cursor
        device.send(orjson.dumps(hello))
        await device.until(1)
        return device

    async def connect_all(self, tokens: Sequence[str]) -> list[Device]:
        """Connect them all, some at once."""
        devices: list[Device] = []
        for start in range(0, len(tokens), AT_ONCE):
            devices += await asyncio.gather(*map(self.connect, tokens[start : start + AT_ONCE]))
        return devices


@dataclass(slots=True)
class Place:
    """Two instances over one database, and the people in it. ``other``: an instance of another checkout, to compare."""

    a: Instance
    b: Instance
    other: Instance | None
    database_url: str
    environ: dict[str, str]
    tokens: list[str]
    admin_token: str


@contextlib.asynccontextmanager
async def opened(users: int, against: Path | None = None) -> AsyncIterator[Place]:
    """Start everything; nothing is left behind."""
    os.sched_setaffinity(0, {OTHER_CORE % (os.cpu_count() or 1)})
    with tempfile.TemporaryDirectory(prefix="idling-bench-") as folder:
        servers = EmbeddedServers(Path(folder) / "var")
        endpoints = await servers.start()
        environ = {
            **os.environ,
            **SETTINGS,
            "IDLING_DATABASE_URL": endpoints.database_url,
            "IDLING_REDIS_URL": endpoints.redis_url,
            "IDLING_PUBLIC_URL": f"http://127.0.0.1:{PORT}",
        }
        started: list[Instance] = []

        async def start(core: int, tree: Path = ROOT) -> Instance:
            instance = Instance(PORT + len(started), core, environ, tree)
            started.append(instance)
            async with aiohttp.ClientSession() as session:
                await instance.ready(session)
            return instance

        try:
            a, b = await start(SERVER_CORE), await start(OTHER_CORE)
            other = await start(SERVER_CORE, against) if against is not None else None
            people = issue_tokens(environ, users)
            connection = psycopg2.connect(endpoints.database_url)
            with connection, connection.cursor() as cursor:
                cursor.execute("INSERT INTO roles (user_id, role) VALUES (%s, 'admin')", (people[-1]["user_id"],))
            connection.close()
            tokens = [person["access_token"] for person in people]
            yield Place(a, b, other, endpoints.database_url, environ, tokens[:-1], tokens[-1])
        finally:
            for instance in started:
                instance.process.terminate()
            for instance in started:
                instance.process.wait(20)
            await servers.stop()


def issue_tokens(environ: dict[str, str], users: int) -> list[dict[str, Any]]:
    """Make so many guests."""
    command = [sys.executable, "-m", "idling_ws", "token", "issue", "--ttl", "7200", "--guests", str(users)]
    issued = subprocess.check_output(command, env=environ, cwd=ROOT, text=True)
    return [json.loads(line) for line in issued.splitlines()]
