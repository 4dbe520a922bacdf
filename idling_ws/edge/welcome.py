"""The first thing a device is told: who it is, from where it goes on, and what it may (protocol, section 2)."""

from __future__ import annotations

from typing import Any

from idling_ws.delivery.joining import Joined
from idling_ws.domain.clock import rfc3339
from idling_ws.edge.parts import Parts
from idling_ws.wire import frames


def welcome(parts: Parts, connection_id: str, joined: Joined, token_expires_in_s: int | None) -> bytes:
    """Return a ``welcome``: with ``state`` where a fresh one was needed, and the ``reason`` for that."""
    settings = parts.settings
    message: dict[str, Any] = {
        "connection": connection_id,
        "instance": parts.instance,
        "user": joined.position.profile.to_user(),
        "cursor": str(joined.head),
        "resumed": joined.resumed,
        "heartbeat_s": _shortest(settings.heartbeat_s),
        "limits": {
            "frame_bytes": settings.frame_bytes,
            "messages_per_s": _shortest(settings.messages_per_s),
            "pending_mutations": settings.pending_mutations,
        },
        "server_time": rfc3339(parts.clock.now()),
    }
    if joined.reason is not None:
        message["reason"] = joined.reason
    if joined.position.state is not None:
        message["state"] = joined.position.state
    if token_expires_in_s is not None:
        message["token_expires_in_s"] = token_expires_in_s
    return frames.plain("welcome", **message)


def _shortest(seconds: float) -> int | float:
    return int(seconds) if seconds.is_integer() else seconds
