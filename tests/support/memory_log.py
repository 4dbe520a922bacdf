"""A log of entries in memory: just enough of a server's rules to try the client against.

It shares no code with the server. What it promises is what protocol.md promises, so a
client that converges here is right about the protocol, not about our server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from idling_ws.client.merge_patch import merged

JsonObject = dict[str, Any]
EPOCH = "memory01"


def error(code: str, error_class: str = "business", *, retryable: bool = False) -> JsonObject:
    """Return an error in the one shape of the wire."""
    return {
        "code": code,
        "class": error_class,
        "severity": "warning",
        "message": code,
        "retryable": retryable,
        "trace_id": "t",
    }


@dataclass
class UserLog:
    """One user's stream, state and settled mutations."""

    user_id: int
    state: JsonObject = field(default_factory=dict)
    entries: list[bytes] = field(default_factory=list)
    verdicts: dict[str, tuple[bytes, JsonObject]] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.state = {
            "profile": {"id": self.user_id, "name": f"guest {self.user_id}", "bio": "", "version": 1},
            "preferences": {"theme": "system", "version": 1},
        }

    @property
    def cursor(self) -> str:
        """The head, as a cursor."""
        return f"{EPOCH}.{len(self.entries)}.0"

    def append(self, items: list[JsonObject]) -> int:
        """Commit one entry and wake everybody who follows; return its seq."""
        seq = len(self.entries) + 1
        for item in items:
            if "patch" in item:
                self.state = merged(self.state, item["patch"])
        frame = {"type": "entry", "stream": "user", "seq": seq, "at": "2026-01-01T00:00:00Z", "items": items}
        self.entries.append(orjson.dumps(frame))
        self.changed.set()
        self.changed = asyncio.Event()
        return seq

    def mutate(self, wire: JsonObject) -> JsonObject:
        """Run one mutation; return its verdict, as the stored one where the mid is known."""
        mid = wire["mid"]
        fingerprint = orjson.dumps([wire["name"], wire["args"], wire.get("if_version")])
        known = self.verdicts.get(mid)
        if known is not None:
            if known[0] != fingerprint:
                return {"mid": mid, "status": "rolled_back", "error": error("mid_reused", "validation")}
            return {**known[1], "duplicate": True}
        rule = RULES.get(wire["name"])
        if rule is None:
            return {"mid": mid, "status": "rolled_back", "error": error("unknown_mutation", "validation")}
        kind, patch, code = rule(self.state, wire["args"], f"s{len(self.entries) + 1}")
        version = wire.get("if_version")
        if code is None and version is not None:
            thing = wire["name"].split(".")[0]
            if self.state.get(thing, {}).get("version") != version:
                code = "conflict"
        verdict: JsonObject = {"mid": mid, "status": "confirmed" if code is None else "rolled_back"}
        items: list[JsonObject] = []
        if code is None:
            items.append({"kind": kind, "patch": patch})
            verdict["result"] = patch
        else:
            verdict["error"] = error(code)
            verdict["current"] = {key: self.state.get(key) for key in ("session",)}
        seq = self.append([*items, {"kind": "verdict", **verdict}])
        verdict["seq"] = seq
        self.verdicts[mid] = (fingerprint, verdict)
        return verdict


Ruling = tuple[str, JsonObject, str | None]


def _start(state: JsonObject, args: JsonObject, new_id: str) -> Ruling:
    if state.get("session"):
        return "", {}, "session_already_active"
    session = {"id": new_id, "activity": args["activity"], "status": "active", "version": 1}
    return "session.started", {"session": session}, None


def _session(kind: str, status: str | None) -> Callable[[JsonObject, JsonObject, str], Ruling]:
    def rule(state: JsonObject, args: JsonObject, _new_id: str) -> Ruling:
        session = state.get("session")
        if not session or session["id"] != args["id"]:
            return "", {}, "session_not_active"
        if status == "ended":
            return kind, {"session": None}, None
        changed: JsonObject = {"version": session["version"] + 1}
        if status is None:
            changed["activity"] = args["activity"]
        else:
            changed["status"] = status
        return kind, {"session": changed}, None

    return rule


def _preferences(state: JsonObject, args: JsonObject, _new_id: str) -> Ruling:
    version = state["preferences"]["version"] + 1
    return "preferences.changed", {"preferences": {**args["values"], "version": version}}, None


def _profile(state: JsonObject, args: JsonObject, _new_id: str) -> Ruling:
    return "profile.changed", {"profile": {**args, "version": state["profile"]["version"] + 1}}, None


RULES: dict[str, Callable[[JsonObject, JsonObject, str], Ruling]] = {
    "session.start": _start,
    "session.update": _session("session.updated", None),
    "session.pause": _session("session.paused", "paused"),
    "session.resume": _session("session.resumed", "active"),
    "session.end": _session("session.ended", "ended"),
    "preferences.set": _preferences,
    "profile.update": _profile,
}
