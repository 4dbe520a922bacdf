"""``/api/asyncapi.json``: AsyncAPI 3, every frame of the socket in both directions.

Generated from the schemas of frames and of mutations' arguments: ``mutate`` is told by name,
each with its own arguments.
"""

from __future__ import annotations

from collections.abc import Mapping

from marshmallow import Schema

from idling_ws.domain.errors import JsonObject
from idling_ws.wire.closing import Close
from idling_ws.wire.frame_schemas import FROM_CLIENT, FROM_SERVER, Mutate
from idling_ws.wire.frames import SUBPROTOCOL
from idling_ws.wire.openapi import Components

_INTRODUCTION = """One WebSocket with the subprotocol `idling.v1`. A text frame holds one JSON object, or several joined
by a line feed. Unknown fields are ignored by both sides."""
_BANDS = {
    4000: "do not reconnect unchanged",
    4100: "reconnect with backoff: at least 1 s, full jitter, 60 s at most",
    4200: "reconnect now and resume, honouring `retry_ms`",
}


def build_asyncapi(version: str, mutations: Mapping[str, Schema]) -> JsonObject:
    """Return the document. ``mutations``: the arguments of each public one."""
    components = Components()
    messages: JsonObject = {}
    directions: dict[str, list[str]] = {"client": [], "server": []}
    for side, frames in (("client", FROM_CLIENT), ("server", FROM_SERVER)):
        for frame in frames:
            if frame is Mutate:
                added = {f"mutate.{name}": _mutate(components, name, schema) for name, schema in mutations.items()}
            else:
                kind = frame().fields["type"].validators[0].choices[0]  # type: ignore[attr-defined]  # OneOf, as `text` makes it
                added = {f"{side}.{kind}": _message(kind, frame, components.refer(frame))}
            messages |= added
            directions[side] += added
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Idling", "version": version, "description": _INTRODUCTION, "license": {"name": "MIT"}},
        "defaultContentType": "application/json",
        "channels": {
            "socket": {
                "address": "/ws",
                "description": f"Subprotocol `{SUBPROTOCOL}`.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                "bindings": {"ws": {"method": "GET"}},
            }
        },
        "operations": {
            "fromClient": _direction("receive", "What a client may say.", directions["client"]),
            "fromServer": _direction("send", "What the server says.", directions["server"]),
        },
        "components": {"messages": messages, "schemas": components.schemas()},
        "x-close-codes": [
            {"code": int(code), "reason": code.reason} | ({"do": _BANDS[code // 100 * 100]} if code >= 4000 else {})
            for code in Close
        ],
    }


def _message(kind: str, frame: type[Schema], payload: JsonObject) -> JsonObject:
    words = " ".join((frame.__doc__ or "").split())
    return {"name": kind, "title": kind, "summary": words, "payload": payload}


def _mutate(components: Components, name: str, schema: Schema) -> JsonObject:
    """Return ``mutate`` of that name: the frame, and which arguments go with it."""
    with_args = {"properties": {"name": {"const": name}, "args": components.refer(schema)}}
    return {
        "name": "mutate",
        "title": name,
        "summary": f"Ask for `{name}`.",
        "payload": {"allOf": [components.refer(Mutate), with_args]},
    }


def _direction(action: str, words: str, names: list[str]) -> JsonObject:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/socket"},
        "summary": words,
        "messages": [{"$ref": f"#/channels/socket/messages/{name}"} for name in names],
    }
