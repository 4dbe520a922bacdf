"""Custom emoji: pictures that people bring, shown to others once a moderator has approved them.

pending --approve--> approved
   +----reject-----> rejected
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from idling_ws.domain.clock import rfc3339
from idling_ws.domain.errors import JsonObject

PENDING = "pending"
APPROVED = "approved"
REJECTED = "rejected"
PREFIX = "c_"
MAX_PER_USER = 100


@dataclass(frozen=True, slots=True)
class CustomEmoji:
    """One custom emoji. ``digest`` names its file; ``id`` begins with ``c_``."""

    id: str
    user_id: int
    name: str
    digest: str
    media_type: str
    width: int
    height: int
    is_animated: bool
    status: str
    created_at: datetime
    reviewed_at: datetime | None = None
    reviewed_by: int | None = None
    deleted_at: datetime | None = None
    version: int = 1

    @classmethod
    def from_row(cls, row: JsonObject) -> CustomEmoji:
        """Return the custom emoji of a database row as JSON."""

        def moment(key: str) -> datetime | None:
            return datetime.fromisoformat(row[key]) if row.get(key) else None

        return cls(
            row["id"],
            row["user_id"],
            row["name"],
            row["digest"],
            row["media_type"],
            row["width"],
            row["height"],
            row["is_animated"],
            row["status"],
            datetime.fromisoformat(row["created_at"]),
            moment("reviewed_at"),
            row["reviewed_by"],
            moment("deleted_at"),
            row["version"],
        )

    def review(self, now: datetime, by: int, *, approve: bool) -> CustomEmoji:
        """Return it as a moderator decided."""
        status = APPROVED if approve else REJECTED
        return replace(self, status=status, reviewed_at=now, reviewed_by=by, version=self.version + 1)

    def delete(self, now: datetime) -> CustomEmoji:
        """Return it gone."""
        return replace(self, deleted_at=now, version=self.version + 1)

    def to_state(self) -> JsonObject:
        """Return it as it stands in its owner's ``state``, under its id."""
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "url": f"/files/{self.digest}",
            "media_type": self.media_type,
            "width": self.width,
            "height": self.height,
            "is_animated": self.is_animated,
            "created_at": rfc3339(self.created_at),
            "version": self.version,
        }
