"""Topics: what a socket may subscribe to, and who may, by the policy. What is not here, nobody may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from idling_ws.delivery import lobby, roster
from idling_ws.domain.errors import DeniedError, InvalidError, JsonObject
from idling_ws.edge.auditing import note_socket, note_watching
from idling_ws.edge.parts import Parts
from idling_ws.identity.policy import allow
from idling_ws.mutations.pipeline import Asker
from idling_ws.wire import frames
from idling_ws.wire.tracing import new_trace_id

if TYPE_CHECKING:
    from idling_ws.edge.socket import DeviceSocket

# topic: the action that it takes
ACTIONS = {lobby.TOPIC: "lobby.watch", roster.VIEW: "admin.view", roster.TAIL: "admin.tail"}


def subscribe(parts: Parts, socket: DeviceSocket, asker: Asker, message: JsonObject) -> None:
    """Tell ``socket`` of a topic from now on. Raises ``InvalidError``, ``DeniedError``."""
    topic = _topic(message)
    try:
        allow(asker.roles, ACTIONS[topic])
    except DeniedError as exc:
        note_socket(parts, ACTIONS[topic], exc, user_id=socket.user_id, address=socket.address, trace_id=new_trace_id())
        raise
    socket.send(frames.plain("subscribed", topic=topic))
    if topic == lobby.TOPIC:
        parts.lobby.watch(socket)
        return
    note_watching(parts, ACTIONS[topic], asker)
    parts.roster.watch(topic, socket)


def unsubscribe(parts: Parts, socket: DeviceSocket, message: JsonObject) -> None:
    """Tell ``socket`` no more of a topic. Raises ``InvalidError``."""
    topic = _topic(message)
    if topic == lobby.TOPIC:
        parts.lobby.unwatch(socket)
    else:
        parts.roster.unwatch(topic, socket)
    socket.send(frames.plain("unsubscribed", topic=topic))


def leave(parts: Parts, socket: DeviceSocket) -> None:
    """Tell ``socket`` of nothing any more."""
    parts.lobby.unwatch(socket)
    parts.roster.unwatch(roster.VIEW, socket)
    parts.roster.unwatch(roster.TAIL, socket)


def _topic(message: JsonObject) -> str:
    topic: Any = message.get("topic")
    if not isinstance(topic, str) or topic not in ACTIONS:
        raise InvalidError("bad_frame", fields={"topic": [f"Not one of: {', '.join(ACTIONS)}."]})
    return topic
