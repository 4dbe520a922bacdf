"""The lineage of a device: its place in both streams, over all its connections.

Two things are followed. What the line brought must go up by one from where it began,
or come again from behind; a jump ahead is a loss or a reorder even if the client healed
it. What the client applied must go up by exactly one, whatever the line did.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from idling_ws.client.shapes import SHARED, USER, Cursor, ShapeError
from idling_ws.proof.findings import Findings, Promise
from idling_ws.proof.reading import Place, Record, UnusableError


def cursor_at(record: Record, key: str, place: Place) -> Cursor:
    """Return the cursor of a record. Raises ``UnusableError``."""
    try:
        return Cursor.parse(record[key])
    except ShapeError as error:
        raise UnusableError(f"{place}: {error}") from error


@dataclass(slots=True)
class _Place:
    """A position in one stream: applied so far, and last brought by this line (-1: nothing yet)."""

    applied: int = 0
    brought: int = -1
    skipped: set[int] = field(default_factory=set)


# So many skipped numbers are remembered, to tell a late entry from a lost one.
_REMEMBERED = 1000


class Lineage:
    """One device of one user."""

    def __init__(self, device: str, user: int, findings: Findings) -> None:
        self.device = device
        self.user = user
        self.epoch = ""
        # None until the last line of this device; then whether it was asked to reach a goal.
        self.goal: Cursor | None = None
        self.ended = False
        self._findings = findings
        self._asked: Cursor | None = None
        self._welcomed = False
        self._streams = {USER: _Place(), SHARED: _Place()}

    @property
    def cursor(self) -> Cursor:
        """How far this device applied both streams."""
        return Cursor(self.epoch, self._streams[USER].applied, self._streams[SHARED].applied)

    def connect(self, record: Record, place: Place) -> None:
        """A line is opened from the cursor that the device holds."""
        self._asked = None if record.get("cursor") is None else cursor_at(record, "cursor", place)
        self._welcomed = False
        if self._asked is not None and self.epoch and self._asked != self.cursor:
            self._refute(Promise.P4, f"claims {self._asked}, but has applied up to {self.cursor}", place)

    def welcome(self, record: Record, place: Place) -> Cursor:
        """The server resumed, or gave a fresh state and said why. Return its head."""
        head = cursor_at(record, "head", place)
        self._welcomed = True
        if record["resumed"]:
            begin = self._asked
            if begin is None or begin.epoch != head.epoch:
                self._refute(Promise.P5, f"was resumed at {head} from {begin}", place)
                begin = head
            self._findings.count(Promise.P5, "resumed connections")
            if not self.epoch:
                # It came with a cursor from an earlier life: the history begins there.
                self._move_to(begin)
        else:
            self._check_reset(record, head, place)
            self._move_to(head)
            begin = head
        for stream, seq in ((USER, begin.user), (SHARED, begin.shared)):
            self._streams[stream].brought = seq
            self._streams[stream].skipped.clear()
        return head

    def _check_reset(self, record: Record, head: Cursor, place: Place) -> None:
        reason = record.get("reason")
        if self._asked is None:
            self._findings.count(Promise.P5, "first connections")
            return
        self._findings.count(Promise.P5, f"fresh starts ({reason})")
        if reason in (None, "new"):
            self._refute(Promise.P5, f"came with {self._asked} and was started afresh without a reason", place)
        if self.epoch == head.epoch and not head.reaches(self.cursor):
            self._refute(Promise.P5, f"was sent back from {self.cursor} to {head}", place)

    def _move_to(self, cursor: Cursor) -> None:
        self.epoch = cursor.epoch
        self._streams[USER].applied = cursor.user
        self._streams[SHARED].applied = cursor.shared

    def resume(self, record: Record, place: Place) -> None:
        """The client asked for missing entries: older ones are expected again."""
        del record, place
        for stream in self._streams.values():
            stream.skipped.clear()
        self._findings.count(Promise.P5, "resumes within a connection")

    def entry(self, record: Record, place: Place) -> None:
        """An entry came in."""
        name: str = record["stream"]
        stream = self._streams.get(name)
        if stream is None:
            raise UnusableError(f"{place}: unknown stream {name!r:.40}")
        seq: int = record["seq"]
        self._findings.count(Promise.P4, "receipts")
        if not self._welcomed:
            self._refute(Promise.P4, f"got {name} entry {seq} before its welcome", place)
        self._check_line(name, stream, seq, place)
        self._check_applied(name, stream, seq, record["outcome"], place)

    def _check_line(self, name: str, stream: _Place, seq: int, place: Place) -> None:
        if seq in stream.skipped:
            stream.skipped.discard(seq)
            self._refute(Promise.P4, f"{name} entry {seq} came late, after {stream.brought}", place)
        elif stream.brought >= 0 and seq > stream.brought + 1:
            self._refute(Promise.P4, f"{name} entry {seq} came after {stream.brought}", place)
            stream.skipped.update(range(stream.brought + 1, min(seq, stream.brought + _REMEMBERED)))
        elif seq <= stream.brought:
            self._findings.count(Promise.P4, "repeated receipts, dropped")
        stream.brought = seq

    def _check_applied(self, name: str, stream: _Place, seq: int, outcome: str, place: Place) -> None:
        if outcome == "applied":
            if seq != stream.applied + 1:
                self._refute(Promise.P4, f"{name} entry {seq} was applied after {stream.applied}", place)
            stream.applied = seq
        elif outcome == "known":
            if seq > stream.applied:
                self._refute(
                    Promise.P4, f"{name} entry {seq} was dropped as known at {stream.applied}: it is lost", place
                )
        elif outcome != "gap":
            raise UnusableError(f"{place}: unknown outcome {outcome!r:.40}")

    def final(self, record: Record, place: Place) -> None:
        """The device ends here."""
        self.ended = True
        if record.get("goal") is not None:
            self.goal = cursor_at(record, "goal", place)
        if record["cursor"] is None:
            return
        cursor = cursor_at(record, "cursor", place)
        if cursor != self.cursor:
            self._refute(
                Promise.P4,
                f"ended at {cursor}, but what it applied ends at {self.cursor}: entries are lost",
                place,
            )
        if self.goal is not None and not cursor.reaches(self.goal):
            self._refute(Promise.P4, f"ended at {cursor} and never reached {self.goal}", place)

    def _refute(self, promise: Promise, what: str, place: Place) -> None:
        self._findings.refute(promise, f"device {self.device}: {what}", place)
