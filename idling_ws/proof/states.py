"""States: whoever stands at the same cursor must have the same state (P9)."""

from __future__ import annotations

from idling_ws.proof.findings import Findings, Promise
from idling_ws.proof.reading import Place


class States:
    """State digests by user and cursor, from the server and from what devices patched along."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._from_server: dict[tuple[int, str], str] = {}
        self._patched: list[tuple[int, str, str, str, Place]] = []

    def fresh(self, user: int, cursor: str, digest: str, place: Place) -> None:
        """The server gave a snapshot at ``cursor``."""
        self._findings.count(Promise.P9, "snapshots")
        before = self._from_server.setdefault((user, cursor), digest)
        if before != digest:
            self._findings.refute(Promise.P9, f"user {user}: two snapshots at {cursor} are not the same", place)

    def patched(self, user: int, device: str, cursor: str, digest: str, place: Place) -> None:
        """A device arrived at ``cursor`` by applying entries."""
        self._patched.append((user, device, cursor, digest, place))

    def finish(self) -> None:
        """Hold the devices' states against the snapshots at the same cursors."""
        for user, device, cursor, digest, place in self._patched:
            fresh = self._from_server.get((user, cursor))
            if fresh is None:
                self._findings.leave_open("final states without a snapshot at the same cursor")
            elif fresh == digest:
                self._findings.count(Promise.P9, "final states equal to a fresh snapshot")
            else:
                self._findings.refute(Promise.P9, f"device {device}: its state at {cursor} is not the server's", place)
