"""Every mutation there is: one row each.

Adding one is a row here, a schema in ``wire.schemas``, a rule in ``services`` and,
if it reads something new, a fact in ``store.facts``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from idling_ws.domain.errors import JsonObject
from idling_ws.domain.ids import ALL
from idling_ws.domain.names import name_key
from idling_ws.domain.rules import Rule
from idling_ws.services import (
    accounts,
    announcements,
    devices,
    emojis,
    notices,
    notifications,
    preferences,
    profiles,
    push,
    reactions,
    sessions,
)
from idling_ws.wire import schemas


def _no_keys(args: JsonObject) -> dict[str, Any]:
    return {}


def _by_name(args: JsonObject) -> dict[str, Any]:
    return {"name_key": name_key(args["name"])} if "name" in args else {}


@dataclass(frozen=True, slots=True)
class Mutation:
    """How one mutation is checked and run.

    ``facts`` are read under the user's lock, by ``keys(args)``. What it writes to is locked
    with it: the streams in ``also``, and the one of the user that ``touches`` (a name in
    ``store.commit.TOUCHED``) finds by the same keys. A mutation with ``public=False`` is the
    server's own: no client can ask for it.
    """

    name: str
    schema: schemas.ArgumentsSchema
    rule: Rule
    facts: tuple[str, ...]
    keys: Callable[[JsonObject], dict[str, Any]] = _no_keys
    also: tuple[int, ...] = ()
    touches: str | None = None
    public: bool = True


def _by(*names: str) -> Callable[[JsonObject], dict[str, Any]]:
    """Return keys that are arguments under their own names, where given."""
    return lambda args: {name: args[name] for name in names if args.get(name) is not None}


_SESSION = ("profile", "session", "usable_custom_emoji")
_FAVORITES = ("favorites", "usable_custom_emoji")
_CENTRE = ("shown_notifications", "dismissed_notifications")
_LOGIN_TO_TELL = ("shown_notifications", "login_to_tell")
_TOLD = ("told_of_announcement", "shown_notifications")
_NAMED_SESSION = ("profile", "session", "named_session")

MUTATIONS: dict[str, Mutation] = {
    mutation.name: mutation
    for mutation in (
        Mutation("session.start", schemas.SessionStart(), sessions.start, _SESSION, _by("emoji")),
        Mutation("session.update", schemas.SessionUpdate(), sessions.update, _SESSION, _by("emoji")),
        Mutation("session.pause", schemas.SessionRef(), sessions.pause, _NAMED_SESSION, _by("id")),
        Mutation("session.resume", schemas.SessionRef(), sessions.resume, _NAMED_SESSION, _by("id")),
        Mutation("session.end", schemas.SessionRef(), sessions.end, _NAMED_SESSION, _by("id")),
        Mutation(
            "session.time_out",
            schemas.SessionRef(),
            sessions.time_out,
            (*_NAMED_SESSION, "shown_notifications"),
            _by("id"),
            public=False,
        ),
        Mutation(
            "profile.update", schemas.ProfileUpdate(), profiles.update, ("profile", "session", "name_owner"), _by_name
        ),
        Mutation("preferences.set", schemas.PreferencesSet(), preferences.change, ("preferences",)),
        Mutation("favorite.add", schemas.EmojiRef(), emojis.add_favorite, _FAVORITES, _by("emoji")),
        Mutation("favorite.remove", schemas.EmojiRef(), emojis.remove_favorite, _FAVORITES, _by("emoji")),
        Mutation("favorite.move", schemas.FavoriteMove(), emojis.move_favorite, ("favorites",)),
        Mutation(
            "emoji.use",
            schemas.EmojiUse(),
            emojis.use,
            ("recent_emojis", "emoji_total", "usable_custom_emoji"),
            _by("emoji"),
        ),
        Mutation(
            "custom_emoji.create",
            schemas.CustomEmojiCreate(),
            emojis.create_custom,
            ("custom_emojis",),
            public=False,
        ),
        Mutation(
            "custom_emoji.delete", schemas.CustomEmojiRef(), emojis.delete_custom, ("named_custom_emoji",), _by("id")
        ),
        Mutation(
            "custom_emoji.review",
            schemas.CustomEmojiReview(),
            emojis.review_custom,
            ("named_custom_emoji", "emoji_owner_notifications"),
            _by("id"),
            touches="owner_of_custom_emoji",
        ),
        Mutation(
            "reaction.send",
            schemas.ReactionSend(),
            reactions.send,
            ("profile", "target_session", "usable_custom_emoji", "session_owner_notifications"),
            _by("session", "emoji"),
            touches="owner_of_session",
        ),
        Mutation(
            "notification.read", schemas.NotificationRead(), notifications.read, _CENTRE, _by("id", "ids", "up_to")
        ),
        Mutation("notification.dismiss", schemas.NotificationRef(), notifications.dismiss, _CENTRE, _by("id")),
        Mutation("push.subscribe", schemas.PushSubscribe(), push.subscribe, ("push_endpoints",)),
        Mutation("push.unsubscribe", schemas.PushUnsubscribe(), push.unsubscribe, ("push_endpoints",)),
        Mutation("account.unlink", schemas.AccountRef(), accounts.unlink, ("accounts",)),
        Mutation(
            "account.link",
            schemas.AccountLink(),
            accounts.link,
            ("profile", "accounts", "account_owner"),
            _by("provider", "subject"),
            public=False,
        ),
        Mutation("account.rename", schemas.AccountRename(), accounts.rename, ("accounts",), public=False),
        Mutation("user.grant", schemas.RoleChange(), accounts.grant, ("profile",), public=False),
        Mutation("user.revoke", schemas.RoleChange(), accounts.revoke, ("profile",), public=False),
        Mutation(
            "device.signed_in", schemas.DeviceSeen(), devices.signed_in, _LOGIN_TO_TELL, _by("login"), public=False
        ),
        Mutation("device.ended", schemas.DeviceSeen(), devices.ended, _LOGIN_TO_TELL, _by("login"), public=False),
        Mutation("announcement.publish", schemas.AnnouncementPublish(), announcements.publish, (), also=(ALL,)),
        Mutation(
            "announcement.withdraw",
            schemas.AnnouncementRef(),
            announcements.withdraw,
            ("named_announcement",),
            _by("id"),
            also=(ALL,),
        ),
        *(
            Mutation(f"announcement.{name}", schemas.AnnouncementRef(), rule, facts, _by("id"), public=False)
            for name, rule, facts in (
                ("start", announcements.start, ("named_announcement",)),
                ("expire", announcements.expire, ("named_announcement",)),
                ("tell", announcements.tell_one, ("profile", "named_announcement", *_TOLD)),
                ("untell", announcements.untell_one, _TOLD),
            )
        ),
        Mutation(
            "operator.tell",
            schemas.NoticeRef(),
            notices.tell_one,
            ("profile", "named_notice", "told_of_notice", "shown_notifications"),
            _by("id"),
            public=False,
        ),
        Mutation(
            "user.suspend",
            schemas.UserSuspend(),
            accounts.suspend,
            ("profile", "named_user", "named_user_notifications"),
            _by("user"),
            touches="named_user",
        ),
    )
}
