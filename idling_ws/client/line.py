"""The line: what one connection has promised, and when something is due on it.

It lives from the opening of a connection to its end and is then thrown away, so
nothing of an old connection can leak into the next.
"""

from __future__ import annotations

from idling_ws.client.pace import Pace
from idling_ws.client.shapes import USER, Cursor, Entry, JsonObject, Limits, Welcome

BEHIND_S = 5.0
ACK_EVERY_S = 1.0
# A gap that a resume has not closed by then is asked for again.
RESUME_EVERY_S = 2.0
# The share of a token's life after which another is fetched.
REFRESH_AT = 0.8
# Until a welcome says otherwise.
HEARTBEAT_S = 25.0

NEVER = float("inf")


class Line:
    """Deadlines of one connection, in loop time, and the head that the server last told."""

    def __init__(self, now: float) -> None:
        self.welcomed = False
        self.limits = Limits()
        self.pace = Pace(self.limits.messages_per_s, now)
        self.head: Cursor | None = None
        self.control: list[JsonObject] = []
        self.resume_at = self.refresh_at = NEVER
        self._heartbeat_s = HEARTBEAT_S
        self._heartbeat_at = self._ack_at = NEVER
        self.silent_at = NEVER
        self.heard(now)

    def heard(self, now: float) -> None:
        """Something came: the line lives. The patience is the server's own (protocol, 4202)."""
        self.silent_at = now + 2 * self._heartbeat_s + 10.0

    def accept(self, welcome: Welcome, now: float) -> None:
        """Keep to what the welcome says from here on."""
        self.welcomed = True
        self.limits = welcome.limits
        self.pace = Pace(self.limits.messages_per_s, now)
        self.head = welcome.cursor
        self._heartbeat_s = welcome.heartbeat_s
        self._heartbeat_at = now + self._heartbeat_s
        self.heard(now)
        self.expires(welcome.token_expires_in_s, now)

    def expires(self, in_s: float | None, now: float) -> None:
        """Note when the token runs out."""
        self.refresh_at = NEVER if in_s is None else now + in_s * REFRESH_AT

    def applied(self, now: float) -> None:
        """Something was applied that the server does not know of yet."""
        if self._ack_at == NEVER:
            self._ack_at = now + ACK_EVERY_S

    def resume_by(self, at: float) -> None:
        """Ask for missing entries at ``at``, unless an earlier time stands."""
        self.resume_at = min(self.resume_at, at)

    def saw_beyond(self, entry: Entry, own: Cursor) -> None:
        """What came over a gap proves that the head is at least there."""
        head = self.head or own
        user, shared = head.user, head.shared
        if entry.stream == USER:
            user = max(user, entry.seq)
        else:
            shared = max(shared, entry.seq)
        self.head = Cursor(own.epoch, user, shared)

    def take_control(self, now: float, cursor: Cursor | None) -> list[JsonObject]:
        """Return the frames that are due, mutations apart."""
        frames, self.control = self.control, []
        if self._heartbeat_at <= now:
            self._heartbeat_at = now + self._heartbeat_s
            frames.append({"type": "heartbeat"})
        if self._ack_at <= now:
            self._ack_at = NEVER
            frames.append({"type": "ack", "cursor": str(cursor)})
        for _ in frames:
            self.pace.spend(now)
        return frames

    def due(self) -> float:
        """When the next of the deadlines is."""
        return min(self._heartbeat_at, self._ack_at, self.resume_at, self.refresh_at, self.silent_at)
