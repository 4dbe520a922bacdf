"""The line over WebSocket: a reader and a pump around one aiohttp socket."""

from __future__ import annotations

import contextlib
import socket

import aiohttp
import orjson

from idling_ws.client.errors import ProtocolError
from idling_ws.client.exchange import Exchange, first_to_end
from idling_ws.client.ladder import SOCKET
from idling_ws.client.reconnecting import Ending
from idling_ws.client.rest import CODE_OF_STATUS, RestCalls, retry_after_ms
from idling_ws.client.shapes import JsonObject

SUBPROTOCOL = "idling.v1"
OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0
# A snapshot may be large; more than this is not ours.
MAX_MESSAGE_BYTES = 16 * 1024 * 1024


async def run_socket(
    exchange: Exchange, http: aiohttp.ClientSession, rest: RestCalls, *, token_in_hello: bool = False
) -> Ending:
    """Keep a WebSocket until it ends, and say how it ended."""
    # Also the time of opening counts as this line's, so a refused one has not lasted.
    exchange.opened(SOCKET, token=rest.token if token_in_hello else None)
    try:
        ws = await http.ws_connect(
            rest.base_url + "/ws",
            protocols=(SUBPROTOCOL,),
            headers={} if token_in_hello else rest.headers,
            max_msg_size=MAX_MESSAGE_BYTES,
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
            decode_text=False,
        )
    except aiohttp.WSServerHandshakeError as error:
        code = CODE_OF_STATUS.get(error.status, 1006)
        return exchange.ending(code, f"HTTP {error.status}", retry_after_ms(error.headers))
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return exchange.ending(1006, f"{type(error).__name__}: {error}")
    if ws.protocol != SUBPROTOCOL:
        await ws.close()
        return exchange.ending(4006, "the server does not speak idling.v1")

    async def send(frames: list[JsonObject]) -> None:
        for message in _packed(frames, exchange.core.frame_bytes):
            await ws.send_str(message)

    try:
        return await first_to_end(_read(exchange, ws), exchange.pump(send), exchange.until_cut())
    except ProtocolError as error:
        return exchange.ending(1002, str(error))
    except (aiohttp.ClientError, OSError) as error:
        return exchange.ending(1006, f"{type(error).__name__}: {error}")
    finally:
        if exchange.cut_off.is_set():
            _pull_the_plug(ws)
        elif not ws.closed:
            # Going by ourselves: say so, and the presence ends at once.
            with contextlib.suppress(aiohttp.ClientError, OSError):
                await ws.send_str('{"type":"bye"}')
        await ws.close()


def _packed(frames: list[JsonObject], most_bytes: int) -> list[str]:
    """Join frames by newlines into as few messages as the server's limit allows."""
    messages: list[str] = []
    parts: list[str] = []
    size = 0
    for frame in frames:
        encoded = orjson.dumps(frame)
        if parts and size + len(encoded) + 1 > most_bytes:
            messages.append("\n".join(parts))
            parts, size = [], 0
        parts.append(encoded.decode())
        size += len(encoded) + 1
    if parts:
        messages.append("\n".join(parts))
    return messages


async def _read(exchange: Exchange, ws: aiohttp.ClientWebSocketResponse[bool]) -> Ending:
    while True:
        await exchange.awake.wait()
        message = await ws.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            exchange.feed(parse(message.data))
        elif message.type is aiohttp.WSMsgType.BINARY:
            raise ProtocolError("a binary frame")
        else:
            reason = message.extra if isinstance(message.extra, str) else ""
            return exchange.ending(ws.close_code or 1006, reason)


def parse(message: bytes | str) -> list[JsonObject]:
    """Return the frames of one message. Raises ``ProtocolError``."""
    data = message.encode() if isinstance(message, str) else message
    frames = []
    for line in data.split(b"\n"):
        if not line:
            continue
        try:
            frame = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise ProtocolError(f"a frame that is no JSON: {line[:80]!r}") from error
        if not isinstance(frame, dict):
            raise ProtocolError(f"a frame that is no object: {line[:80]!r}")
        frames.append(frame)
    return frames


def _pull_the_plug(ws: aiohttp.ClientWebSocketResponse[bool]) -> None:
    """End the TCP connection without a close frame, as a lost network would.

    Through a duplicate, because event loops keep ``shutdown`` of their own sockets to themselves.
    """
    own = ws.get_extra_info("socket")
    if own is None:
        return
    with contextlib.suppress(OSError), own.dup() as double:
        double.shutdown(socket.SHUT_RDWR)
