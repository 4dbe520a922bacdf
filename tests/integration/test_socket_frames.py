"""Bytes on a socket: what is no WebSocket, or no text, ends that one connection with its code."""

from __future__ import annotations

import asyncio
import json
import struct

import pytest

from tests.support.bystander import Bystander
from tests.support.instances import Instance
from tests.support.raw_socket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, ClosedError, Wire, frame_bytes
from tests.support.wire_client import connect, sign_in, upgrade

FRAME_BYTES = 32768
HEARTBEAT = b'{"type":"heartbeat"}'
ECHO = {"type": "no-such-type"}


def opened(payload: bytes = b'{"type":') -> bytes:
    """Return the first fragment of a message."""
    return frame_bytes(TEXT, payload, fin=False)


def closing(code: int, reason: bytes = b"") -> bytes:
    """Return a close frame."""
    return frame_bytes(CLOSE, struct.pack("!H", code) + reason)


# What it is, the bytes, the close code.
REFUSED: dict[str, tuple[bytes, int]] = {
    "binary": (frame_bytes(BINARY, HEARTBEAT), 1003),
    "binary in fragments": (frame_bytes(BINARY, b"ab", fin=False) + frame_bytes(CONTINUATION, b"cd"), 1003),
    "broken UTF-8": (frame_bytes(TEXT, b'{"type":"\xff"}'), 1007),
    "a surrogate in UTF-8": (frame_bytes(TEXT, b'{"type":"\xed\xa0\x80"}'), 1007),
    "half a character": (frame_bytes(TEXT, b'"\xe2\x82'), 1007),
    "too large": (frame_bytes(TEXT, b" " * (FRAME_BYTES + 1)), 1009),
    "too large by its header alone": (struct.pack("!BBQ", 0x81, 0xFF, 1 << 40), 1009),
    "the largest header there is": (b"\x81\xff" + b"\xff" * 8, 1009),
    "too large in fragments": (
        b"".join([opened(b" " * 20_000), *[frame_bytes(CONTINUATION, b" " * 10_000, fin=False)] * 2]),
        1009,
    ),
    "a reserved bit": (frame_bytes(TEXT, HEARTBEAT, rsv=4), 1002),
    "an unknown opcode": (frame_bytes(0x3, HEARTBEAT), 1002),
    "an unknown control opcode": (frame_bytes(0xB, b""), 1002),
    "a ping in fragments": (frame_bytes(PING, b"", fin=False), 1002),
    "a ping too long": (frame_bytes(PING, b" " * 126), 1002),
    "a continuation of nothing": (frame_bytes(CONTINUATION, HEARTBEAT), 1002),
    "a message inside another": (opened() + frame_bytes(TEXT, HEARTBEAT), 1002),
    "a message begun inside another": (opened() + opened(), 1002),
    "a close of one byte": (frame_bytes(CLOSE, b"\x03"), 1002),
    "a close code below 1000": (closing(999), 1002),
    "a close code that stands for none": (closing(2000), 1002),
    "a close reason that is no UTF-8": (closing(1000, b"\xff"), 1007),
}

# aiohttp's public WebSocket lets these pass, so only a socket held directly sees them.
REFUSED_DIRECT: dict[str, tuple[bytes, int]] = {
    "unmasked": (frame_bytes(TEXT, HEARTBEAT, masked=False), 1002),
    "unmasked after a good one": (
        frame_bytes(TEXT, HEARTBEAT) + frame_bytes(TEXT, HEARTBEAT, masked=False), 1002
    ),
    "an unmasked ping": (frame_bytes(PING, b"", masked=False), 1002),
    "an unmasked close": (frame_bytes(CLOSE, b"\x03\xe8", masked=False), 1002),
    "a message behind an empty beginning": (opened(b"") + frame_bytes(TEXT, HEARTBEAT), 1002),
    "a close code that never travels": (closing(1006), 1002),
    "a close code out of range": (closing(5000), 1002),
}  # fmt: skip


async def refused(base: str, token: str, data: bytes) -> ClosedError:
    """Send ``data`` on a device that was welcomed; see the server close."""
    device = await connect(base, token)
    device.send_bytes(data)
    return await device.expect_close()


@pytest.mark.parametrize("what", REFUSED)
async def test_frames_that_cannot_be_close_the_connection(door: str, bystander: Bystander, what: str) -> None:
    """Each with the code of RFC 6455, on either kind of socket."""
    data, code = REFUSED[what]
    login = await sign_in(door)
    async with bystander.undisturbed():
        assert (await refused(door, login.token, data)).code == code


