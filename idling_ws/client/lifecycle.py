"""The life of a mutation, as one table.

    queued ──1──> sent ──────5,6──> confirmed | rolled_back
       ^           │
       ├─────4─────┤
       │          2,3
       │           v
       │       in_doubt <─7─┐
       │           ├────────┘
       │           └─────────5,6──> confirmed | rolled_back
       └─5,6──> confirmed | rolled_back

A mutation in doubt may have taken effect: the line broke, or the answer is late.
It is sent again with the same ``mid``, and the server tells what became of it.
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Where a mutation stands, in the words of the wire and of the page."""

    QUEUED = "queued"
    SENT = "sent"
    IN_DOUBT = "in_doubt"
    CONFIRMED = "confirmed"
    ROLLED_BACK = "rolled_back"


class Turn(StrEnum):
    """What can happen to a mutation."""

    SEND = "send"
    LINE_LOST = "line_lost"
    NO_ANSWER = "no_answer"
    NOT_CONSUMED = "not_consumed"
    CONFIRM = "confirm"
    ROLL_BACK = "roll_back"


SETTLED = frozenset({Status.CONFIRMED, Status.ROLLED_BACK})

TRANSITIONS: dict[tuple[Status, Turn], Status] = {
    # 1. It goes out as soon as the line is live and the server has room for it.
    (Status.QUEUED, Turn.SEND): Status.SENT,
    # 2. The line broke behind it: nobody knows whether it arrived.
    (Status.SENT, Turn.LINE_LOST): Status.IN_DOUBT,
    # 3. The line lives but the answer is late.
    (Status.SENT, Turn.NO_ANSWER): Status.IN_DOUBT,
    # 4. The server says that this sending consumed nothing.
    (Status.SENT, Turn.NOT_CONSUMED): Status.QUEUED,
    (Status.IN_DOUBT, Turn.NOT_CONSUMED): Status.IN_DOUBT,
    # 5, 6. A verdict ends it, wherever it stands: it may come from an earlier sending,
    # or from the same mid on another transport, while this one still waits.
    (Status.QUEUED, Turn.CONFIRM): Status.CONFIRMED,
    (Status.SENT, Turn.CONFIRM): Status.CONFIRMED,
    (Status.IN_DOUBT, Turn.CONFIRM): Status.CONFIRMED,
    (Status.QUEUED, Turn.ROLL_BACK): Status.ROLLED_BACK,
    (Status.SENT, Turn.ROLL_BACK): Status.ROLLED_BACK,
    (Status.IN_DOUBT, Turn.ROLL_BACK): Status.ROLLED_BACK,
    # 7. Sent again, the doubt stays until the verdict: the first sending may have been the one.
    (Status.IN_DOUBT, Turn.SEND): Status.IN_DOUBT,
    (Status.IN_DOUBT, Turn.LINE_LOST): Status.IN_DOUBT,
    (Status.IN_DOUBT, Turn.NO_ANSWER): Status.IN_DOUBT,
    # A queued mutation was not on the line when it broke.
    (Status.QUEUED, Turn.LINE_LOST): Status.QUEUED,
}


def after(status: Status, turn: Turn) -> Status:
    """Return the status after ``turn``. Raises ``KeyError`` for a turn that cannot happen there."""
    return TRANSITIONS[status, turn]
