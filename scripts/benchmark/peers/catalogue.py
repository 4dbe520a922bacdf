"""Which peers there are, how each is started, and what to tell Redis so that it passes something on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from scripts.benchmark.device import Device, PlainDevice, SilentDevice, SocketIoDevice
from scripts.benchmark.peers.packing import packed

FOLDER = Path(__file__).resolve().parent
INSTALLED = FOLDER.parents[2] / ".peers"
PYTHON = INSTALLED / "python" / "bin" / "python"
NODE_FOLDER = INSTALLED / "node"
NCHAN = "ngx_nchan_module.so"
# Where Debian puts it; and whoever wants none of it in the system puts the file beside the packages.
NCHAN_FOLDERS = (INSTALLED, Path("/usr/lib/nginx/modules"))
ROOM = "room"

Message = tuple[bytes, bytes]


def plain(room: str, payload: bytes) -> Message:
    """What is published is what is sent."""
    return room.encode(), payload


def channels_group(room: str, payload: bytes) -> Message:
    """A group message of channels-redis' pub/sub layer."""
    return f"asgi__group__{room}".encode(), packed({"type": "entry", "text": payload.decode()})


def python_socketio(room: str, payload: bytes) -> Message:
    """A message of python-socketio's Redis manager."""
    return b"socketio", orjson.dumps(
        {
            "method": "emit",
            "event": "entry",
            "data": orjson.loads(payload),
            "namespace": "/",
            "room": room,
            "skip_sid": None,
            "callback": None,
            "host_id": "bench",
        }
    )


def node_socketio(room: str, payload: bytes) -> Message:
    """A message of socket.io's Redis adapter."""
    packet = {"type": 2, "data": ["entry", orjson.loads(payload)], "nsp": "/"}
    return f"socket.io#/#{room}#".encode(), packed(["bench", packet, {"rooms": [room], "except": [], "flags": {}}])


def http_post(room: str, payload: bytes) -> Message:
    """The address of a channel of nchan, to which what is published is posted."""
    return f"/publish?id={room}".encode(), payload


def socketio_event(question: bytes) -> bytes:
    """Return ``question`` as an event of Socket.IO."""
    return b'42["mutate",' + question + b"]"


@dataclass(frozen=True, slots=True)
class Peer:
    """A server to compare with. ``needs``: what must be there, a package of Python or Node or a module of nginx.

    ``message`` is what to publish where for a room; ``asking`` puts a question into the server's own form, and
    is None where nobody answers.
    """

    name: str
    file: str
    needs: str
    device: Callable[[str], Device]
    path: str
    message: Callable[[str, bytes], Message]
    asking: Callable[[bytes], bytes] | None = lambda question: question
    is_posted_to: bool = False


PLAIN_PATH, SOCKETIO_PATH = "/ws?user=%d", "/socket.io/?EIO=4&transport=websocket&user=%d"
_SOCKETIO: dict[str, Any] = {"device": SocketIoDevice, "path": SOCKETIO_PATH, "asking": socketio_event}
PEERS = (
    Peer("node ws", "ws_server.js", "ws", PlainDevice, PLAIN_PATH, plain),
    Peer("socket.io", "socketio_server.js", "socket.io", message=node_socketio, **_SOCKETIO),
    Peer("python-socketio", "socketio_server.py", "socketio", message=python_socketio, **_SOCKETIO),
    Peer("FastAPI", "fastapi_server.py", "fastapi", PlainDevice, PLAIN_PATH, plain),
    Peer("nchan", "nginx.conf", NCHAN, SilentDevice, PLAIN_PATH, http_post, asking=None, is_posted_to=True),
    Peer("Channels", "channels_server.py", "channels", PlainDevice, PLAIN_PATH, channels_group),
)
