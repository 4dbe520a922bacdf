"""What a delivery costs this process, against the least it could cost: a ratio, so that no machine is too slow."""

from __future__ import annotations

import asyncio
import random
import time
from types import SimpleNamespace
from typing import Any, cast

import hiredis

from idling_ws.delivery.hearing import hearing
from idling_ws.delivery.hub import Hub
from idling_ws.delivery.mailbox import Postman
from idling_ws.delivery.redis_line import RedisLine
from idling_ws.delivery.redis_node import RedisNode
from idling_ws.domain.clock import SystemClock
from idling_ws.domain.ids import ALL
from idling_ws.edge.line import DirectLine
from idling_ws.edge.socket import LIVE, DeviceSocket
from idling_ws.store.cache_drops import Drops
from idling_ws.store.redis import Keys

USERS, CHUNKS, EACH = 1000, 100, 20
ROUNDS = 9
# Measured 4.3 to 5.4, best of nine; decoding each entry again, or a task for each, is beyond it.
MOST = 8
KEYS = Keys("k3f9Zq2b")
FRAME = (
    b'{"type":"entry","stream":"user","seq":%d,"at":"2026-11-27T23:44:41.123456Z","trace_id":"0123456789abcdef",'
    b'"items":[{"kind":"preferences.changed","patch":{"preferences":{"theme":"dark","version":5}}},'
    b'{"kind":"verdict","mid":"abc-1-2","status":"confirmed","result":{"preferences":{"theme":"dark","version":5}}}]}'
)


class Wire:
    """A transport that counts what it is given."""

    def __init__(self) -> None:
        self.writes = 0

    def write(self, data: bytes) -> None:
        self.writes += 1


def listening(wire: Wire) -> RedisLine:
    """Return a line from Redis with everything behind it that a message passes, up to the wires of the users."""
    hub, clock, drops = Hub(cast("Any", None), cast("Any", None)), SystemClock(), Drops(KEYS)
    hub.on_entry = drops.note_entry
    hub.notice_head(ALL, 0, known=True)
    node = RedisNode("redis://nowhere", b"canary", clock, {})
    node.on_messages = hearing(hub, KEYS)
    parts = SimpleNamespace(
        hub=hub,
        postman=Postman(max_bytes=1 << 20),
        joining=None,
        clock=clock,
        settings=SimpleNamespace(messages_per_s=20),
    )
    for user_id in range(1, USERS + 1):
        socket = DeviceSocket(cast("Any", parts), cast("Any", None), None, "", "")
        socket._line = DirectLine(socket, cast("Any", wire), 1000)
        socket._state, socket.user_id, socket.backlog = LIVE, user_id, []
        hub.attach(user_id, socket)
        hub.admit(user_id, socket, 0, 0)
    return RedisLine(node._heard, lambda: None)


def chunks() -> list[bytes]:
    """Return what Redis would send: entries for users drawn by lot, each user's in their order."""
    draw, heads, found = random.Random(1), [0] * (USERS + 1), []
    for _ in range(CHUNKS):
        told = []
        for user_id in draw.choices(range(1, USERS + 1), k=EACH):
            heads[user_id] += 1
            message = b"%d %b" % (heads[user_id], FRAME % heads[user_id])
            told.append(cast("Any", hiredis.pack_command)((b"message", KEYS.stream(user_id), message)))
        found.append(b"".join(told))
    return found


class Least:
    """The same with nothing promised: parse, look up, frame, write."""

    def __init__(self, wire: Wire) -> None:
        self._reader = hiredis.Reader()
        self._wires = {KEYS.stream(user_id): wire for user_id in range(1, USERS + 1)}

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (item := self._reader.gets()) is not False:
            _, channel, message = item
            seq, _, frame = message.partition(b" ")
            if int(seq):
                self._wires[channel].write(b"\x81\x7e" + len(frame).to_bytes(2, "big") + frame)


async def cost_ns(line: RedisLine | Least, told: list[bytes]) -> int:
    begun = time.process_time_ns()
    for chunk in told:
        line.data_received(chunk)
        await asyncio.sleep(0)
    return time.process_time_ns() - begun


async def test_an_entry_from_redis_costs_little_more_than_it_must() -> None:
    """With gaps, order, floors, bounds and back-pressure looked after. The rest is the kernel's."""
    told = chunks()
    ratios: list[float] = []
    for _ in range(ROUNDS):
        wire, least_wire = Wire(), Wire()
        line, least = listening(wire), Least(least_wire)
        ratios.append(await cost_ns(line, told) / await cost_ns(least, told))
        # One write for each device and turn of the loop: two entries for one device go together.
        assert 0.9 * CHUNKS * EACH < wire.writes <= least_wire.writes == CHUNKS * EACH
    assert min(ratios) < MOST, ratios
