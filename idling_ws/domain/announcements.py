"""Announcements: what the place says to everybody, or to those who have a role, from a start to an end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from idling_ws.domain.clock import rfc3339
from idling_ws.domain.errors import JsonObject
from idling_ws.domain.roles import ADMIN, MEMBER, MODERATOR, ROLES

LEVELS = ("info", "success", "warning", "error")
EVERYONE = "everyone"
AUDIENCES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        EVERYONE: ROLES,
        "members": (MEMBER, MODERATOR, ADMIN),
        "moderators": (MODERATOR, ADMIN),
        "admins": (ADMIN,),
    }
)
"""The roles that each audience is made of."""

Status = Literal["scheduled", "standing", "over"]


@dataclass(frozen=True, slots=True)
class Announcement:
    """One announcement. To everyone it stands in ``state`` until an entry takes it down; a narrower audience is
    told of it by notifications. ``published_at`` is None until it started.
    """

    id: str
    title: str
    level: str
    published_by: int
    audience: str = EVERYONE
    body: str | None = None
    starts_at: datetime | None = None
    published_at: datetime | None = None
    expires_at: datetime | None = None
    withdrawn_at: datetime | None = None

    @classmethod
    def from_row(cls, row: JsonObject) -> Announcement:
        """Return the announcement of a database row as JSON."""
        return cls(
            row["id"],
            row["title"],
            row["level"],
            row["published_by"],
            row["audience"],
            row["body"],
            *[
                datetime.fromisoformat(row[name]) if row[name] else None
                for name in ("starts_at", "published_at", "expires_at", "withdrawn_at")
            ],
        )

    @property
    def is_for_everyone(self) -> bool:
        """Whether it goes over the stream that everybody shares."""
        return self.audience == EVERYONE

    @property
    def status(self) -> Status:
        """Whether it has yet to start, stands, or is over."""
        if self.withdrawn_at is not None:
            return "over"
        return "scheduled" if self.published_at is None else "standing"

    def is_over_at(self, now: datetime) -> bool:
        """Whether its time has passed."""
        return self.expires_at is not None and self.expires_at <= now

    def to_state(self) -> JsonObject:
        """Return it as it stands in ``state``, under its id."""
        shown: JsonObject = {"id": self.id, "title": self.title, "level": self.level}
        if self.published_at is not None:
            shown["published_at"] = rfc3339(self.published_at)
        if self.body is not None:
            shown["body"] = self.body
        if self.expires_at is not None:
            shown["expires_at"] = rfc3339(self.expires_at)
        return shown

    def to_admin(self) -> JsonObject:
        """Return it as who publishes sees it."""
        shown = {**self.to_state(), "audience": self.audience, "status": self.status}
        if self.starts_at is not None:
            shown["starts_at"] = rfc3339(self.starts_at)
        if self.withdrawn_at is not None:
            shown["withdrawn_at"] = rfc3339(self.withdrawn_at)
        return shown
