"""Notifications: what somebody is told that happened while they looked elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from idling_ws.domain.clock import rfc3339
from idling_ws.domain.entries import Item, effect
from idling_ws.domain.errors import JsonObject

MAX_SHOWN = 200
"""How many stand in ``state``; a new one lets the oldest fall out."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification. ``level`` is ``info``, ``success``, ``warning`` or ``error``."""

    id: str
    user_id: int
    kind: str
    level: str
    title: str
    created_at: datetime
    body: str | None = None
    data: JsonObject | None = None
    read: bool = False

    @classmethod
    def from_row(cls, row: JsonObject) -> Notification:
        """Return the notification of a database row as JSON."""
        return cls(
            row["id"],
            row["user_id"],
            row["kind"],
            row["level"],
            row["title"],
            datetime.fromisoformat(row["created_at"]),
            row["body"],
            row["data"],
            row["read"],
        )

    def to_state(self) -> JsonObject:
        """Return it as it stands in ``state``, under its id."""
        shown: JsonObject = {
            "id": self.id,
            "kind": self.kind,
            "level": self.level,
            "title": self.title,
            "read": self.read,
            "created_at": rfc3339(self.created_at),
        }
        if self.body is not None:
            shown["body"] = self.body
        if self.data is not None:
            shown["data"] = self.data
        return shown


@dataclass(frozen=True, slots=True)
class Centre:
    """What somebody's notifications are now: ``(id, is read)`` of all that were not dismissed, oldest first."""

    shown: tuple[tuple[str, bool], ...]

    @classmethod
    def from_fact(cls, fact: list[list[Any]] | None) -> Centre:
        """Return the centre of the fact ``shown_notifications``."""
        return cls(tuple((id_, read) for id_, read in fact or ()))

    @property
    def unread(self) -> int:
        """How many were not read."""
        return sum(not read for _, read in self.shown)

    def add(self, notification: Notification) -> tuple[Item, list[str]]:
        """Return the effect that adds ``notification``, and the ids that fall out."""
        shown = [*self.shown, (notification.id, notification.read)]
        fallen = shown[:-MAX_SHOWN]
        kept = Centre(tuple(shown[-MAX_SHOWN:]))
        items: JsonObject = {id_: None for id_, _ in fallen}
        items[notification.id] = notification.to_state()
        patch = {"notifications": {"unread_count": kept.unread, "items": items}}
        return effect("notification.created", patch, {"id": notification.id}), [id_ for id_, _ in fallen]
