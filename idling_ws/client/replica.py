"""The replica: one user's confirmed state, and the rule by which entries enter it.

Delivery is at least once, applying exactly once: an entry is taken when its ``seq``
is the next of its stream, dropped when it is known, and refused when something
before it is missing. Everything the client promises rests on these three lines.
"""

from __future__ import annotations

from enum import Enum

from idling_ws.client.merge_patch import merged
from idling_ws.client.shapes import SHARED, USER, Cursor, Entry, JsonObject


class Outcome(Enum):
    """What became of an entry that came in."""

    APPLIED = "applied"
    KNOWN = "known"
    GAP = "gap"


class Replica:
    """The confirmed state at a cursor. Empty, without a cursor, until the first snapshot."""

    def __init__(self, cursor: Cursor | None = None, state: JsonObject | None = None) -> None:
        self.epoch = "" if cursor is None else cursor.epoch
        self._seqs = {
            USER: 0 if cursor is None else cursor.user,
            SHARED: 0 if cursor is None else cursor.shared,
        }
        self.state: JsonObject = {} if state is None else state

    @property
    def cursor(self) -> Cursor | None:
        """How far this replica is; None before the first snapshot."""
        return Cursor(self.epoch, self._seqs[USER], self._seqs[SHARED]) if self.epoch else None

    @property
    def user_seq(self) -> int:
        """The last entry of the user's own stream that was applied."""
        return self._seqs[USER]

    def reset(self, cursor: Cursor, state: JsonObject) -> None:
        """Start again from a snapshot."""
        self.epoch = cursor.epoch
        self._seqs = {USER: cursor.user, SHARED: cursor.shared}
        self.state = state

    def receive(self, entry: Entry) -> Outcome:
        """Apply ``entry`` if it is the next of its stream."""
        own = self._seqs[entry.stream]
        if entry.seq <= own:
            return Outcome.KNOWN
        if entry.seq != own + 1 or not self.epoch:
            return Outcome.GAP
        for item in entry.items:
            if "patch" in item:
                self.state = merged(self.state, item["patch"])
        self._seqs[entry.stream] = entry.seq
        return Outcome.APPLIED

    def reaches(self, cursor: Cursor) -> bool:
        """Whether everything before ``cursor`` was applied."""
        return self.epoch == cursor.epoch and self._seqs[USER] >= cursor.user and self._seqs[SHARED] >= cursor.shared
