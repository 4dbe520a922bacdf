"""The outbox: mutations without a verdict, in the order in which they were asked for.

It decides what may go out next. A mutation that must wait holds back those behind
it, because a client's changes build on each other: a pause sent while its start is
still being retried would be refused for no good reason.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from idling_ws.client.lifecycle import SETTLED, Status, Turn, after
from idling_ws.client.merge_patch import merged
from idling_ws.client.predictions import Predict
from idling_ws.client.shapes import JsonObject, Verdict

# Waiting after an answer that consumed nothing, where the server names no time.
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 5.0

NEVER = float("inf")


@dataclass(slots=True, eq=False)
class Mutation:
    """A change that was asked for, and where it stands."""

    mid: str
    name: str
    args: JsonObject
    if_version: int | None = None
    status: Status = Status.QUEUED
    sendings: int = 0
    refusals: int = 0
    not_before: float = 0.0
    verdict: Verdict | None = None

    def turn(self, turn: Turn) -> None:
        """Move along the table of ``lifecycle``."""
        self.status = after(self.status, turn)

    @property
    def settled(self) -> bool:
        """Whether the verdict is in and its effects are in the state."""
        return self.status in SETTLED

    def to_wire(self) -> JsonObject:
        """Return it as the element of a REST batch; a frame adds its ``type``."""
        wire: JsonObject = {"mid": self.mid, "name": self.name, "args": self.args}
        if self.if_version is not None:
            wire["if_version"] = self.if_version
        return wire


class Outbox:
    """Pending mutations in order, and the view that they make of a state.

    Each is in one of three places: waiting to go out, on the line without an answer,
    or answered ahead of its entry.
    """

    def __init__(self, predictions: Mapping[str, Predict], answer_timeout_s: float, rng: random.Random) -> None:
        self._predictions = predictions
        self._answer_timeout_s = answer_timeout_s
        self._rng = rng
        self._pending: dict[str, Mutation] = {}
        # Ordered by the time of sending, so the first is the first to be late.
        self._on_the_line: dict[str, float] = {}
        self._answered: dict[str, Verdict] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def __iter__(self) -> Iterator[Mutation]:
        return iter(self._pending.values())

    @property
    def on_the_line(self) -> int:
        """How many were sent and not answered."""
        return len(self._on_the_line)

    def find(self, mid: str) -> Mutation | None:
        """Return the pending mutation of that id."""
        return self._pending.get(mid)

    def add(self, mutation: Mutation) -> None:
        """Queue it behind the others. Raises ``ValueError`` when its ``mid`` is pending already."""
        if mutation.mid in self._pending:
            raise ValueError(f"mid {mutation.mid} is pending already")
        self._pending[mutation.mid] = mutation

    # --- out ------------------------------------------------------------------------

    def next_to_send(self, now: float) -> Mutation | None:
        """Return the first that waits, unless it must wait longer."""
        mutation = self._first_waiting()
        return mutation if mutation is not None and mutation.not_before <= now else None

    def next_at(self) -> float:
        """When the next may go out, in loop time."""
        mutation = self._first_waiting()
        return NEVER if mutation is None else mutation.not_before

    def _first_waiting(self) -> Mutation | None:
        if len(self._on_the_line) + len(self._answered) == len(self._pending):
            return None
        # Those before it are on the line or answered, so the walk is as short as the server's limit.
        for mid, mutation in self._pending.items():
            if mid not in self._on_the_line and mid not in self._answered:
                return mutation
        return None

    def sent(self, mutation: Mutation, now: float) -> None:
        """Note that it went onto the line."""
        mutation.turn(Turn.SEND)
        mutation.sendings += 1
        self._on_the_line[mutation.mid] = now + self._answer_timeout_s

    def late_at(self) -> float:
        """When the oldest on the line is late, in loop time."""
        return next(iter(self._on_the_line.values()), NEVER)

    def give_up_waiting(self, now: float) -> None:
        """Doubt, and send again, what was not answered in time."""
        late = [mid for mid, due in self._on_the_line.items() if due <= now]
        for mid in late:
            self._pending[mid].turn(Turn.NO_ANSWER)
            del self._on_the_line[mid]

    def line_lost(self) -> None:
        """Doubt all that was on the line; it goes out again, first, on the next one."""
        for mid in self._on_the_line:
            self._pending[mid].turn(Turn.LINE_LOST)
        self._on_the_line.clear()

    # --- back -----------------------------------------------------------------------

    def not_consumed(self, mutation: Mutation, now: float, retry_after_ms: int | None) -> None:
        """Queue it again, not before the server's time or a growing pause."""
        if self._on_the_line.pop(mutation.mid, None) is None:
            # Late news of a sending that was given up already, or that has its answer.
            return
        mutation.turn(Turn.NOT_CONSUMED)
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(mutation.refusals, 10))
        # Spread, or all who were refused together would come again together.
        pause_s *= self._rng.uniform(0.5, 1.0)
        mutation.refusals += 1
        mutation.not_before = now + (pause_s if retry_after_ms is None else retry_after_ms / 1000)

    def answered(self, verdict: Verdict) -> None:
        """Keep a verdict until its entry is applied; it is not sent again meanwhile."""
        if verdict.mid in self._pending:
            self._on_the_line.pop(verdict.mid, None)
            self._answered[verdict.mid] = verdict

    def answered_until(self, seq: float) -> list[Verdict]:
        """Return the kept verdicts whose entries are among the first ``seq``."""
        if not self._answered:
            return []
        return [verdict for verdict in self._answered.values() if (verdict.seq or 0) <= seq]

    def settle(self, mutation: Mutation, verdict: Verdict) -> None:
        """End it. Its prediction leaves the view in the same step in which its effects are there."""
        self._on_the_line.pop(mutation.mid, None)
        self._answered.pop(mutation.mid, None)
        del self._pending[mutation.mid]
        mutation.verdict = verdict
        mutation.turn(Turn.CONFIRM if verdict.confirmed else Turn.ROLL_BACK)

    def over(self, state: JsonObject) -> JsonObject:
        """Return ``state`` with every pending prediction over it, in order."""
        view = state
        for mutation in self._pending.values():
            predict = self._predictions.get(mutation.name)
            patch = predict(view, mutation.args) if predict is not None else None
            if patch is not None:
                view = merged(view, patch)
        return view
