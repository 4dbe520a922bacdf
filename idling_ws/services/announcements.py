"""Announcements: to everyone over the stream they share, to fewer by a notification each; taken down in time.

The shared stream is read by everybody, and must be the same for everybody or it would have
gaps. So what is for moderators alone never goes there: a job tells each of them, in their own
stream, and takes it back from each of them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from idling_ws.domain.announcements import AUDIENCES, EVERYONE, Announcement
from idling_ws.domain.clock import rfc3339
from idling_ws.domain.entries import Item, effect
from idling_ws.domain.errors import JsonObject, RejectedError
from idling_ws.domain.ids import ALL
from idling_ws.domain.notifications import Centre
from idling_ws.domain.rules import Call, Outcome
from idling_ws.domain.writes import EndAnnouncement, MarkNotifications, SaveAnnouncement, StartAnnouncement
from idling_ws.domain.writes import WithdrawAnnouncement as Withdraw
from idling_ws.services.notifications import tell

KIND = "announcement"


def publish(call: Call, facts: dict[str, Any]) -> Outcome:
    """``announcement.publish``: now, or once its start has come."""
    args = call.args
    starts_at: datetime | None = args.get("starts_at")
    begins_at = max(call.now, starts_at or call.now)
    is_to_wait = begins_at > call.now
    announcement = Announcement(
        id=call.new_id,
        title=args["title"],
        level=args["level"],
        published_by=call.user_id,
        audience=args.get("audience", EVERYONE),
        body=args.get("body"),
        starts_at=starts_at,
        published_at=None if is_to_wait else call.now,
        expires_at=args.get("expires_at"),
    )
    if announcement.is_over_at(begins_at):
        raise RejectedError("announcement_over")
    shown = {"announcement": announcement.to_admin()}
    outcome = Outcome(result=shown, writes=[SaveAnnouncement(announcement)], after=shown)
    if announcement.is_for_everyone and not is_to_wait:
        outcome.elsewhere[ALL] = [_published(announcement)]
    return outcome


def withdraw(call: Call, facts: dict[str, Any]) -> Outcome:
    """``announcement.withdraw``: it is over now, or never starts. Who was told one by one, is untold within seconds."""
    announcement = _named(facts)
    before = {"announcement": announcement.to_admin()}
    if announcement.status == "standing" and not announcement.is_for_everyone:
        ended = replace(announcement, expires_at=call.now)
        shown = {"announcement": ended.to_admin()}
        return Outcome(result=shown, writes=[EndAnnouncement(announcement.id, call.now)], before=before, after=shown)
    shown = {"announcement": replace(announcement, withdrawn_at=call.now).to_admin()}
    outcome = Outcome(result=shown, writes=[Withdraw(announcement.id, call.now)], before=before, after=shown)
    if announcement.status == "standing":
        outcome.elsewhere[ALL] = [_taken_down("announcement.withdrawn", announcement.id)]
    return outcome


def start(call: Call, facts: dict[str, Any]) -> Outcome:
    """Its start has come. Runs on the shared stream for everyone, else on the stream of who published it.

    One that was to end before anybody could start it (all instances were down) never shows.
    """
    announcement = _named(facts)
    if announcement.published_at is not None:
        raise RejectedError("conflict")
    if announcement.is_over_at(call.now):
        told = {"id": announcement.id}
        return Outcome(
            items=[effect("announcement.expired", None, told)], writes=[Withdraw(announcement.id, call.now)], after=told
        )
    started = replace(announcement, published_at=call.now)
    shown = {"announcement": started.to_admin()}
    item = _published(started) if started.is_for_everyone else effect("announcement.started", None, {"id": started.id})
    return Outcome(items=[item], writes=[StartAnnouncement(started.id, call.now)], after=shown)


def expire(call: Call, facts: dict[str, Any]) -> Outcome:
    """Taken down by the server: its time is over. Runs where ``start`` does."""
    announcement = _named(facts)
    if not announcement.is_over_at(call.now):
        raise RejectedError("conflict")
    return Outcome(
        items=[_taken_down("announcement.expired", announcement.id)], writes=[Withdraw(announcement.id, call.now)]
    )


def tell_one(call: Call, facts: dict[str, Any]) -> Outcome:
    """One of a narrower audience hears of it, once, while it stands and while they are one of them."""
    announcement = _named(facts)
    is_meant = not {*AUDIENCES[announcement.audience]}.isdisjoint(facts["profile"]["roles"])
    if announcement.published_at is None or announcement.is_over_at(call.now) or not is_meant:
        raise RejectedError("conflict")
    if facts["told_of_announcement"]:
        raise RejectedError("conflict")
    data: JsonObject = {"announcement": announcement.id, "audience": announcement.audience}
    if announcement.expires_at is not None:
        data["expires_at"] = rfc3339(announcement.expires_at)
    created, added = tell(
        call,
        facts["shown_notifications"],
        call.user_id,
        KIND,
        announcement.level,
        announcement.title,
        body=announcement.body,
        data=data,
    )
    return Outcome(items=[created], writes=[added], after={"announcement": announcement.id})


def untell_one(call: Call, facts: dict[str, Any]) -> Outcome:
    """It is over: away with it, read or not."""
    centre = Centre.from_fact(facts["shown_notifications"])
    gone = [id_ for id_ in facts["told_of_announcement"] if id_ in dict(centre.shown)]
    if not gone:
        raise RejectedError("conflict")
    after = Centre(tuple(pair for pair in centre.shown if pair[0] not in gone))
    patch = {"notifications": {"unread_count": after.unread, "items": dict.fromkeys(gone)}}
    return Outcome(
        items=[effect("notification.dismissed", patch, {"id": id_}) for id_ in gone],
        writes=[MarkNotifications(call.user_id, tuple(gone), dismiss=True)],
        after={"dismissed": gone},
    )


def _named(facts: dict[str, Any]) -> Announcement:
    """Raises ``RejectedError`` when there is none, or it is over."""
    if facts["named_announcement"] is None:
        raise RejectedError("announcement_not_found")
    return Announcement.from_row(facts["named_announcement"])


def _published(announcement: Announcement) -> Item:
    return effect("announcement.published", {"announcements": {announcement.id: announcement.to_state()}})


def _taken_down(kind: str, id_: str) -> Item:
    return effect(kind, {"announcements": {id_: None}}, {"id": id_})
