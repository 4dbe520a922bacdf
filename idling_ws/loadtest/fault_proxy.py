"""The fault proxy: a way over loopback TCP to a server, which can be cut, turn into a black hole, or be slow.

It stands between one instance and one store. A black hole reads nothing: the kernel still
takes what is sent, connections stay up, and what was held back arrives when the way is
open again, as it does after a real partition.
"""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path
from typing import cast

CONNECT_TIMEOUT_S = 5.0
# What a slow way may hold back in one direction, in pieces; beyond, its sender has to wait.
MOST_HELD = 512


class FaultProxy:
    """Listens on a port of its own and passes on to ``target``: a Unix socket, or a port of this machine."""

    def __init__(self, target: Path | int) -> None:
        self.port = 0
        self.is_cut = False
        self.is_swallowing = False
        self.delay_s = 0.0
        self._target = target
        self._server: asyncio.Server | None = None
        self._ends: set[_End] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _End(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no more, and end every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._abort_all()

    def cut(self) -> None:
        """End every connection without a goodbye, and every new one as well."""
        self.is_cut = True
        self._abort_all()

    def swallow(self) -> None:
        """Pass nothing on any more, in either direction; connections stay up, and new ones are taken."""
        self.is_swallowing = True
        for end in self._ends:
            end.steer()

    def slow(self, delay_s: float) -> None:
        """Pass everything on so much later."""
        self.delay_s = delay_s

    def heal(self) -> None:
        """Be an ordinary way again; what was held back goes on."""
        self.is_cut = self.is_swallowing = False
        self.delay_s = 0.0
        for end in self._ends:
            end.steer()

    def _abort_all(self) -> None:
        for end in list(self._ends):
            end.abort()

    def enter(self, end: _End, *, from_client: bool) -> None:
        """Count one end of a connection; lead a client's to the target."""
        self._ends.add(end)
        if not from_client:
            return
        if self.is_cut:
            end.abort()
            return
        end.steer()
        task = asyncio.create_task(self._lead(end))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def leave(self, end: _End) -> None:
        """Forget an end."""
        self._ends.discard(end)

    async def _lead(self, near: _End) -> None:
        loop = asyncio.get_running_loop()
        far = _End(self, near)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                if isinstance(self._target, int):
                    await loop.create_connection(lambda: far, "127.0.0.1", self._target)
                else:
                    await loop.create_unix_connection(lambda: far, str(self._target))
        except OSError:  # a time-out is one too
            near.abort()
            return
        near.other = far
        near.steer()


class _End(asyncio.Protocol):
    """One end of a connection through the proxy; ``other`` is the end on the other side, once there is one."""

    def __init__(self, proxy: FaultProxy, other: _End | None = None) -> None:
        self.other = other
        self._proxy = proxy
        self._is_accepted = other is None
        self._transport: asyncio.Transport | None = None
        self._is_full = False
        self._kept: list[bytes] = []
        # Pieces on their way to here, with the time at which each is due; None is the end.
        self._held: deque[tuple[float, bytes | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # a stream's is one, though uvloop's says so nowhere
        self._proxy.enter(self, from_client=self._is_accepted)

    def data_received(self, data: bytes) -> None:
        """Pass on what came, or keep it: uvloop begins to read whatever was said at the beginning."""
        if self._proxy.is_swallowing or self.other is None:
            self._kept.append(data)
            self.steer()
        else:
            self.other.take(data)

    def eof_received(self) -> bool:
        """Close both sides."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other side when it has what was sent to it."""
        self._proxy.leave(self)
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if self.other is not None:
            self.other.take(None)

    def pause_writing(self) -> None:
        """This side takes no more for now."""
        self._is_full = True
        self._steer_other()

    def resume_writing(self) -> None:
        """This side takes again."""
        self._is_full = False
        self._steer_other()

    def _steer_other(self) -> None:
        if self.other is not None:
            self.other.steer()

    @property
    def is_full(self) -> bool:
        """Whether whoever sends to here has to wait."""
        return self._is_full or len(self._held) > MOST_HELD

    def steer(self) -> None:
        """Read on, or not, as things are now."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._proxy.is_swallowing or self.other is None or self.other.is_full:
            self._transport.pause_reading()
        else:
            kept, self._kept = self._kept, []
            for data in kept:
                self.other.take(data)
            self._transport.resume_reading()

    def take(self, data: bytes | None) -> None:
        """Write what the other side sent, now or when it is due; None: it has ended."""
        delay_s = self._proxy.delay_s
        if not delay_s and not self._held:
            self._write(data)
            return
        loop = asyncio.get_running_loop()
        self._held.append((loop.time() + delay_s, data))
        if self._timer is None:
            self._timer = loop.call_later(delay_s, self._write_due)
        self._steer_other()

    def _write_due(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        while self._held and self._held[0][0] <= loop.time():
            self._write(self._held.popleft()[1])
        if self._held:
            self._timer = loop.call_at(self._held[0][0], self._write_due)
        self._steer_other()

    def _write(self, data: bytes | None) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if data is None:
            self._transport.close()
        else:
            self._transport.write(data)

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()
