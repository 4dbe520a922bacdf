"""What travels: entries, verdicts and welcomes, read from JSON with the doubts a stranger deserves.

The client is there to check the server, so it shares no schema with it: what it
needs of a frame it reads here, by hand, and everything else it ignores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

JsonObject = dict[str, Any]

USER = "user"
SHARED = "all"

CONFIRMED = "confirmed"
ROLLED_BACK = "rolled_back"


class ShapeError(ValueError):
    """A field is missing or is not what it should be."""


def text_at(source: JsonObject, key: str) -> str:
    """Return the string at ``key``. Raises ``ShapeError``."""
    value = source.get(key)
    if not isinstance(value, str):
        raise ShapeError(f"{key} should be a string, is {value!r:.80}")
    return value


def whole_at(source: JsonObject, key: str) -> int:
    """Return the whole number at ``key``. Raises ``ShapeError``."""
    value = source.get(key)
    # bool is an int to Python, but not to JSON.
    if not isinstance(value, int) or isinstance(value, bool):
        raise ShapeError(f"{key} should be a whole number, is {value!r:.80}")
    return value


def object_at(source: JsonObject, key: str) -> JsonObject:
    """Return the object at ``key``. Raises ``ShapeError``."""
    value = source.get(key)
    if not isinstance(value, dict):
        raise ShapeError(f"{key} should be an object, is {value!r:.80}")
    return value


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far both streams were applied, within one life of the log."""

    epoch: str
    user: int
    shared: int

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read ``<epoch>.<user seq>.<all seq>``. Raises ``ShapeError``."""
        parts = text.split(".")
        if len(parts) != 3 or not parts[0] or not (parts[1].isdecimal() and parts[2].isdecimal()):
            raise ShapeError(f"not a cursor: {text!r:.80}")
        return cls(parts[0], int(parts[1]), int(parts[2]))

    def __str__(self) -> str:
        return f"{self.epoch}.{self.user}.{self.shared}"

    def reaches(self, other: Cursor) -> bool:
        """Whether everything before ``other`` was applied here, in the same epoch."""
        return self.epoch == other.epoch and self.user >= other.user and self.shared >= other.shared


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a mutation ended. ``seq`` names its entry; None when nothing was stored.

    ``duplicate`` is true when the server had settled this ``mid`` before.
    """

    mid: str
    status: str
    seq: int | None = None
    result: JsonObject | None = None
    error: JsonObject | None = None
    current: JsonObject | None = None
    duplicate: bool = False

    @property
    def confirmed(self) -> bool:
        """Whether the change is committed."""
        return self.status == CONFIRMED

    @property
    def code(self) -> str | None:
        """The error code of a verdict that was rolled back."""
        return None if self.error is None else str(self.error.get("code"))

    @classmethod
    def read(cls, source: JsonObject, seq: int | None = None) -> Verdict:
        """Read a verdict item, frame or REST answer. Raises ``ShapeError``."""
        status = text_at(source, "status")
        if status not in (CONFIRMED, ROLLED_BACK):
            raise ShapeError(f"a verdict cannot be {status!r:.80}")
        return cls(
            mid=text_at(source, "mid"),
            status=status,
            seq=seq if seq is not None else source.get("seq"),
            result=source.get("result"),
            error=source.get("error"),
            current=source.get("current"),
            duplicate=bool(source.get("duplicate", False)),
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """What one committed transaction told one stream. ``source`` is the frame as it came."""

    stream: str
    seq: int
    items: list[JsonObject]
    source: JsonObject

    @classmethod
    def read(cls, source: JsonObject) -> Entry:
        """Read an entry frame. Raises ``ShapeError``."""
        stream = text_at(source, "stream")
        if stream not in (USER, SHARED):
            raise ShapeError(f"unknown stream {stream!r:.80}")
        items = source.get("items")
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ShapeError("items should be a list of objects")
        return cls(stream, whole_at(source, "seq"), items, source)

    def verdict(self) -> Verdict | None:
        """Return the verdict that ends this entry, if a mutation made it. Raises ``ShapeError``."""
        if not self.items or self.items[-1].get("kind") != "verdict":
            return None
        return Verdict.read(self.items[-1], self.seq)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server asks clients to keep to."""

    frame_bytes: int = 32 * 1024
    messages_per_s: float = 20.0
    pending_mutations: int = 32

    @classmethod
    def read(cls, source: JsonObject) -> Limits:
        """Read the ``limits`` of a welcome; what is missing keeps a careful default."""
        known = {
            name: source[name]
            for name in ("frame_bytes", "messages_per_s", "pending_mutations")
            if isinstance(source.get(name), (int, float)) and source[name] > 0
        }
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Welcome:
    """The server's answer to ``hello``. ``state`` is there exactly when not resumed."""

    cursor: Cursor
    resumed: bool
    reason: str | None
    state: JsonObject | None
    user: JsonObject
    instance: str
    limits: Limits
    heartbeat_s: float
    token_expires_in_s: float | None

    @classmethod
    def read(cls, source: JsonObject) -> Welcome:
        """Read a welcome frame. Raises ``ShapeError``."""
        resumed = source.get("resumed") is True
        if not resumed:
            object_at(source, "state")
        expires = source.get("token_expires_in_s")
        heartbeat = source.get("heartbeat_s", 25)
        if not isinstance(heartbeat, (int, float)) or heartbeat <= 0:
            raise ShapeError(f"heartbeat_s should be a positive number, is {heartbeat!r:.80}")
        return cls(
            cursor=Cursor.parse(text_at(source, "cursor")),
            resumed=resumed,
            reason=source.get("reason"),
            state=None if resumed else source["state"],
            user=source.get("user") or {},
            instance=str(source.get("instance", "")),
            limits=Limits.read(source.get("limits") or {}),
            heartbeat_s=float(heartbeat),
            token_expires_in_s=float(expires) if isinstance(expires, (int, float)) else None,
        )
