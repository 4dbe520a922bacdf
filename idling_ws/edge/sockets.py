"""All devices that are connected here, sockets and event streams: whose they are, and how they leave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from idling_ws.domain.errors import JsonObject
from idling_ws.edge.addresses import Addresses
from idling_ws.edge.admission import Admission, comeback_ms
from idling_ws.edge.parts import Parts
from idling_ws.tasks import Tasks
from idling_ws.wire.closing import Close
from idling_ws.wire.cursor import Cursor

if TYPE_CHECKING:
    from idling_ws.edge.socket import DeviceSocket

log = logging.getLogger(__name__)

# A drain goes in steps, with a pause between two: at least so many sockets in each, and so many steps at most.
DRAIN_BATCH = 100
DRAIN_STEPS = 30
DRAIN_PAUSE_S = 0.05


class Device(Protocol):
    """Something of a user's that stays connected. ``login_id`` is the sign-in it came with."""

    user_id: int
    login_id: str | None
    connection_id: str

    @property
    def is_gone(self) -> bool:
        """Whether its client has hung up, though it is still here."""

    def tell(self, topic: str, notice: bytes) -> None:
        """Take a notice that nobody has to subscribe to; a later one of the topic replaces it."""

    def fail(self, code: Close, retry_ms: int = 0) -> None:
        """End it."""

    def about(self) -> JsonObject:
        """Return what an operator sees of it."""


class Sockets:
    """Every ``DeviceSocket`` of this instance, and every device by its user."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        settings = parts.settings
        self.addresses = Addresses(settings.max_connections_per_address)
        self.admission = Admission(
            parts.clock,
            lambda: len(self._all),
            max_connections=settings.max_connections,
            max_arriving=settings.max_arriving,
            max_lag_s=settings.max_lag_ms / 1000,
        )
        self.admission.on_lag = parts.metrics.loop_lag.observe
        self._all: dict[DeviceSocket, None] = {}
        self._by_user: dict[int, list[Device]] = {}
        self._tasks = Tasks()
        self._none_left = asyncio.Event()
        self._none_left.set()

    def __len__(self) -> int:
        return len(self._all)

    def start(self) -> None:
        """Start looking how late the loop is."""
        self.spawn(self.admission.watch())

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` as a task that is kept until it ends."""
        self._tasks.start(work, "sockets")

    def add(self, socket: DeviceSocket) -> None:
        """Count a socket that has just connected, and entered by its address."""
        self._all[socket] = None
        self._none_left.clear()

    def admit(self, user_id: int, device: Device) -> bool:
        """Count a device for its user; False when the user has too many."""
        limit = self._parts.settings.max_connections_per_user
        if len(self._by_user.get(user_id, ())) >= limit:
            for gone in [other for other in self.of_user(user_id) if other.is_gone]:
                self.release(gone)
        of_user = self._by_user.setdefault(user_id, [])
        if len(of_user) >= limit:
            return False
        of_user.append(device)
        device.user_id = user_id
        return True

    def release(self, device: Device) -> None:
        """Count a device no more; harmless when it was not admitted."""
        of_user = self._by_user.get(device.user_id)
        if of_user is not None and device in of_user:
            of_user.remove(device)
            if not of_user:
                del self._by_user[device.user_id]

    def remove(self, socket: DeviceSocket) -> None:
        """Forget a socket."""
        if socket in self._all:
            del self._all[socket]
            self.addresses.leave(socket.address)
        if not self._all:
            self._none_left.set()
        self.release(socket)

    def of_user(self, user_id: int) -> list[Device]:
        """Return the devices of a user here."""
        return list(self._by_user.get(user_id, ()))

    def close_user(self, user_id: int, code: Close, login_id: str | None = None) -> int:
        """End the devices of a user, or of one login; return how many."""
        doomed = [device for device in self.of_user(user_id) if login_id is None or device.login_id == login_id]
        for device in doomed:
            device.fail(code)
        return len(doomed)

    def close_connection(self, user_id: int, connection: str, code: Close) -> int:
        """End one device of a user; return how many that were."""
        doomed = [device for device in self.of_user(user_id) if device.connection_id == connection]
        for device in doomed:
            device.fail(code)
        return len(doomed)

    def close_token_holders(self, code: Close) -> None:
        """Close every socket that came in by an access token."""
        holders = [socket for socket in self._all if socket.expires_at is not None]
        for socket in holders:
            socket.fail(code, comeback_ms(len(holders)))

    def tell(self, topic: str, notice: bytes) -> None:
        """Send a notice to every device."""
        for devices in list(self._by_user.values()):
            for device in list(devices):
                device.tell(topic, notice)

    def acked(self, socket: DeviceSocket, cursor: Cursor) -> None:
        """Note that a device has applied what it was sent, up to ``cursor``."""
        self._parts.presence.saw(socket.user_id)
        self._parts.acknowledged.saw(socket.user_id, cursor)

    async def drain(self, timeout_s: float) -> None:
        """Tell every socket to go elsewhere, a batch at a time, and wait until they have gone.

        They come back spread over a while: other instances have to take them all.
        """
        leaving = list(self._all)
        batch = max(DRAIN_BATCH, -(-len(leaving) // DRAIN_STEPS))
        for start in range(0, len(leaving), batch):
            for socket in leaving[start : start + batch]:
                socket.fail(Close.DRAINING, comeback_ms(len(leaving)))
            await asyncio.sleep(DRAIN_PAUSE_S)
        try:
            async with asyncio.timeout(timeout_s):
                await self._none_left.wait()
        except TimeoutError:
            log.info("%d sockets did not answer the close in time", len(self._all))

    async def close(self) -> None:
        """End what is still running."""
        await self._tasks.stop()


SOCKETS: web.AppKey[Sockets] = web.AppKey("sockets", Sockets)
