"""Profiles: a name nobody else has, and a few words."""

from __future__ import annotations

from typing import Any

from idling_ws.domain.entries import effect
from idling_ws.domain.errors import JsonObject, RejectedError
from idling_ws.domain.names import name_key
from idling_ws.domain.profiles import Profile
from idling_ws.domain.rules import Call, LobbyChange, Outcome, check_version
from idling_ws.domain.sessions import Session
from idling_ws.domain.writes import SaveProfile
from idling_ws.services.sessions import member


def update(call: Call, facts: dict[str, Any]) -> Outcome:
    """``profile.update``. The lobby hears of a new name while its owner idles."""
    profile = Profile.from_row(facts["profile"])
    before = profile.to_state()
    check_version(call.if_version, profile.version, {"profile": before})
    name: str = call.args.get("name", profile.name)
    bio: str = call.args.get("bio", profile.bio)
    if facts["name_owner"] not in (None, call.user_id):
        raise RejectedError("name_taken", current={"profile": before})
    if (name, bio) == (profile.name, profile.bio):
        return Outcome(result={"profile": before})
    after = Profile(profile.id, name, bio, profile.roles, profile.version + 1)
    patch: JsonObject = {key: value for key, value in after.to_state().items() if before[key] != value}
    session = facts["session"]
    return Outcome(
        items=[effect("profile.changed", {"profile": patch})],
        result={"profile": after.to_state()},
        writes=[SaveProfile(call.user_id, name, name_key(name), bio, after.version)],
        before={"profile": before},
        after={"profile": after.to_state()},
        lobby=None
        if session is None or name == profile.name
        else LobbyChange(call.user_id, member(after, Session.from_row(session))),
    )
