"""How this instance does, in a handful of numbers: what its pulse tells the others (``delivery.roster``)."""

from __future__ import annotations

import functools

from idling_ws import __version__
from idling_ws.delivery.roster import Roster
from idling_ws.domain.clock import rfc3339
from idling_ws.domain.errors import JsonObject
from idling_ws.edge.parts import Parts
from idling_ws.edge.sockets import Sockets


class Figures:
    """Counts since the last look, as rates."""

    def __init__(self, parts: Parts, sockets: Sockets) -> None:
        self._parts = parts
        self._sockets = sockets
        self._started_at = rfc3339(parts.clock.now())
        self._at = parts.clock.monotonic()
        self._before = self._counts()

    def _counts(self) -> tuple[float, ...]:
        metrics = self._parts.metrics
        errors = sum(metrics.error_counts.totals().values())
        return metrics.settled, self._parts.hub.delivered, errors, metrics.settled_s

    def __call__(self) -> JsonObject:
        """Return how it does now."""
        parts, now = self._parts, self._parts.clock.monotonic()
        counts, took_s = self._counts(), max(now - self._at, 0.001)
        settled, delivered, errors, settled_s = (new - old for new, old in zip(counts, self._before, strict=True))
        self._before, self._at = counts, now
        return {
            "version": __version__,
            "started_at": self._started_at,
            "status": self._status(),
            "parts": {
                "postgres": self._postgres(),
                "redis": parts.fanout.lines,
                "canary": "ok" if parts.fanout.healthy else "deaf",
                **parts.replicas.parts(),
                **parts.health.parts(),
            },
            "connections": parts.hub.recipient_count,
            "sockets": len(self._sockets),
            "mutations_per_s": round(settled / took_s, 1),
            "deliveries_per_s": round(delivered / took_s, 1),
            "errors_per_s": round(errors / took_s, 1),
            "confirm_ms": round(1000 * settled_s / settled, 1) if settled else None,
            "lag_ms": round(1000 * parts.metrics.echo_s, 1) if parts.fanout.healthy else None,
        }

    def _status(self) -> str:
        parts = self._parts
        if parts.draining:
            return "draining"
        if not parts.database_answers():
            return "unready"
        well = parts.fanout.connected and parts.fanout.healthy and parts.health.database_takes_changes()
        return "ready" if well else "degraded"

    def _postgres(self) -> str:
        parts = self._parts
        if not parts.database_answers():
            return "down"
        if parts.health.database_takes_changes():
            return "ok"
        return "full" if parts.database.is_full else "read only"


def open_roster(roster: Roster, parts: Parts, sockets: Sockets) -> None:
    """Let the others hear of this instance, and this one of them."""
    roster.figures = Figures(parts, sockets)
    roster.connections = functools.partial(connections_here, sockets)
    roster.start()


def connections_here(sockets: Sockets, user_id: int) -> list[JsonObject]:
    """Return where a user is connected to this instance."""
    return [device.about() for device in sockets.of_user(user_id)]
