"""Web Push subscriptions: a browser that may be woken when something happens to its user."""

from __future__ import annotations

from typing import Any

from idling_ws.domain.entries import effect
from idling_ws.domain.errors import RejectedError
from idling_ws.domain.push import MAX_SUBSCRIPTIONS, Subscription
from idling_ws.domain.rules import Call, Outcome
from idling_ws.domain.writes import DropPush, SavePush


def subscribe(call: Call, facts: dict[str, Any]) -> Outcome:
    """``push.subscribe``: this browser from now on, with these keys; it may have been somebody else's before."""
    endpoint: str = call.args["endpoint"]
    known: list[str] = facts["push_endpoints"]
    if not call.accepts_push(endpoint):
        raise RejectedError("endpoint_refused", current=_count(len(known)))
    keys = call.args["keys"]
    others = [other for other in known if other != endpoint]
    fallen = others[: max(0, len(others) + 1 - MAX_SUBSCRIPTIONS)]
    return _changed(
        len(others) + 1 - len(fallen),
        [
            SavePush(call.user_id, Subscription(endpoint, keys["p256dh"], keys["auth"]), call.now, call.login_id),
            *([DropPush(call.user_id, tuple(fallen))] if fallen else []),
        ],
    )


def unsubscribe(call: Call, facts: dict[str, Any]) -> Outcome:
    """``push.unsubscribe``: not this browser any more. One that is not known is as good as gone."""
    endpoint: str = call.args["endpoint"]
    known: list[str] = facts["push_endpoints"]
    if endpoint not in known:
        return Outcome(result=_count(len(known)))
    return _changed(len(known) - 1, [DropPush(call.user_id, (endpoint,))])


def _changed(count: int, writes: list[SavePush | DropPush]) -> Outcome:
    # Whoever knows an endpoint may post to it: it stays out of entries and of the audit trail.
    shown = _count(count)
    return Outcome(
        items=[effect("push.changed", data=shown["push"])], result=shown, writes=list(writes), after=shown["push"]
    )


def _count(count: int) -> dict[str, Any]:
    return {"push": {"subscriptions": count}}
