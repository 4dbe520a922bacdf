"""The checker: takes a history in, record by record, and says which promises held.

It reads each line once. What can be judged at once is judged at once; what needs the
whole history is judged in ``finish``.
"""

from __future__ import annotations

from collections.abc import Callable

from idling_ws.client.shapes import SHARED, USER
from idling_ws.proof.effects import Effects
from idling_ws.proof.findings import Findings, Promise
from idling_ws.proof.ledger import Ledger
from idling_ws.proof.lineage import Lineage, cursor_at
from idling_ws.proof.reading import Place, Record, UnusableError
from idling_ws.proof.states import States
from idling_ws.proof.streams import EVERYBODY, Streams


class Checker:
    """All that is known of one run, over any number of files."""

    def __init__(self) -> None:
        self.findings = Findings()
        self.records = 0
        self.streams = Streams(self.findings)
        self.ledger = Ledger(self.findings)
        self._effects = Effects(self.findings)
        self._states = States(self.findings)
        self._devices: dict[str, Lineage] = {}
        self._unsettled: list[tuple[str, Lineage, Place]] = []
        self._takers: dict[str, Callable[[Record, Place], None]] = {
            "device": self._device,
            "connect": lambda record, place: self._of(record, place).connect(record, place),
            "welcome": self._welcome,
            "send": lambda record, place: self.ledger.sent(self._of(record, place).user, record, place),
            "entry": self._entry,
            "verdict": self._verdict,
            "resume": lambda record, place: self._of(record, place).resume(record, place),
            "snapshot": self._snapshot,
            "final": self._final,
        }

    @property
    def users(self) -> dict[int, str]:
        """The users of the history, each with the epoch that its devices ended in."""
        return {device.user: device.epoch for device in self._devices.values() if device.epoch}

    @property
    def devices(self) -> int:
        """How many devices took part."""
        return len(self._devices)

    def take(self, record: Record, place: Place) -> None:
        """Take one record in. Raises ``UnusableError`` when it makes no sense."""
        self.records += 1
        taker = self._takers.get(record["op"])
        if taker is not None:
            taker(record, place)

    def _of(self, record: Record, place: Place) -> Lineage:
        device = self._devices.get(record["d"])
        if device is None:
            raise UnusableError(f"{place}: device {record['d']!r:.40} was not introduced")
        return device

    def _device(self, record: Record, place: Place) -> None:
        name = record["d"]
        if name in self._devices:
            raise UnusableError(f"{place}: device {name!r:.40} is introduced twice")
        self._devices[name] = Lineage(name, record["user"], self.findings)

    def _welcome(self, record: Record, place: Place) -> None:
        device = self._of(record, place)
        head = device.welcome(record, place)
        self.streams.note(device.user, head, record["t"])
        if record.get("state"):
            self._states.fresh(device.user, record["head"], record["state"], place)

    def _entry(self, record: Record, place: Place) -> None:
        device = self._of(record, place)
        device.entry(record, place)
        first_sight = self.streams.see(device.user, device.epoch, record, place)
        if record["stream"] != USER:
            return
        if first_sight:
            self._effects.see(device.user, device.epoch, record, place)
        if record.get("mid") is not None:
            self.ledger.in_entry(device.user, record, place, first_sight=first_sight)

    def _verdict(self, record: Record, place: Place) -> None:
        device = self._of(record, place)
        self.ledger.told(device.user, record, place)
        if record.get("seq") and device.epoch:
            self.streams.log(device.user, device.epoch).known(record["seq"], record["t"])

    def _snapshot(self, record: Record, place: Place) -> None:
        cursor = cursor_at(record, "cursor", place)
        user = record["user"]
        self._states.fresh(user, record["cursor"], record["state"], place)
        for owner, seq, stream in ((user, cursor.user, USER), (EVERYBODY, cursor.shared, SHARED)):
            log = self.streams.log(owner, cursor.epoch)
            # It was asked for after somebody had this entry already.
            if log.top > seq and log.top_known_at < record["t"]:
                self.findings.refute(
                    Promise.P9,
                    f"user {user}: a snapshot at {cursor} although {stream} entry {log.top} was out before",
                    place,
                )
        self.streams.note(user, cursor, record["t"])

    def _final(self, record: Record, place: Place) -> None:
        device = self._of(record, place)
        device.final(record, place)
        if record["cursor"] is not None:
            self._states.patched(device.user, device.device, record["cursor"], record["state"], place)
        self._unsettled.extend((mid, device, place) for mid in record["unsettled"])

    def finish(self) -> Findings:
        """Judge what needs the whole history. Raises ``UnusableError`` when there is nothing to judge."""
        if not self._devices:
            raise UnusableError("no device took part: there is nothing to check")
        self.streams.find_foreign()
        self._effects.finish(self.streams)
        self.ledger.finish(self.streams, self.users)
        self._states.finish()
        self._check_ends()
        self._check_answers()
        return self.findings

    def _check_ends(self) -> None:
        """Every device must have reached its goal, and the goal what was known when it was set."""
        for device in self._devices.values():
            if not device.ended or device.goal is None:
                self.findings.leave_open("devices that were not brought to the end of their streams")
                continue
            self.findings.count(Promise.P4, "devices brought to the end of their streams")

    def _check_answers(self) -> None:
        open_users = {device.user for device in self._devices.values() if not device.ended or device.goal is None}
        told = {mid for mid, _, _ in self._unsettled}
        for mid, device, place in self._unsettled:
            if device.goal is not None:
                self.findings.refute(Promise.P2, f"device {device.device}: mutation {mid} never got a verdict", place)
        for line in self.ledger:
            if line.status == "no verdict" and line.sent and line.mid not in told:
                if line.user in open_users:
                    self.findings.leave_open("mutations still in doubt at the end")
                else:
                    self.findings.refute(Promise.P2, f"mutation {line.mid} never got a verdict")
