"""Notifications: told in the transaction of what they tell of; read and dismissed on one device, and so on all."""

from __future__ import annotations

from typing import Any

from idling_ws.domain.entries import Item, effect
from idling_ws.domain.errors import JsonObject, RejectedError
from idling_ws.domain.notifications import Centre, Notification
from idling_ws.domain.rules import Call, Outcome
from idling_ws.domain.writes import AddNotification, MarkNotifications


def tell(
    call: Call,
    shown: list[list[Any]] | None,
    user_id: int,
    kind: str,
    level: str,
    title: str,
    *,
    body: str | None = None,
    data: JsonObject | None = None,
) -> tuple[Item, AddNotification]:
    """Return the effect and the write that tell a user something. ``shown``: the fact of what they have been told.

    ``title`` and ``body`` are for whoever shows them as they are; ``data`` lets a page say it in
    its own words and offer what to do about it.
    """
    notification = Notification(
        id=call.new_id,
        user_id=user_id,
        kind=kind,
        level=level,
        title=title,
        created_at=call.now,
        body=body,
        data=data,
    )
    created, fallen = Centre.from_fact(shown).add(notification)
    return created, AddNotification(notification, tuple(fallen))


def tell_rolled_back(call: Call, shown: list[list[Any]] | None, mid: str, name: str, code: str) -> Outcome:
    """A change that was sent while nobody looked was not accepted: all devices of its user hear of it.

    The device that asked knows it from its own outbox, by ``mid``, and need not say it twice.
    """
    created, added = tell(
        call,
        shown,
        call.user_id,
        "mutation.rolled_back",
        "warning",
        "A change that was sent while you were away was not accepted.",
        # In a patch null means gone, so what is null there must not be part of it.
        data={"mid": mid, "name": name, "code": code, "args": _without_nulls(call.args)},
    )
    return Outcome(items=[created], writes=[added])


def read(call: Call, facts: dict[str, Any]) -> Outcome:
    """``notification.read``: some, or all up to one. What was read or dismissed already is left as it is."""
    centre = Centre.from_fact(facts["shown_notifications"])
    shown = dict(centre.shown)
    named: list[str] = call.args["ids"] if "ids" in call.args else [call.args["up_to"]]
    _check_known(named, centre, facts)
    ids = named if "ids" in call.args else [id_ for id_ in shown if id_ <= named[0]]
    fresh = [id_ for id_ in dict.fromkeys(ids) if not shown.get(id_, True)]
    if not fresh:
        return Outcome(result=_count(centre))
    after = Centre(tuple((id_, is_read or id_ in fresh) for id_, is_read in centre.shown))
    patch = {"notifications": {"unread_count": after.unread, "items": {id_: {"read": True} for id_ in fresh}}}
    return Outcome(
        items=[effect("notification.read", patch, {"ids": fresh})],
        result=_count(after),
        writes=[MarkNotifications(call.user_id, tuple(fresh))],
        after={"read": fresh},
    )


def dismiss(call: Call, facts: dict[str, Any]) -> Outcome:
    """``notification.dismiss``: away for good. Another device was faster: confirmed, and nothing changes."""
    centre = Centre.from_fact(facts["shown_notifications"])
    id_: str = call.args["id"]
    _check_known([id_], centre, facts)
    if id_ not in dict(centre.shown):
        return Outcome(result=_count(centre))
    after = Centre(tuple(pair for pair in centre.shown if pair[0] != id_))
    patch = {"notifications": {"unread_count": after.unread, "items": {id_: None}}}
    return Outcome(
        items=[effect("notification.dismissed", patch, {"id": id_})],
        result=_count(after),
        writes=[MarkNotifications(call.user_id, (id_,), dismiss=True)],
        after={"dismissed": id_},
    )


def _without_nulls(value: JsonObject) -> JsonObject:
    return {
        key: _without_nulls(inner) if isinstance(inner, dict) else inner
        for key, inner in value.items()
        if inner is not None
    }


def _check_known(ids: list[str], centre: Centre, facts: dict[str, Any]) -> None:
    """Raise ``RejectedError`` when one of ``ids`` is not this user's, or was dismissed so long ago that it is gone."""
    if not {*ids} <= {*dict(centre.shown), *facts["dismissed_notifications"]}:
        raise RejectedError("notification_not_found", current=_count(centre))


def _count(centre: Centre) -> JsonObject:
    return {"notifications": {"unread_count": centre.unread}}
