"""The client's side of idling.v1 without any I/O: frames and the time go in, frames and events come out.

One core for all transports. A shell feeds it every frame that arrives and sends what
``take`` returns; over REST the shell turns the same frames into requests. So every
rule of the protocol that a client must keep is in here, and is tested without a
socket and without waiting.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

import orjson

from idling_ws.client.errors import ProtocolError
from idling_ws.client.events import (
    ByeArrived,
    EntryArrived,
    ErrorArrived,
    Event,
    LineSilent,
    NoticeArrived,
    Resuming,
    Settled,
    TokenAging,
    VerdictArrived,
    Welcomed,
)
from idling_ws.client.line import BEHIND_S, NEVER, RESUME_EVERY_S, Line
from idling_ws.client.outbox import Mutation, Outbox
from idling_ws.client.predictions import PREDICTIONS, Predict
from idling_ws.client.replica import Outcome, Replica
from idling_ws.client.shapes import (
    ROLLED_BACK,
    USER,
    Cursor,
    Entry,
    JsonObject,
    Limits,
    ShapeError,
    Verdict,
    Welcome,
    object_at,
    text_at,
)

ANSWER_TIMEOUT_S = 10.0
# What a frame needs around a mutation: its type and the braces.
FRAME_MARGIN_BYTES = 64


class ClientProtocol:
    """One device: its replica, its outbox, and the line it has at the moment."""

    def __init__(
        self,
        client: JsonObject,
        *,
        replica: Replica | None = None,
        predictions: Mapping[str, Predict] = PREDICTIONS,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        rng: random.Random | None = None,
    ) -> None:
        self._client = client
        self.replica = replica or Replica()
        self.outbox = Outbox(predictions, answer_timeout_s, rng or random.Random())  # noqa: S311 - spreads retries, hides nothing
        self._view: JsonObject | None = None
        self._line: Line | None = None
        self._receivers: dict[str, Callable[[Line, JsonObject, float], list[Event]]] = {
            "welcome": self._on_welcome,
            "entry": self._on_entry,
            "verdict": self._on_verdict,
            "heartbeat": self._on_heartbeat,
            "error": self._on_error,
            "notice": self._on_notice,
            "refreshed": self._on_refreshed,
            "bye": self._on_bye,
        }

    # --- what the application sees -------------------------------------------------

    @property
    def state(self) -> JsonObject:
        """The confirmed state with every pending change over it."""
        if self._view is None:
            self._view = self.outbox.over(self.replica.state)
        return self._view

    @property
    def live(self) -> bool:
        """Whether this device has everything that the server had when it last told."""
        line = self._line
        if line is None or not line.welcomed or line.head is None:
            return False
        return self.replica.reaches(line.head)

    @property
    def frame_bytes(self) -> int:
        """How large a frame may be."""
        return (self._line.limits if self._line is not None else Limits()).frame_bytes

    def submit(self, mutation: Mutation) -> None:
        """Queue a change.

        Raises ``ValueError`` when its ``mid`` is pending already, or when it could never fit a frame.
        """
        size = len(orjson.dumps(mutation.to_wire()))
        room = self.frame_bytes - FRAME_MARGIN_BYTES
        if size > room:
            raise ValueError(f"{mutation.name} takes {size} bytes, a frame has room for {room}")
        self.outbox.add(mutation)
        self._view = None

    def say(self, frame: JsonObject) -> None:
        """Send a frame that is no mutation, on this line only: subscribe, refresh, bye."""
        if self._line is not None:
            self._line.control.append(frame)

    # --- the line --------------------------------------------------------------------

    def opened(self, now: float, *, token: str | None = None, hello: bool = True) -> None:
        """A line is open. ``hello`` is what a WebSocket begins with; REST knows us by each request."""
        self._line = Line(now)
        if hello:
            frame: JsonObject = {"type": "hello", "client": self._client}
            if token is not None:
                frame["token"] = token
            if self.replica.cursor is not None:
                frame["cursor"] = str(self.replica.cursor)
            self._line.control.append(frame)

    def lost(self) -> None:
        """The line is gone; what was on it is in doubt."""
        self._line = None
        self.outbox.line_lost()

    def not_run(self, mids: list[str], now: float) -> None:
        """A REST batch stopped before these: they go out again at once."""
        for mid in mids:
            mutation = self.outbox.find(mid)
            if mutation is not None:
                self.outbox.not_consumed(mutation, now, 0)

    def unanswered(self) -> None:
        """A REST batch failed as a whole: all that was in it is in doubt."""
        self.outbox.line_lost()

    def receive(self, frame: JsonObject, now: float) -> list[Event]:
        """Take one frame in. Raises ``ProtocolError`` when it is not idling.v1."""
        line = self._line
        receiver = self._receivers.get(str(frame.get("type")))
        if line is None:
            return []
        line.heard(now)
        if receiver is None:
            # Unknown things are ignored by both sides, so that either can grow.
            return []
        try:
            return receiver(line, frame, now)
        except ShapeError as error:
            raise ProtocolError(f"bad {frame.get('type')}: {error}") from error

    def take(self, now: float) -> list[JsonObject]:
        """Return the frames that go out now, in order. What is returned counts as sent."""
        line = self._line
        if line is None:
            return []
        frames = line.take_control(now, self.replica.cursor)
        while self._may_send(line) and line.pace.next_at(now) <= now:
            mutation = self.outbox.next_to_send(now)
            if mutation is None:
                break
            self.outbox.sent(mutation, now)
            line.pace.spend(now)
            frames.append({"type": "mutate", **mutation.to_wire()})
        return frames

    def _may_send(self, line: Line) -> bool:
        # Not before the missed entries are in: most of what is in doubt is settled by them.
        return self.outbox.on_the_line < line.limits.pending_mutations and self.live

    # --- time ------------------------------------------------------------------------

    def deadline(self, now: float) -> float:
        """Return when ``take`` or ``tick`` next has something to do, in loop time."""
        line = self._line
        if line is None:
            return NEVER
        if line.control:
            return now
        due = min(line.due(), self.outbox.late_at())
        if len(self.outbox) and self._may_send(line):
            ready_at = self.outbox.next_at()
            if ready_at < due:
                due = min(due, max(ready_at, line.pace.next_at(now)))
        return due

    def tick(self, now: float) -> list[Event]:
        """Do what time alone brings: resume when behind, doubt what is late, notice a dead line."""
        line = self._line
        if line is None:
            return []
        events: list[Event] = []
        if self.outbox.late_at() <= now:
            self.outbox.give_up_waiting(now)
        if line.resume_at <= now:
            events.extend(self._resume(line, now))
        if line.refresh_at <= now:
            line.refresh_at = NEVER
            events.append(TokenAging())
        if line.silent_at <= now:
            line.silent_at = NEVER
            events.append(LineSilent())
        return events

    def _resume(self, line: Line, now: float) -> list[Event]:
        line.resume_at = NEVER
        if self.live or self.replica.cursor is None:
            return []
        line.resume_by(now + RESUME_EVERY_S)
        cursor = str(self.replica.cursor)
        line.control.append({"type": "resume", "cursor": cursor})
        return [Resuming(cursor)]

    # --- frames ----------------------------------------------------------------------

    def _on_welcome(self, line: Line, frame: JsonObject, now: float) -> list[Event]:
        welcome = Welcome.read(frame)
        line.accept(welcome, now)
        events: list[Event] = [Welcomed(welcome)]
        if welcome.state is not None:
            # The entries of another life will not come any more: nothing to wait for.
            reached = welcome.cursor.user if welcome.cursor.epoch == self.replica.epoch else NEVER
            self.replica.reset(welcome.cursor, welcome.state)
            self._view = None
            events.extend(self._settle_all(self.outbox.answered_until(reached)))
        elif not self.live:
            # The missed entries follow by themselves; ask only if they stay away.
            line.resume_by(now + BEHIND_S)
        return events

    def _on_entry(self, line: Line, frame: JsonObject, now: float) -> list[Event]:
        entry = Entry.read(frame)
        verdict = entry.verdict() if entry.stream == USER else None
        outcome = self.replica.receive(entry)
        events: list[Event] = [EntryArrived(entry, outcome, verdict)]
        own = self.replica.cursor
        if outcome is Outcome.APPLIED:
            self._view = None
            line.applied(now)
            if verdict is not None:
                events.extend(self._settle_all([verdict]))
            events.extend(self._settle_all(self.outbox.answered_until(self.replica.user_seq)))
        elif outcome is Outcome.GAP and own is not None:
            line.saw_beyond(entry, own)
            if line.resume_at > now + RESUME_EVERY_S:
                events.extend(self._resume(line, now))
        return events

    def _on_verdict(self, _line: Line, frame: JsonObject, _now: float) -> list[Event]:
        verdict = Verdict.read(frame)
        events: list[Event] = [VerdictArrived(verdict)]
        if verdict.seq is not None and verdict.seq > self.replica.user_seq:
            # Its entry is on the way. Settling now would show the verdict without its effects.
            self.outbox.answered(verdict)
            return events
        return events + self._settle_all([verdict])

    def _on_heartbeat(self, line: Line, frame: JsonObject, now: float) -> list[Event]:
        line.head = Cursor.parse(text_at(frame, "cursor"))
        if not self.live:
            line.resume_by(now + BEHIND_S)
        return []

    def _on_error(self, _line: Line, frame: JsonObject, now: float) -> list[Event]:
        error = object_at(frame, "error")
        mid = frame.get("mid")
        events: list[Event] = [ErrorArrived(error, mid if isinstance(mid, str) else None)]
        mutation = self.outbox.find(mid) if isinstance(mid, str) else None
        if mutation is None:
            return events
        # A refusal ends no doubt: an earlier sending may have been taken. A lost login or a
        # defect of the server's say nothing about the change itself.
        judged = not error.get("retryable") and error.get("class") not in ("auth", "system")
        if mutation.sendings > 1 or not judged:
            self.outbox.not_consumed(mutation, now, error.get("retry_after_ms"))
            return events
        return events + self._settle_all([Verdict(mutation.mid, ROLLED_BACK, error=error)])

    def _on_notice(self, _line: Line, frame: JsonObject, _now: float) -> list[Event]:
        return [NoticeArrived(text_at(frame, "topic"), frame.get("data") or {})]

    def _on_refreshed(self, line: Line, frame: JsonObject, now: float) -> list[Event]:
        expires = frame.get("expires_in_s")
        line.expires(float(expires) if isinstance(expires, (int, float)) else None, now)
        return []

    def _on_bye(self, _line: Line, frame: JsonObject, _now: float) -> list[Event]:
        code, retry = frame.get("code"), frame.get("retry_ms")
        return [
            ByeArrived(
                code if isinstance(code, int) else 1006,
                str(frame.get("reason", "")),
                int(retry) if isinstance(retry, (int, float)) else None,
            )
        ]

    def _settle_all(self, verdicts: list[Verdict]) -> list[Event]:
        events: list[Event] = []
        for verdict in verdicts:
            mutation = self.outbox.find(verdict.mid)
            if mutation is not None:
                self.outbox.settle(mutation, verdict)
                self._view = None
                events.append(Settled(mutation))
        return events
