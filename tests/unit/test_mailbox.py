"""Mailboxes: what waits for a network that takes no more, and that it is counted."""

from __future__ import annotations

import asyncio

from idling_ws.delivery.mailbox import Mailbox, Postman


class Wire:
    """A network that remembers what it was given."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Take it."""
        self.taken.append(data)


async def test_only_what_waits_is_counted() -> None:
    """Nothing while the network takes; bytes of the slow while it does not; nothing once it does, or it is gone."""
    postman, wires = Postman(max_bytes=100), [Wire(), Wire(), Wire()]
    quick, slow, slower = (Mailbox(wire, postman) for wire in wires)
    slow.block()
    slower.block()
    for mailbox, frame in ((quick, b"q" * 90), (slow, b"s" * 10), (slower, b"t" * 30)):
        assert mailbox.offer(frame)
    await asyncio.sleep(0)
    assert wires[0].taken == [b"q" * 90]
    assert (postman.blocked_count, postman.waiting_bytes, postman.largest_bytes) == (2, 40, 30)
    slow.unblock()
    assert wires[1].taken == [b"s" * 10]
    assert (postman.blocked_count, postman.waiting_bytes, postman.largest_bytes) == (1, 30, 30)
    slower.clear()
    assert (postman.blocked_count, postman.waiting_bytes, postman.largest_bytes) == (0, 0, 0)


async def test_what_does_not_fit_is_not_taken() -> None:
    """What is there stays in its order."""
    wire = Wire()
    mailbox = Mailbox(wire, Postman(max_bytes=10))
    mailbox.block()
    assert [mailbox.offer(b"1234"), mailbox.offer(b"5678"), mailbox.offer(b"9abc")] == [True, True, False]
    mailbox.unblock()
    assert wire.taken == [b"12345678"]
