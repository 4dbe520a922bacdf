"""What the server says, as JSON bytes, and what a client may say, as typed facts.

Client frames are read by hand rather than by a schema: this is the door every
message passes, and four type checks are cheaper than a schema walk. Arguments of
mutations, where people make mistakes, have schemas (``schemas``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idling_ws.domain.entries import Item
from idling_ws.domain.errors import InvalidError, JsonObject
from idling_ws.wire.jsontext import MAX_SAFE_INTEGER, encode

SUBPROTOCOL = "idling.v1"
MID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
ACTIVITIES = frozenset({"active", "idle", "hidden"})


@dataclass(frozen=True, slots=True)
class Hello:
    """The first frame of a socket. ``cursor`` is unchecked: a bad one is answered by a fresh state."""

    client: Mapping[str, str]
    token: str | None
    cursor: object | None


@dataclass(frozen=True, slots=True)
class Mutate:
    """A change that is asked for."""

    mid: str
    name: str
    args: JsonObject
    if_version: int | None


def read_hello(message: JsonObject) -> Hello:
    """Raises ``InvalidError("bad_frame")``."""
    client = message.get("client", {})
    if type(client) is not dict:
        raise InvalidError("bad_frame", fields={"client": ["Not an object."]})
    for key in ("id", "name", "version"):
        value = client.get(key, "")
        if type(value) is not str or len(value) > 100:
            raise InvalidError("bad_frame", fields={f"client.{key}": ["Not a string of at most 100 characters."]})
    token = message.get("token")
    if token is not None and (type(token) is not str or len(token) > 4096):
        raise InvalidError("bad_frame", fields={"token": ["Not a string of at most 4,096 characters."]})
    return Hello(client, token, message.get("cursor"))


def read_mid(message: JsonObject) -> str | None:
    """Return the ``mid`` if there is a well-formed one: so that even an error can name it."""
    mid = message.get("mid")
    return mid if type(mid) is str and MID.fullmatch(mid) is not None else None


def read_mutate(message: JsonObject) -> Mutate:
    """Raises ``InvalidError("bad_frame")`` naming every field that is wrong."""
    wrong: dict[str, list[str]] = {}
    mid = message.get("mid")
    if type(mid) is not str or MID.fullmatch(mid) is None:
        wrong["mid"] = ["Not 1-64 characters of A-Za-z0-9_-."]
    name = message.get("name")
    if type(name) is not str:
        wrong["name"] = ["Not a string."]
    args = message.get("args")
    if type(args) is not dict:
        wrong["args"] = ["Not an object."]
    version = message.get("if_version")
    if version is not None and (type(version) is not int or not 0 <= version <= MAX_SAFE_INTEGER):
        wrong["if_version"] = ["Not a whole number."]
    if wrong:
        raise InvalidError("bad_frame", fields=wrong)
    return Mutate(mid, name, args, version)  # type: ignore[arg-type]  # checked just above


def read_activity(message: JsonObject) -> str | None:
    """Return a heartbeat's ``activity``. Raises ``InvalidError("bad_frame")``."""
    activity = message.get("activity")
    if activity is not None and (type(activity) is not str or activity not in ACTIVITIES):
        raise InvalidError("bad_frame", fields={"activity": ["Not one of active, idle, hidden."]})
    return activity


def entry(stream: str, seq: int, at: str, items: list[Item], trace_id: str) -> bytes:
    """Return an entry: everything one transaction tells one stream. Stored and sent as these bytes."""
    return encode({"type": "entry", "stream": stream, "seq": seq, "at": at, "trace_id": trace_id, "items": items})


def verdict(body: JsonObject) -> bytes:
    """Return a verdict outside the stream."""
    return encode({"type": "verdict", **body})


def error(body: JsonObject, mid: str | None = None) -> bytes:
    """Return an error that leaves the connection as it was."""
    return encode({"type": "error", "error": body} if mid is None else {"type": "error", "error": body, "mid": mid})


def heartbeat(cursor: str, time: str) -> bytes:
    """Return a heartbeat. Built by hand: every socket gets its own, all day."""
    return f'{{"type":"heartbeat","cursor":"{cursor}","time":"{time}"}}'.encode()


def stale_heartbeat(cursor: str, time: str) -> bytes:
    """Return a heartbeat whose head is only what this process remembers, and says so."""
    return f'{{"type":"heartbeat","cursor":"{cursor}","time":"{time}","stale":true}}'.encode()


def notice(topic: str, data: Any) -> bytes:
    """Return an ephemeral message: no ``seq``, and a later one replaces it."""
    return encode({"type": "notice", "topic": topic, "data": data})


def bye(code: int, reason: str, retry_ms: int) -> bytes:
    """Return the last words before a close."""
    return encode({"type": "bye", "code": code, "reason": reason, "retry_ms": retry_ms})


def plain(kind: str, **fields: object) -> bytes:
    """Return any other frame: ``type`` and its fields."""
    return encode({"type": kind, **fields})
