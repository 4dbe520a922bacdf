"""Operator notices: each admin hears once that a fault was raised, and once that it is over."""

from __future__ import annotations

from typing import Any

from idling_ws.domain.errors import RejectedError
from idling_ws.domain.notices import ENDED, Notice
from idling_ws.domain.roles import ADMIN
from idling_ws.domain.rules import Call, Outcome
from idling_ws.services.notifications import tell

KIND = "operator.notice"


def tell_one(call: Call, facts: dict[str, Any]) -> Outcome:
    """Tell one admin, while they are one; what they were told already is refused."""
    state: str = call.args["state"]
    if facts["named_notice"] is None or ADMIN not in facts["profile"]["roles"] or state in facts["told_of_notice"]:
        raise RejectedError("conflict")
    notice = Notice.from_row(facts["named_notice"])
    if state == ENDED and notice.ended_at is None:
        raise RejectedError("conflict")
    level, title, body = notice.told(state)
    data = {"notice": notice.id, "kind": notice.kind, "state": state}
    created, added = tell(call, facts["shown_notifications"], call.user_id, KIND, level, title, body=body, data=data)
    return Outcome(items=[created], writes=[added], after=data)
