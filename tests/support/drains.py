"""Devices that only count: they take everything off the network at next to no cost, so that a test may have many."""

from __future__ import annotations

import asyncio
import json

from tests.support.crowd import Guest
from tests.support.raw_socket import TEXT, frame_bytes
from tests.support.wire_client import Device, connect

SPEAK_EVERY_S = 10.0
_BEAT = frame_bytes(TEXT, json.dumps({"type": "heartbeat"}).encode())


class Drain(asyncio.Protocol):
    """Counts how often ``marker`` came, over the breaks between reads. ``is_lost``: the line has ended."""

    def __init__(self, marker: bytes) -> None:
        self.count = 0
        self.is_lost = False
        self._marker = marker
        self._rest = b""
        self._transport: asyncio.Transport | None = None
        # A stream's writer closes its transport when nobody has it any more.
        self._device: Device | None = None

    @classmethod
    async def start(cls, base: str, guest: Guest, marker: bytes) -> Drain:
        """Connect one that has been welcomed."""
        device = await connect(base, guest.token)
        drain = cls(marker)
        transport = device.writer.transport
        assert isinstance(transport, asyncio.Transport)
        drain._transport, drain._device = transport, device
        transport.set_protocol(drain)
        drain.data_received(bytes(device.reader._buffer))  # type: ignore[attr-defined]  # what it had read ahead
        transport.resume_reading()
        drain._speak()
        return drain

    def data_received(self, data: bytes) -> None:
        """Count; what may be the beginning of a marker is kept."""
        data = self._rest + data
        self.count += data.count(self._marker)
        self._rest = data[len(data) - len(self._marker) + 1 :] if len(data) >= len(self._marker) else data

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self.is_lost = True

    def _speak(self) -> None:
        """Who is silent is closed."""
        if not self.is_lost and self._transport is not None and not self._transport.is_closing():
            self._transport.write(_BEAT)
            asyncio.get_running_loop().call_later(SPEAK_EVERY_S, self._speak)

    def stop(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()
