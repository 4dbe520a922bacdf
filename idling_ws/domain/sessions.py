"""Idle sessions: the state machine and how one looks from outside.

    (none) --start--> active <--pause/resume--> paused
                        |                          |
                        +---------- end -----------+--> ended

All times are UTC with whole milliseconds; a pause that is still open counts from
``paused_at`` and is added to ``paused_ms`` when it ends.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from idling_ws.domain.clock import rfc3339
from idling_ws.domain.errors import JsonObject

ACTIVE = "active"
PAUSED = "paused"
ENDED = "ended"


def _seconds(milliseconds: int) -> int | float:
    """Whole seconds stay integers, so that every JSON writer spells them alike."""
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000


def _ms_between(start: datetime, end: datetime) -> int:
    # A clock that was set back must not make a negative pause.
    return max(0, (end - start) // timedelta(milliseconds=1))


@dataclass(frozen=True, slots=True)
class Session:
    """One idle session of one user."""

    id: str
    user_id: int
    activity: str
    emoji: str | None
    status: str
    started_at: datetime
    paused_at: datetime | None = None
    paused_ms: int = 0
    ended_at: datetime | None = None
    end_reason: str | None = None
    version: int = 1

    @classmethod
    def from_row(cls, row: JsonObject) -> Session:
        """Return the session of a database row as JSON: times as ISO 8601 text."""

        def moment(key: str) -> datetime | None:
            return datetime.fromisoformat(row[key]) if row.get(key) else None

        started_at = moment("started_at")
        assert started_at is not None, "the column is NOT NULL"  # noqa: S101 -- for the type checker
        return cls(
            id=row["id"],
            user_id=row["user_id"],
            activity=row["activity"],
            emoji=row["emoji"],
            status=row["status"],
            started_at=started_at,
            paused_at=moment("paused_at"),
            paused_ms=row["paused_ms"],
            ended_at=moment("ended_at"),
            end_reason=row["end_reason"],
            version=row["version"],
        )

    def update(self, changes: dict[str, Any]) -> Session:
        """Return it with other words or another emoji."""
        return replace(self, **changes, version=self.version + 1)

    def pause(self, now: datetime) -> Session:
        """Return it standing still since ``now``."""
        return replace(self, status=PAUSED, paused_at=now, version=self.version + 1)

    def resume(self, now: datetime) -> Session:
        """Return it running again, the pause added up."""
        return replace(
            self, status=ACTIVE, paused_at=None, paused_ms=self._paused_ms_until(now), version=self.version + 1
        )

    def end(self, now: datetime, reason: str) -> Session:
        """Return it ended at ``now``; ``reason`` is ``user`` or ``timeout``."""
        return replace(
            self,
            status=ENDED,
            paused_at=None,
            paused_ms=self._paused_ms_until(now),
            ended_at=now,
            end_reason=reason,
            version=self.version + 1,
        )

    def duration_ms(self, now: datetime) -> int:
        """Return how long it has run without its pauses, milliseconds."""
        until = self.ended_at or now
        return max(0, _ms_between(self.started_at, until) - self._paused_ms_until(until))

    def to_state(self) -> JsonObject:
        """Return it as it stands in ``state``: members without a value are absent (RFC 7386 has no null)."""
        state: JsonObject = {
            "id": self.id,
            "activity": self.activity,
            "status": self.status,
            "started_at": rfc3339(self.started_at),
            "paused_s": _seconds(self.paused_ms),
            "version": self.version,
        }
        if self.emoji is not None:
            state["emoji"] = self.emoji
        if self.paused_at is not None:
            state["paused_at"] = rfc3339(self.paused_at)
        return state

    def to_history(self, now: datetime) -> JsonObject:
        """Return it as REST lists it: as in ``state``, and how it ended."""
        shown = self.to_state()
        shown["duration_s"] = _seconds(self.duration_ms(now))
        if self.ended_at is not None:
            shown["ended_at"] = rfc3339(self.ended_at)
            shown["end_reason"] = self.end_reason
        return shown

    def to_row(self) -> dict[str, Any]:
        """Return its columns."""
        return asdict(self)

    def _paused_ms_until(self, now: datetime) -> int:
        return self.paused_ms + (_ms_between(self.paused_at, now) if self.paused_at is not None else 0)


def with_duration(shown: JsonObject, now: datetime) -> JsonObject:
    """Return a session as it stands in ``state`` with ``duration_s`` as of ``now``; one that has it stays."""
    if "duration_s" in shown:
        return shown
    until = datetime.fromisoformat(shown["paused_at"]) if "paused_at" in shown else now
    running_ms = _ms_between(datetime.fromisoformat(shown["started_at"]), until)
    return {**shown, "duration_s": _seconds(max(0, running_ms - round(shown["paused_s"] * 1000)))}


def state_patch(old: Session, new: Session) -> JsonObject:
    """Return the merge patch that turns one session's state into the next."""
    before, after = old.to_state(), new.to_state()
    patch: JsonObject = {key: value for key, value in after.items() if before.get(key) != value}
    patch.update({key: None for key in before if key not in after})
    return patch
