"""An instance of our own: one ``idling-ws serve`` as a child process, killed and ended by its pid and no other way."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import aiohttp

START_TIMEOUT_S = 90.0
# Leaving takes ten seconds at most; who takes longer hangs.
LEAVE_TIMEOUT_S = 20.0
ASK_TIMEOUT_S = 2.0
POLL_S = 0.05
# Below what the kernel gives to outgoing connections: whoever dials a port where nobody
# listens could else be given that port as its own, and connect to itself.
PORTS = range(20_000, 32_000)


class PlaceError(Exception):
    """Something of the place does not come up, or does not end."""


def reserved_port() -> socket.socket:
    """Return a socket bound to a port that nobody else has; it never listens. Raises ``PlaceError``.

    As long as it is open only who shares the port on purpose may listen there: the instance does.
    """
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            probe.close()
            reserved = socket.socket()
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            reserved.bind(("127.0.0.1", port))
            return reserved
    raise PlaceError("no port of this machine is free")


class OwnInstance:
    """One instance; its address stays the same over all its lives."""

    def __init__(self, name: str, reserved: socket.socket, environ: Mapping[str, str], log_path: Path) -> None:
        self.name = name
        self._port: int = reserved.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._reserved = reserved
        self._environ = dict(environ)
        self._log_path = log_path
        self._process: asyncio.subprocess.Process | None = None

    def is_up(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.returncode is None

    async def start(self, http: aiohttp.ClientSession) -> None:
        """Start it and return once it is ready. Raises ``PlaceError`` with the end of what it said."""
        if self.is_up():
            return
        with self._log_path.open("ab") as log:
            # Beside others on one port is how a worker is run, and so it ends with us, whatever ends us:
            # it listens for the end of its standard input. A session of its own keeps Ctrl-C from it.
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "idling_ws", "serve", "--no-migrate", "--share-port"),
                *("--host", "127.0.0.1", "--port", str(self._port)),
                env=self._environ,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_TIMEOUT_S):
                while self.is_up():
                    if await self.status(http) in ("ready", "degraded"):
                        return
                    await asyncio.sleep(POLL_S)
        said = self._log_path.read_text(errors="replace")[-1500:]
        raise PlaceError(f"{self.name} did not come up: {said}")

    async def status(self, http: aiohttp.ClientSession) -> str:
        """Return what ``/readyz`` calls it, ``"away"`` when nobody answers."""
        try:
            async with http.get(f"{self.url}/readyz", timeout=aiohttp.ClientTimeout(total=ASK_TIMEOUT_S)) as response:
                return str((await response.json())["status"])
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError):
            return "away"

    async def kill(self) -> None:
        """End it at once (SIGKILL)."""
        await self._end(signal.SIGKILL)

    async def terminate(self) -> int:
        """Ask it to leave (SIGTERM) and return its exit status. Raises ``PlaceError`` when it hangs."""
        return await self._end(signal.SIGTERM)

    async def stop(self) -> None:
        """End it for good, by force if it will not."""
        try:
            await self.terminate()
        except PlaceError:
            await self.kill()
        finally:
            self._reserved.close()

    async def _end(self, number: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                status = await process.wait()
        except TimeoutError as error:
            raise PlaceError(f"{self.name} did not end in {LEAVE_TIMEOUT_S:.0f} s") from error
        self._process = None
        return status
