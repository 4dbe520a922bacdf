"""Accounts: what opens one, what its owner may do, and keeping somebody out for a while."""

from __future__ import annotations

from typing import Any

from idling_ws.domain.clock import rfc3339
from idling_ws.domain.entries import effect
from idling_ws.domain.errors import DeniedError, JsonObject, RejectedError
from idling_ws.domain.names import name_key
from idling_ws.domain.profiles import Profile
from idling_ws.domain.roles import ADMIN, GUEST, MEMBER, MODERATOR, after_linking
from idling_ws.domain.rules import Call, Outcome
from idling_ws.domain.writes import (
    LinkAccount,
    RenameAccount,
    SaveProfile,
    SaveRoles,
    SuspendUser,
    UnlinkAccount,
    Write,
)
from idling_ws.services.notifications import tell

_PROTECTED = frozenset({MODERATOR, ADMIN})


def link(call: Call, facts: dict[str, Any]) -> Outcome:
    """An account elsewhere becomes another way in. A guest becomes a member by it, and keeps everything."""
    owner, linked = facts["account_owner"], {row["provider"] for row in facts["accounts"]}
    provider, name = call.args["provider"], call.args["name"]
    if owner not in (None, call.user_id):
        raise RejectedError("account_taken")
    if owner == call.user_id:
        return Outcome(result={"account": {"provider": provider}})
    if provider in linked:
        raise RejectedError("provider_linked")
    shown = {"name": name, "linked_at": rfc3339(call.now)}
    patch: JsonObject = {"accounts": {provider: shown}}
    writes: list[Write] = [LinkAccount(call.user_id, provider, call.args["subject"], name, call.now)]
    profile = Profile.from_row(facts["profile"])
    roles = after_linking(profile.roles)
    if roles != profile.roles:
        patch["profile"], role_writes = _with_roles(profile, roles)
        writes += role_writes
    return Outcome(
        items=[effect("account.linked", patch, {"provider": provider})],
        result={"account": {"provider": provider, **shown}},
        writes=writes,
        before={"accounts": sorted(linked), "roles": list(profile.roles)},
        after={"accounts": sorted({*linked, provider}), "roles": list(roles)},
    )


def rename(call: Call, facts: dict[str, Any]) -> Outcome:
    """It is called something else there now."""
    provider, name = call.args["provider"], call.args["name"]
    if provider not in {row["provider"] for row in facts["accounts"]}:
        raise RejectedError("account_not_linked")
    return Outcome(
        items=[effect("account.renamed", {"accounts": {provider: {"name": name}}}, {"provider": provider})],
        writes=[RenameAccount(call.user_id, provider, name)],
        after={"account": {"provider": provider, "name": name}},
    )


def grant(call: Call, facts: dict[str, Any]) -> Outcome:
    """Somebody gets a role; who is made a member is a guest no longer."""
    profile, role = Profile.from_row(facts["profile"]), call.args["role"]
    if role in profile.roles:
        raise RejectedError("conflict", "They have that role already.")
    kept = set(profile.roles) - ({GUEST} if role == MEMBER else {MEMBER} if role == GUEST else set())
    return _change_roles(profile, {*kept, role})


def revoke(call: Call, facts: dict[str, Any]) -> Outcome:
    """Somebody loses a role; never the only one, or they could do nothing at all."""
    profile, role = Profile.from_row(facts["profile"]), call.args["role"]
    if role not in profile.roles:
        raise RejectedError("conflict", "They do not have that role.")
    if len(profile.roles) == 1:
        raise RejectedError("conflict", "That is their only role: to keep somebody out, suspend them.")
    return _change_roles(profile, set(profile.roles) - {role})


def _change_roles(profile: Profile, wanted: set[str]) -> Outcome:
    roles = tuple(sorted(wanted))
    patch, writes = _with_roles(profile, roles)
    return Outcome(
        items=[effect("profile.changed", {"profile": patch})],
        writes=writes,
        before={"roles": list(profile.roles)},
        after={"roles": list(roles)},
    )


def _with_roles(profile: Profile, roles: tuple[str, ...]) -> tuple[JsonObject, list[Write]]:
    """Return what of the profile changes with its roles, and what to write."""
    version = profile.version + 1
    saved = SaveProfile(profile.id, profile.name, name_key(profile.name), profile.bio, version)
    return {"roles": list(roles), "version": version}, [SaveRoles(profile.id, roles), saved]


def unlink(call: Call, facts: dict[str, Any]) -> Outcome:
    """``account.unlink``: never the last one, or nobody could come back in."""
    linked = {row["provider"] for row in facts["accounts"]}
    provider: str = call.args["provider"]
    if provider not in linked:
        raise RejectedError("account_not_linked")
    if len(linked) == 1:
        raise RejectedError("last_provider")
    return Outcome(
        items=[effect("account.unlinked", {"accounts": {provider: None}}, {"provider": provider})],
        result={"account": {"provider": provider}},
        writes=[UnlinkAccount(call.user_id, provider)],
        before={"accounts": sorted(linked)},
        after={"accounts": sorted(linked - {provider})},
    )


def suspend(call: Call, facts: dict[str, Any]) -> Outcome:
    """``user.suspend``: by a moderator, until then. Only an admin suspends those who keep order."""
    named = facts["named_user"]
    if named is None:
        raise RejectedError("user_not_found")
    if named["id"] == call.user_id:
        raise RejectedError("own_account")
    if not _PROTECTED.isdisjoint(named["roles"]) and ADMIN not in facts["profile"]["roles"]:
        raise DeniedError
    until = call.args["until"]
    told = {"until": rfc3339(until), "reason": call.args["reason"]}
    # Their sockets close: they read it when they are back, or see it pushed at once.
    title, body = "Your account was suspended for a while.", call.args["reason"]
    created, added = tell(
        call, facts["named_user_notifications"], named["id"], "account.suspended", "error", title, body=body, data=told
    )
    return Outcome(
        result={"user": {"id": named["id"], "suspended_until": told["until"]}},
        writes=[SuspendUser(named["id"], until), added],
        elsewhere={named["id"]: [effect("account.suspended", None, told), created]},
        after={"user": named["id"], **told},
    )
