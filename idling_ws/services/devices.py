"""Devices: a word to a user's devices when one comes in, and when one was ended for safety."""

from __future__ import annotations

from typing import Any

from idling_ws.domain.errors import RejectedError
from idling_ws.domain.rules import Call, Outcome
from idling_ws.domain.writes import ToldOfLogin
from idling_ws.services.notifications import tell


def signed_in(call: Call, facts: dict[str, Any]) -> Outcome:
    """Somebody came in with this account: its owner, or somebody to be signed out."""
    body = "If that was not you, sign that device out and have a look at your linked accounts."
    return _tell(call, facts, "signed_in", "info", f"{call.args['device']} signed in.", body)


def ended(call: Call, facts: dict[str, Any]) -> Outcome:
    """A refresh token came twice, so two hold it: that device was signed out for both."""
    body = "Its key was used a second time, which happens when it was copied. Whoever is you can sign in again."
    return _tell(call, facts, "ended", "warning", f"{call.args['device']} was signed out for safety.", body)


def _told(call: Call, facts: dict[str, Any], what: str) -> ToldOfLogin:
    """Raises ``RejectedError`` when it was told already: each is, once, by whoever comes first."""
    if facts["login_to_tell"] != {"what": what}:
        raise RejectedError("conflict", "That was told already.")
    return ToldOfLogin(call.args["login"])


def _tell(call: Call, facts: dict[str, Any], what: str, level: str, title: str, body: str) -> Outcome:
    told = _told(call, facts, what)
    args = call.args
    created, added = tell(
        call,
        facts["shown_notifications"],
        call.user_id,
        f"device.{what}",
        level,
        title[:1].upper() + title[1:],
        body=body,
        data={"login": args["login"], "provider": args["provider"], "device": args["device"]},
    )
    return Outcome(items=[created], writes=[added, told], after={"login": args["login"], "provider": args["provider"]})
