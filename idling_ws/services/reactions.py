"""Reactions: an emoji sent to somebody who idles, into both people's streams at once."""

from __future__ import annotations

from typing import Any

from idling_ws.domain.entries import effect
from idling_ws.domain.errors import RejectedError
from idling_ws.domain.profiles import Profile
from idling_ws.domain.rules import Call, Outcome
from idling_ws.domain.sessions import Session
from idling_ws.domain.writes import AddReaction
from idling_ws.services.emojis import resolve
from idling_ws.services.notifications import tell


def send(call: Call, facts: dict[str, Any]) -> Outcome:
    """``reaction.send``. The session is read under its owner's lock: it cannot end in between."""
    row = facts["target_session"]
    session = None if row is None else Session.from_row(row)
    if session is None or session.ended_at is not None:
        raise RejectedError("session_not_active")
    if session.user_id == call.user_id:
        raise RejectedError("own_session")
    emoji = resolve(call, facts)
    sender = Profile.from_row(facts["profile"])
    told = {"id": call.new_id, "session": session.id, "emoji": emoji}
    sender_shown = {"id": sender.id, "name": sender.name}
    created, added = tell(
        call,
        facts["session_owner_notifications"],
        session.user_id,
        "reaction.received",
        "info",
        f"{sender.name} waved at you.",
        data={"emoji": emoji, "from": sender_shown, "session": session.id},
    )
    return Outcome(
        items=[effect("reaction.sent", None, {**told, "to": session.user_id})],
        result={"reaction": {**told, "to": session.user_id}},
        writes=[
            AddReaction(call.new_id, call.user_id, session.user_id, session.id, emoji, call.now),
            added,
        ],
        elsewhere={session.user_id: [effect("reaction.received", None, {**told, "from": sender_shown}), created]},
        after={"reaction": told},
    )
