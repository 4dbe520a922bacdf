"""Effects counted: a confirmed mutation did its one thing once, a rejected one did nothing.

Independent of the log's own numbers: the kinds of the items, and the versions that
profile and preferences carry, which go up by one with each change, so that a change
done twice behind a single entry shows as a jump.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import pairwise

from idling_ws.proof.findings import Findings, Promise
from idling_ws.proof.reading import Place, Record
from idling_ws.proof.streams import Streams

# What a mutation does to its own user's stream, where that is exactly one kind of item.
EFFECT_OF = {
    "session.start": "session.started",
    "session.update": "session.updated",
    "session.pause": "session.paused",
    "session.resume": "session.resumed",
    "session.end": "session.ended",
    "profile.update": "profile.changed",
    "preferences.set": "preferences.changed",
    "favorite.add": "favorite.added",
    "favorite.remove": "favorite.removed",
    "favorite.move": "favorite.moved",
    "emoji.use": "usage.counted",
    "reaction.send": "reaction.sent",
    "notification.read": "notification.read",
    "notification.dismiss": "notification.dismissed",
}

# The system ends sessions too, without a verdict.
ONLY_BY_MUTATION = frozenset(EFFECT_OF.values()) - {"session.ended"}

COUNTED = ("profile", "preferences")


class Effects:
    """Follows the versions of what each user owns, and the items of each entry."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._versions: dict[tuple[int, str, str], tuple[array[int], array[int]]] = {}

    def see(self, user: int, epoch: str, record: Record, place: Place) -> None:
        """Take in the first sight of an entry of a user's stream."""
        effects: list[str] = record.get("effects") or []
        own = [kind for kind in effects if kind in ONLY_BY_MUTATION]
        seq = record["seq"]
        if record.get("mid") is None:
            if own:
                self._findings.refute(Promise.P3, f"entry {seq} of user {user} has {own[0]} but no verdict", place)
        else:
            self._findings.count(Promise.P3, "entries with a verdict")
            if record.get("status") == "rolled_back" and own:
                self._findings.refute(Promise.P3, f"entry {seq} of user {user} was rolled back and has {own[0]}", place)
            for kind in {kind for kind in own if own.count(kind) > 1}:
                self._findings.refute(
                    Promise.P2, f"entry {seq} of user {user} has {kind} {own.count(kind)} times", place
                )
        for thing, version in (record.get("versions") or {}).items():
            if thing in COUNTED and isinstance(version, int):
                seqs, versions = self._versions.setdefault((user, epoch, thing), (array("q"), array("q")))
                seqs.append(seq)
                versions.append(version)

    def finish(self, streams: Streams) -> None:
        """Check that every version is the one after the last."""
        for (user, epoch, thing), (seqs, versions) in self._versions.items():
            column = streams.log(user, epoch).column
            steps = sorted(zip(seqs, versions, strict=True))
            self._findings.count(Promise.P2, "versions counted", len(steps))
            for (seq, version), (next_seq, next_version) in pairwise(steps):
                unseen = any(not column.get(between) for between in range(seq + 1, next_seq))
                if next_version == version + 1 or (unseen and next_version > version):
                    continue
                self._findings.refute(
                    Promise.P2,
                    f"user {user}: {thing} went from version {version} (entry {seq}) to {next_version}"
                    f" (entry {next_seq})",
                )


def fitting(name: str, effects: Iterable[str]) -> bool:
    """Whether a confirmed mutation of that name may have had these effects on its own stream."""
    own = {kind for kind in effects if kind in ONLY_BY_MUTATION}
    return name not in EFFECT_OF or own <= {EFFECT_OF[name]}
