"""What every rule of the product takes and gives.

A rule is a pure function ``(Call, facts) -> Outcome``: everything it may look at was
read before, under the user's lock; everything it wants done is in what it returns.
It raises ``RejectedError`` to say no, and then nothing of it happens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from idling_ws.domain.entries import Item
from idling_ws.domain.errors import JsonObject, RejectedError
from idling_ws.domain.writes import Write


@dataclass(frozen=True, slots=True)
class Call:
    """One mutation as a rule sees it: who asks for what, and when.

    ``resolve_emoji`` finds the catalogue's id of an emoji, however it is spelled;
    ``new_id`` is for whatever the rule creates; ``accepts_push`` knows the push services;
    ``login_id`` is the sign-in it came over, where it came from a device.
    """

    user_id: int
    args: JsonObject
    if_version: int | None
    now: datetime
    new_id: str
    resolve_emoji: Callable[[str], str | None]
    accepts_push: Callable[[str], bool] = lambda endpoint: False
    login_id: str | None = None


@dataclass(slots=True)
class Outcome:
    """What a rule decided: what to tell each stream, what to write, what to answer.

    ``items`` go to the stream of who asked; ``elsewhere`` holds the items for other
    streams by user id (``ALL`` for everybody). ``before`` and ``after`` are for the
    audit trail. ``lobby`` says that others will see the room change.
    """

    items: list[Item] = field(default_factory=list)
    result: JsonObject = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    elsewhere: dict[int, list[Item]] = field(default_factory=dict)
    before: JsonObject | None = None
    after: JsonObject | None = None
    lobby: LobbyChange | None = None


@dataclass(frozen=True, slots=True)
class LobbyChange:
    """What the room sees of a change: a member as it is now, or None when it left."""

    user_id: int
    member: JsonObject | None


Rule = Callable[[Call, dict[str, Any]], Outcome]


def check_version(if_version: int | None, version: int, current: JsonObject) -> None:
    """Compare-and-swap: raises ``RejectedError("conflict")`` when ``version`` has moved on."""
    if if_version is not None and if_version != version:
        raise RejectedError("conflict", current=current)
