"""Frames as a server would send them, for tests of the client's protocol core."""

from __future__ import annotations

from typing import Any

from idling_ws.client.events import Event
from idling_ws.client.outbox import Mutation
from idling_ws.client.protocol import ClientProtocol

JsonObject = dict[str, Any]

CLIENT = {"id": "device-1", "name": "test", "version": "0"}


def welcome(user: int = 0, shared: int = 0, *, state: JsonObject | None = None, **more: Any) -> JsonObject:
    """A welcome at that head: with a state a fresh start, without one resumed."""
    frame: JsonObject = {
        "type": "welcome",
        "cursor": f"e1.{user}.{shared}",
        "resumed": state is None,
        "user": {"id": 1},
        "instance": "a",
        "heartbeat_s": 25,
        "limits": {"frame_bytes": 32768, "messages_per_s": 1000, "pending_mutations": 4},
    }
    if state is not None:
        frame |= {"state": state, "reason": "new"}
    return frame | more


def entry(seq: int, patch: JsonObject | None = None, *, stream: str = "user", **verdict: Any) -> JsonObject:
    """An entry with one effect, and with a verdict if ``mid`` is given."""
    items: list[JsonObject] = [] if patch is None else [{"kind": "thing.changed", "patch": patch}]
    if verdict:
        items.append({"kind": "verdict", "status": "confirmed", **verdict})
    return {"type": "entry", "stream": stream, "seq": seq, "at": "2026-01-01T00:00:00Z", "items": items}


def opened(state: JsonObject | None = None, *, user: int = 0) -> ClientProtocol:
    """A core that was welcomed with a fresh state and owes nothing."""
    core = ClientProtocol(CLIENT)
    core.opened(0.0)
    core.take(0.0)
    core.receive(welcome(user, state=state or {}), 0.0)
    return core


def submitted(core: ClientProtocol, mid: str, kind: str = "profile.update", /, **args: Any) -> Mutation:
    """Queue a mutation."""
    mutation = Mutation(mid, kind, args)
    core.submit(mutation)
    return mutation


def kinds(events: list[Event]) -> list[str]:
    """The names of what happened."""
    return [type(event).__name__ for event in events]


def types(frames: list[JsonObject]) -> list[str]:
    """The types of what goes out."""
    return [frame["type"] for frame in frames]