@pytest.mark.parametrize("what", REFUSED_DIRECT)
async def test_a_direct_socket_sees_what_the_stock_one_lets_pass(
    pair: tuple[Instance, Instance], bystander: Bystander, what: str
) -> None:
    """Masks, empty fragments and close codes that nobody may send."""
    data, code = REFUSED_DIRECT[what]
    login = await sign_in(pair[0].url)
    async with bystander.undisturbed():
        assert (await refused(pair[0].url, login.token, data)).code == code


async def answers(wire: Wire) -> None:
    """See that the connection still takes a message and answers it."""
    wire.send(ECHO)
    assert (await wire.expect("error"))["error"]["code"] == "unknown_type"


async def test_a_frame_may_be_as_large_as_the_limit_says(door: str) -> None:
    """``limits.frame_bytes`` itself is allowed; also as the sum of fragments."""
    login = await sign_in(door)
    async with await connect(door, login.token) as device:
        assert device.welcome["limits"]["frame_bytes"] == FRAME_BYTES
        text = json.dumps(ECHO).encode().ljust(FRAME_BYTES)
        device.send_text(text)
        assert (await device.expect("error"))["error"]["code"] == "unknown_type"
        device.send_bytes(opened(text[:20_000]) + frame_bytes(CONTINUATION, text[20_000:]))
        assert (await device.expect("error"))["error"]["code"] == "unknown_type"


async def test_fragments_are_one_message_wherever_they_are_cut(door: str) -> None:
    """Inside a character, with empty ones, and with a ping between them."""
    text = '{"type":"€"}'.encode()
    login = await sign_in(door)
    async with await connect(door, login.token) as device:
        device.send_bytes(
            opened(text[:10])
            + frame_bytes(PING, b"between")
            + frame_bytes(CONTINUATION, b"", fin=False)
            + frame_bytes(CONTINUATION, text[10:], fin=False)
            + frame_bytes(CONTINUATION, b"")
        )
        await device.expect_pong(b"between")
        assert (await device.expect("error"))["error"]["code"] == "unknown_type"
        await answers(device)


async def test_bytes_may_arrive_one_by_one(door: str) -> None:
    """A frame means the same however the network cuts it."""
    login = await sign_in(door)
    async with await connect(door, login.token) as device:
        for byte in frame_bytes(TEXT, json.dumps(ECHO).encode().ljust(300)) + frame_bytes(PING, b"x"):
            device.send_bytes(bytes([byte]))
            await device.writer.drain()
            await asyncio.sleep(0)
        assert (await device.expect("error"))["error"]["code"] == "unknown_type"
        await device.expect_pong(b"x")


async def test_what_follows_the_handshake_at_once_is_heard(door: str) -> None:
    """A client need not wait for the 101 before it says hello."""
    login = await sign_in(door)
    hello = json.dumps({"type": "hello", "client": {}, "token": login.token}).encode()
    behind = frame_bytes(TEXT, hello) + frame_bytes(TEXT, json.dumps(ECHO).encode())
    async with await upgrade(door, behind=behind) as wire:
        assert (await wire.receive())["type"] == "welcome"
        assert (await wire.receive())["error"]["code"] == "unknown_type"


async def test_pings_are_answered_and_pongs_ignored(door: str) -> None:
    """A pong carries what its ping did (RFC 6455, section 5.5.3)."""
    login = await sign_in(door)
    async with await connect(door, login.token) as device:
        device.send_frame(PONG, b"nobody asked")
        device.send_frame(PING, b"p" * 125)
        await device.expect_pong(b"p" * 125)
        await answers(device)


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
async def test_a_close_is_answered_in_kind(pair: tuple[Instance, Instance], code: int) -> None:
    """With the same code, once; then the server hangs up."""
    login = await sign_in(pair[0].url)
    device = await connect(pair[0].url, login.token)
    device.send_bytes(closing(code))
    assert (await device.expect_close()).code == code


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe9"])
async def test_a_close_is_answered_on_either_kind_of_socket(door: str, payload: bytes) -> None:
    """Whatever its code; the stock socket answers 1000 to any."""
    login = await sign_in(door)
    device = await connect(door, login.token)
    device.send_frame(CLOSE, payload)
    assert (await device.expect_close()).code in {1000, 1001, 1005}
