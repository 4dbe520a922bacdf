"""Running peers: each on the core of what is measured, told by Redis what to pass on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from idling_ws.embedded.binaries import find_redis
from scripts.benchmark.announcer import Poster, Publisher
from scripts.benchmark.device import Device
from scripts.benchmark.peers.catalogue import PEERS, ROOM, Peer
from scripts.benchmark.peers.installing import command_of
from scripts.benchmark.place import OTHER_CORE, PORT, SERVER_CORE, cpu_s, rss_kib
from scripts.benchmark.rounds import ASKERS, Window, ask, broadcast, cost_us, leave

USERS = 1000
PUSHES, IN_FLIGHT = 10_000, 256
BROADCASTS = 20
CONNECTS = 500
READY_S = 30.0


@contextlib.asynccontextmanager
async def opened_redis(port: int) -> AsyncIterator[str]:
    """A Redis for peers alone, on the core of all that is not measured: not each of them speaks to a unix socket."""
    command = [str(find_redis()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        os.sched_setaffinity(process.pid, {OTHER_CORE % (os.cpu_count() or 1)})
        await _reachable(process, port)
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


async def _reachable(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until ``process`` takes connections. Raises ``OSError`` when it has ended, ``TimeoutError``."""
    async with asyncio.timeout(READY_S):
        while True:
            if process.poll() is not None:
                raise OSError(f"it ended with status {process.returncode}")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


class RunningPeer:
    """One process of a peer."""

    def __init__(self, peer: Peer, port: int, redis_url: str, payload: bytes, folder: Path) -> None:
        self.peer = peer
        self._port = port
        self._redis_url = redis_url
        self._payload = payload
        environ = {**os.environ, "REDIS_URL": redis_url, "NODE_ENV": "production"}
        self.process = subprocess.Popen(command_of(peer, port, folder), env=environ, cwd=folder)
        os.sched_setaffinity(self.process.pid, {SERVER_CORE % (os.cpu_count() or 1)})

    def cpu_s(self) -> float:
        """CPU seconds used so far."""
        return cpu_s(self.process.pid)

    async def ready(self) -> None:
        """Wait until it takes connections. Raises ``OSError`` when it has ended, ``TimeoutError``."""
        await _reachable(self.process, self._port)

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    async def connect(self, user: int) -> Device:
        """Connect as this user and wait until that is welcomed."""
        device = self.peer.device(self.peer.path % user)
        await asyncio.get_running_loop().create_connection(lambda: device, "127.0.0.1", self._port)
        device.upgrade()
        await device.until(1)
        return device

    async def _connect_all(self, count: int) -> list[Device]:
        devices: list[Device] = []
        for start in range(0, count, 50):
            devices += await asyncio.gather(*map(self.connect, range(start, min(count, start + 50))))
        return devices

    async def _publisher(self) -> Publisher:
        if self.peer.is_posted_to:
            return await Poster.connect(f"http://127.0.0.1:{self._port}")
        return await Publisher.connect(self._redis_url)

    # -- the rounds ------------------------------------------------------------------

    async def asked(self, question: bytes) -> float:
        """A question that is refused."""
        assert self.peer.asking is not None
        devices = await self._connect_all(ASKERS)
        cost = await ask(self, devices, self.peer.asking(question))
        await leave(devices)
        return cost

    async def broadcast(self, in_flight: int) -> float:
        """One message to all, published elsewhere, per delivery."""
        devices, publisher = await self._connect_all(USERS), await self._publisher()
        message = self.peer.message(ROOM, self._payload)
        cost = await broadcast(self, devices, lambda number: publisher.publish([message]), in_flight, BROADCASTS)
        publisher.close()
        await leave(devices)
        return cost

    async def push(self) -> float:
        """Messages to single users drawn by lot, published elsewhere, per delivery."""
        devices, publisher = await self._connect_all(USERS), await self._publisher()
        messages = [self.peer.message(f"user.{user}", self._payload) for user in range(USERS)]
        draw = random.Random(1)
        window = Window(devices, IN_FLIGHT, lambda count: publisher.publish(draw.choices(messages, k=count)))
        cost = await cost_us(self, PUSHES, window.run(PUSHES))
        publisher.close()
        await leave(devices)
        return cost

    async def connects(self) -> float:
        """From the TCP connection to the welcome."""
        devices: list[Device] = []

        async def all_of_them() -> None:
            for start in range(0, CONNECTS, 100):
                devices.extend(await asyncio.gather(*map(self.connect, range(start, start + 100))))

        cost = await cost_us(self, CONNECTS, all_of_them())
        await leave(devices)
        return cost

    async def memory_kib(self, count: int) -> float:
        """Return what an idle connection takes, of so many."""
        warm = await self._connect_all(20)
        before = rss_kib(self.process.pid)
        devices: Sequence[Device] = await self._connect_all(count)
        await asyncio.sleep(2)
        cost = (rss_kib(self.process.pid) - before) / count
        await leave([*warm, *devices])
        return cost


@contextlib.asynccontextmanager
async def opened_peers(names: Sequence[str], payload: bytes, left_out: list[str]) -> AsyncIterator[list[RunningPeer]]:
    """Start these peers over a Redis of their own; whoever does not come up is named in ``left_out``."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="idling-bench-peers-")))
        redis_url = await stack.enter_async_context(opened_redis(PORT + 20))
        running: list[RunningPeer] = []
        for number, peer in enumerate(peer for peer in PEERS if peer.name in names):
            started = RunningPeer(peer, PORT + 21 + number, redis_url, payload, folder)
            stack.callback(started.stop)
            try:
                await started.ready()
                running.append(started)
            except (OSError, TimeoutError) as error:
                left_out.append(f"{peer.name}: {error!r}")
        yield running
