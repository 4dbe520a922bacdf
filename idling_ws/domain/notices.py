"""Operator notices: a fault that lasts, told once when it begins and once when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from idling_ws.domain.clock import rfc3339
from idling_ws.domain.errors import JsonObject

DATABASE_AWAY = "database_away"
CANARY_DEAF = "canary_deaf"
REPLICA_AWAY = "replica_away"
DISK_FULL = "disk_full"
CLOCK_JUMP = "clock_jump"
ERRORS_MANY = "errors_many"

RAISED, ENDED = "raised", "ended"


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind of fault is called. ``body`` says what it means and where to look."""

    level: str
    title: str
    body: str
    over: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        DATABASE_AWAY: Kind(
            "error",
            "The database does not answer, or takes no changes",
            "Changes were not possible; devices keep them and send them again. See DatabaseAway in docs/operations.md.",
            "The database takes changes again",
        ),
        CANARY_DEAF: Kind(
            "warning",
            "Redis is not heard",
            "What happens on one instance reaches another up to two seconds late. See RedisNotHeard in "
            "docs/operations.md.",
            "Redis is heard again",
        ),
        REPLICA_AWAY: Kind(
            "warning",
            "A database replica is away or behind",
            "The primary does its work meanwhile; people notice nothing. See ReplicaBehind in docs/operations.md.",
            "Every replica keeps up again",
        ),
        DISK_FULL: Kind(
            "error",
            "The disk is nearly full",
            "Pictures are refused so that the database can go on. Make room. See DiskFull in docs/operations.md.",
            "There is room on the disk again",
        ),
        CLOCK_JUMP: Kind(
            "warning",
            "The clock of a machine is wrong, or jumped",
            "People notice nothing. Is a time service running there? See ClockJumped in docs/operations.md.",
            "The clock of that machine is right again",
        ),
        ERRORS_MANY: Kind(
            "error",
            "There are many errors of ours",
            "More in a minute than IDLING_ALERT_ERRORS_PER_MIN allows. Which and where: GET /api/analytics/errors.",
            "Errors of ours are few again",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Notice:
    """One fault, from when it was raised to when it ended."""

    id: str
    kind: str
    raised_at: datetime
    ended_at: datetime | None = None

    @classmethod
    def from_row(cls, row: JsonObject) -> Notice:
        """Return the notice of a database row as JSON."""
        ended_at = row["ended_at"]
        return cls(
            row["id"],
            row["kind"],
            datetime.fromisoformat(row["raised_at"]),
            datetime.fromisoformat(ended_at) if ended_at else None,
        )

    def told(self, state: str) -> tuple[str, str, str | None]:
        """Return level, title and body of what is said when it is ``raised`` or ``ended``."""
        kind = KINDS.get(self.kind)
        if kind is None:  # of a later version of the server
            return "warning", f"{self.kind}: {state}", None
        if state == RAISED:
            return kind.level, kind.title, kind.body
        return "success", kind.over, None if self.ended_at is None else f"It took {self._length()}."

    def _length(self) -> str:
        assert self.ended_at is not None, "it has ended"  # noqa: S101 -- for the type checker
        seconds = max(1, round((self.ended_at - self.raised_at).total_seconds()))
        return f"{seconds} s" if seconds < 120 else f"{round(seconds / 60)} min"

    def to_wire(self) -> JsonObject:
        """Return it for who runs the place, and for a webhook."""
        level, title, body = self.told(RAISED)
        shown: JsonObject = {
            "id": self.id,
            "kind": self.kind,
            "level": level,
            "title": title,
            "raised_at": rfc3339(self.raised_at),
        }
        if body is not None:
            shown["body"] = body
        if self.ended_at is not None:
            shown["ended_at"] = rfc3339(self.ended_at)
        return shown
