"""What all devices together saw of every stream: one digest for each entry.

Two devices of a user must have got the same entry under the same ``seq``, and no entry
may have come to two users.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import pairwise

from idling_ws.client.shapes import SHARED, Cursor
from idling_ws.proof.columns import SeqColumn, number_of
from idling_ws.proof.findings import Findings, Promise
from idling_ws.proof.reading import Place, Record

# The stream that belongs to everybody is kept under a user that does not exist.
EVERYBODY = 0


class StreamLog:
    """One stream in one life of the log: its digests, and since when its last entry is known."""

    __slots__ = ("column", "top", "top_known_at")

    def __init__(self) -> None:
        self.column = SeqColumn()
        self.top = 0
        self.top_known_at = 0.0

    def known(self, seq: int, at: float) -> None:
        """Note that the entry ``seq`` existed at ``at``."""
        if seq > self.top or (seq == self.top and at < self.top_known_at):
            self.top, self.top_known_at = seq, at


class Streams:
    """All streams of a history, by owner and epoch."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._logs: dict[tuple[int, str], StreamLog] = {}

    def log(self, user: int, epoch: str) -> StreamLog:
        """Return the stream of ``user``; ``EVERYBODY`` for the shared one."""
        log = self._logs.get((user, epoch))
        if log is None:
            log = self._logs[user, epoch] = StreamLog()
        return log

    def items(self) -> Iterator[tuple[tuple[int, str], StreamLog]]:
        """Yield every stream with its owner and epoch."""
        return iter(self._logs.items())

    def see(self, user: int, epoch: str, record: Record, place: Place) -> bool:
        """Take in a received entry; return whether it is the first sight of it."""
        seq: int = record["seq"]
        owner = EVERYBODY if record["stream"] == SHARED else user
        log = self.log(owner, epoch)
        log.known(seq, record["t"])
        digest = number_of(record["digest"])
        before = log.column.get(seq)
        if not before:
            log.column.put(seq, digest)
            self._findings.count(Promise.P4, "entries")
            return True
        if before != digest:
            self._findings.refute(
                Promise.P4,
                f"device {record['d']}: {record['stream']} entry {seq} of user {user} is not what another device got",
                place,
            )
        return False

    def note(self, user: int, cursor: Cursor, at: float) -> None:
        """Take in a head that the server named."""
        self.log(user, cursor.epoch).known(cursor.user, at)
        self.log(EVERYBODY, cursor.epoch).known(cursor.shared, at)

    def find_foreign(self) -> None:
        """Refute every entry that two users got. An entry holds ids and times, so equals are the same one."""
        digests = array("Q")
        for (owner, _epoch), log in self._logs.items():
            if owner != EVERYBODY:
                digests.extend(digest for _, digest in log.column)
        ordered = sorted(digests)
        doubles = {first for first, second in pairwise(ordered) if first == second}
        if not doubles:
            return
        seen: dict[int, tuple[int, int]] = {}
        for (owner, _epoch), log in self._logs.items():
            if owner == EVERYBODY:
                continue
            for seq, digest in log.column:
                if digest not in doubles:
                    continue
                other, other_seq = seen.setdefault(digest, (owner, seq))
                if other != owner:
                    self._findings.refute(
                        Promise.P4,
                        f"user {owner} got as entry {seq} what user {other} got as entry {other_seq}",
                    )
                elif other_seq != seq:
                    self._findings.refute(Promise.P4, f"user {owner} got the same entry as {other_seq} and as {seq}")
