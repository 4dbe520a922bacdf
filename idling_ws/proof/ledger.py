"""The ledger: one line for each mutation, however often it was sent and told.

Kept in arrays, about 200 bytes a mutation with its id, so a million fit anywhere.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from idling_ws.client.shapes import CONFIRMED, ROLLED_BACK
from idling_ws.proof.columns import number_of
from idling_ws.proof.effects import fitting
from idling_ws.proof.findings import Findings, Promise
from idling_ws.proof.reading import Place, Record, UnusableError
from idling_ws.proof.streams import Streams

_STATUS = {CONFIRMED: 1, ROLLED_BACK: 2}
STATUS_NAMES = ("no verdict", CONFIRMED, ROLLED_BACK)

_SENT = 1
_IN_ENTRY = 2
_IN_ROWS = 4
_SEVERAL_REQUESTS = 8

REUSED = "mid_reused"


@dataclass(frozen=True, slots=True)
class Line:
    """What is known of one mutation."""

    mid: str
    user: int
    seq: int
    status: str
    sent: bool
    in_entry: bool
    in_rows: bool


class Ledger:
    """All mutations of a history."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._index: dict[str, int] = {}
        self._user = array("q")
        self._seq = array("q")
        self._status = array("B")
        self._flags = array("B")
        self._verdict = array("Q")
        self._request = array("Q")
        self._answered = array("Q")
        self._name = array("B")
        self._effects = array("H")
        self._names = _Words()
        self._effect_sets = _Words()
        # Refusals of a used mid are rare, so they may be kept as they are.
        self._refused: list[tuple[str, int, Place]] = []

    def __len__(self) -> int:
        return len(self._index)

    def _at(self, mid: str, user: int, what: str, place: Place) -> int:
        index = self._index.get(mid)
        if index is None:
            index = self._index[mid] = len(self._index)
            self._user.append(user)
            for column in (
                self._seq,
                self._status,
                self._flags,
                self._verdict,
                self._request,
                self._answered,
                self._name,
                self._effects,
            ):
                column.append(0)
        elif self._user[index] != user:
            self._findings.refute(Promise.P4, f"mutation {mid} of user {self._user[index]} {what} user {user}", place)
        return index

    def sent(self, user: int, record: Record, place: Place) -> None:
        """A device sent it, for the first time or again."""
        index = self._at(record["mid"], user, "was sent by", place)
        self._flags[index] |= _SENT
        request = number_of(record["request"])
        if not self._request[index]:
            self._request[index] = request
            self._name[index] = self._names.index(record["name"])
        elif self._request[index] != request:
            self._flags[index] |= _SEVERAL_REQUESTS
        self._findings.count(Promise.P2, "sendings")

    def told(self, user: int, record: Record, place: Place) -> None:
        """A verdict came outside of the stream."""
        index = self._at(record["mid"], user, "was told to", place)
        request = number_of(record["request"]) if record.get("request") else 0
        if record.get("code") == REUSED:
            self._refused.append((record["mid"], request, place))
            return
        self._findings.count(Promise.P2, "verdicts told outside of the stream")
        self._same_verdict(index, record, place)
        self._same_seq(index, record.get("seq") or 0, record["mid"], place)
        if request:
            if self._answered[index] not in (0, request):
                self._findings.refute(
                    Promise.P2, f"mutation {record['mid']} was sent with other arguments and not refused", place
                )
            self._answered[index] = request

    def in_entry(self, user: int, record: Record, place: Place, *, first_sight: bool) -> None:
        """An entry holds its verdict."""
        index = self._at(record["mid"], user, "came in an entry of", place)
        self._same_verdict(index, record, place)
        self._same_seq(index, record["seq"], record["mid"], place)
        self._flags[index] |= _IN_ENTRY
        if first_sight:
            self._effects[index] = self._effect_sets.index("\n".join(record.get("effects") or []))

    def _same_verdict(self, index: int, record: Record, place: Place) -> None:
        status = _STATUS.get(record.get("status", ""))
        if status is None or not record.get("verdict"):
            raise UnusableError(f"{place}: a verdict without a proper status")
        verdict = number_of(record["verdict"])
        if not self._status[index]:
            self._status[index], self._verdict[index] = status, verdict
        elif self._status[index] != status:
            self._findings.refute(
                Promise.P2,
                f"mutation {record['mid']} was {STATUS_NAMES[self._status[index]]} and then {record['status']}",
                place,
            )
        elif self._verdict[index] != verdict:
            self._findings.refute(
                Promise.P2, f"mutation {record['mid']} has two different verdicts, both {record['status']}", place
            )

    def _same_seq(self, index: int, seq: int, mid: str, place: Place) -> None:
        if not seq:
            return
        if self._seq[index] not in (0, seq):
            self._findings.refute(
                Promise.P2, f"mutation {mid} took effect in entry {self._seq[index]} and in entry {seq}", place
            )
        self._seq[index] = seq

    def in_row(self, mid: str, user: int, seq: int, status: str) -> bool:
        """A row of the database holds its verdict; return whether the history knows the mutation."""
        index = self._index.get(mid)
        if index is None or self._user[index] != user:
            return False
        self._flags[index] |= _IN_ROWS
        known = self._status[index]
        if known and STATUS_NAMES[known] != status:
            self._findings.refute(Promise.P1, f"mutation {mid} was told {STATUS_NAMES[known]}, its row says {status}")
        if self._seq[index] not in (0, seq):
            self._findings.refute(
                Promise.P1, f"mutation {mid} was told as entry {self._seq[index]}, its row is entry {seq}"
            )
        if not known:
            self._findings.count(Promise.P1, "mutations left in doubt, found in the database")
        return True

    def __iter__(self) -> Iterator[Line]:
        for mid, index in self._index.items():
            flags = self._flags[index]
            yield Line(
                mid,
                self._user[index],
                self._seq[index],
                STATUS_NAMES[self._status[index]],
                bool(flags & _SENT),
                bool(flags & _IN_ENTRY),
                bool(flags & _IN_ROWS),
            )

    def finish(self, streams: Streams, epochs: dict[int, str]) -> None:
        """Check what needs the whole history: effects by name, entries of verdicts, reused ids."""
        findings = self._findings
        for mid, index in self._index.items():
            status = self._status[index]
            findings.count(Promise.P2, f"mutations {STATUS_NAMES[status]}")
            name = self._names[self._name[index]]
            effects = self._effect_sets[self._effects[index]]
            if name and effects and not fitting(name, effects.split("\n")):
                findings.refute(Promise.P3, f"mutation {mid} ({name}) had the effects {effects.replace(chr(10), ', ')}")
            self._check_entry(mid, index, streams, epochs)
        for mid, request, place in self._refused:
            findings.count(Promise.P2, "used ids refused with other arguments")
            if request and request == self._request_of(self._index[mid]):
                findings.refute(Promise.P2, f"mutation {mid} was refused as reused, with its own arguments", place)

    def _request_of(self, index: int) -> int:
        """The request that got the verdict; 0 where several were sent and nobody was told which."""
        if self._answered[index] or self._flags[index] & _SEVERAL_REQUESTS:
            return self._answered[index]
        return self._request[index]

    def _check_entry(self, mid: str, index: int, streams: Streams, epochs: dict[int, str]) -> None:
        seq, user = self._seq[index], self._user[index]
        if not self._status[index]:
            return
        if self._status[index] == 1 and not seq:
            self._findings.refute(Promise.P3, f"mutation {mid} was confirmed without an entry")
        elif self._flags[index] & _IN_ENTRY:
            self._findings.count(Promise.P3, "verdicts found in their entries")
        elif seq and streams.log(user, epochs.get(user, "")).column.get(seq):
            self._findings.refute(
                Promise.P3, f"mutation {mid} was told as entry {seq}, but that entry holds no verdict of it"
            )
        elif seq:
            self._findings.leave_open("verdicts whose entries no device received (all started afresh)")


class _Words:
    """Small numbers for words that come again and again; 0 is the empty word."""

    def __init__(self) -> None:
        self._words = [""]
        self._numbers = {"": 0}

    def index(self, word: str) -> int:
        number = self._numbers.get(word)
        if number is None:
            number = self._numbers[word] = len(self._words)
            self._words.append(word)
        return number

    def __getitem__(self, number: int) -> str:
        return self._words[number]
