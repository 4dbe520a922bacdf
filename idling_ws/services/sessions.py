"""Idle sessions: start, change the words, pause, resume, end, and running out of time."""

from __future__ import annotations

from typing import Any

from idling_ws.domain.entries import effect
from idling_ws.domain.errors import JsonObject, RejectedError
from idling_ws.domain.profiles import Profile
from idling_ws.domain.rules import Call, LobbyChange, Outcome, check_version
from idling_ws.domain.sessions import ACTIVE, PAUSED, Session, state_patch
from idling_ws.domain.writes import SaveSession
from idling_ws.services.emojis import resolve
from idling_ws.services.notifications import tell

Facts = dict[str, Any]


def member(profile: Profile, session: Session) -> JsonObject:
    """Return one person of the lobby, as others see them."""
    return {"user": {"id": profile.id, "name": profile.name}, "session": session.to_state()}


def start(call: Call, facts: Facts) -> Outcome:
    """``session.start``: one at a time."""
    active = _active(facts)
    if active is not None:
        raise RejectedError("session_already_active", current={"session": active.to_state()})
    session = Session(
        id=call.new_id,
        user_id=call.user_id,
        activity=call.args["activity"],
        emoji=_emoji(call, facts),
        status=ACTIVE,
        started_at=call.now,
    )
    shown = session.to_state()
    return Outcome(
        items=[effect("session.started", {"session": shown})],
        result={"session": shown},
        writes=[SaveSession(session, is_new=True)],
        after={"session": shown},
        lobby=LobbyChange(call.user_id, member(Profile.from_row(facts["profile"]), session)),
    )


def update(call: Call, facts: Facts) -> Outcome:
    """``session.update``: other words, another emoji. What is so already changes nothing, and is confirmed."""
    session = _active(facts)
    if session is None or session.id != call.args["id"]:
        raise RejectedError("session_not_active", current=_current(facts))
    check_version(call.if_version, session.version, {"session": session.to_state()})
    changes: dict[str, Any] = {}
    if "activity" in call.args:
        changes["activity"] = call.args["activity"]
    if "emoji" in call.args:
        changes["emoji"] = _emoji(call, facts)
    updated = session.update(changes)
    if state_patch(session, updated).keys() == {"version"}:
        return Outcome(result={"session": session.to_state()})
    return _changed(facts, session, updated, "session.updated")


def pause(call: Call, facts: Facts) -> Outcome:
    """``session.pause``. Pausing what stands still already changes nothing, and is confirmed."""
    session = _named(call, facts)
    if session.status == PAUSED:
        return Outcome(result={"session": session.to_state()})
    return _changed(facts, session, session.pause(call.now), "session.paused")


def resume(call: Call, facts: Facts) -> Outcome:
    """``session.resume``. Resuming what runs already changes nothing, and is confirmed."""
    session = _named(call, facts)
    if session.status == ACTIVE:
        return Outcome(result={"session": session.to_state()})
    return _changed(facts, session, session.resume(call.now), "session.resumed")


def end(call: Call, facts: Facts) -> Outcome:
    """``session.end``, by its owner."""
    return _ended(call, _named(call, facts), "user")


def time_out(call: Call, facts: Facts) -> Outcome:
    """Ended by the server: nothing was heard of its owner for too long. They are told."""
    session = _named(call, facts)
    outcome = _ended(call, session, "timeout")
    # The words with it, so that a page can offer to go on with them.
    data = {"session": session.id, "activity": session.activity, "duration_s": outcome.result["session"]["duration_s"]}
    if session.emoji is not None:
        data["emoji"] = session.emoji
    title = f"Your session “{session.activity}” ended: nothing was heard of you for a while."
    created, added = tell(
        call, facts["shown_notifications"], call.user_id, "session.timed_out", "info", title, data=data
    )
    outcome.items.append(created)
    outcome.writes.append(added)
    return outcome


def _ended(call: Call, session: Session, reason: str) -> Outcome:
    ended = session.end(call.now, reason)
    shown = ended.to_history(call.now)
    return Outcome(
        items=[
            effect(
                "session.ended",
                {"session": None},
                {"id": ended.id, "reason": reason, "duration_s": shown["duration_s"]},
            )
        ],
        result={"session": shown},
        writes=[SaveSession(ended)],
        before={"session": session.to_state()},
        after={"session": shown},
        lobby=LobbyChange(call.user_id, None),
    )


def _changed(facts: Facts, before: Session, after: Session, kind: str) -> Outcome:
    shown = after.to_state()
    return Outcome(
        items=[effect(kind, {"session": state_patch(before, after)})],
        result={"session": shown},
        writes=[SaveSession(after)],
        before={"session": before.to_state()},
        after={"session": shown},
        lobby=LobbyChange(after.user_id, member(Profile.from_row(facts["profile"]), after)),
    )


def _active(facts: Facts) -> Session | None:
    row = facts["session"]
    return None if row is None else Session.from_row(row)


def _named(call: Call, facts: Facts) -> Session:
    """Return the session the call names, which must be the one that is running."""
    active = _active(facts)
    if active is not None and active.id == call.args["id"]:
        check_version(call.if_version, active.version, _current(facts))
        return active
    if facts["named_session"] is None:
        raise RejectedError("session_not_found", current=_current(facts))
    raise RejectedError("session_not_active", current=_current(facts))


def _current(facts: Facts) -> JsonObject:
    active = _active(facts)
    return {"session": None if active is None else active.to_state()}


def _emoji(call: Call, facts: Facts) -> str | None:
    """Return the emoji of the call, kept as it was sent, if there is such a one."""
    emoji: str | None = call.args.get("emoji")
    if emoji is not None:
        resolve(call, facts, _current(facts))
    return emoji
