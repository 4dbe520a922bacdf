"""One case for every public mutation: what has to be there first, its arguments, and each way to be rejected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support import scenes
from tests.support.raw_socket import JsonObject
from tests.support.scenes import BROWSER, LATER, Build, favorites, given, linked


@dataclass(frozen=True, slots=True)
class Rejection:
    """A way to be rejected: what comes before, the arguments, the code, and what ``current`` is about."""

    code: str
    build: Build
    current: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A mutation: ``build`` sets the scene and returns the arguments, ``change`` makes other ones of them.

    ``effects`` are the kinds in the actor's entry, ``elsewhere`` those in the other's, ``on_all`` in everybody's.
    """

    build: Build
    change: Callable[[JsonObject], JsonObject]
    effects: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    on_all: tuple[str, ...] = ()
    role: str | None = None
    versioned: str | None = None
    rejections: tuple[Rejection, ...] = ()


def but(**other: Any) -> Callable[[JsonObject], JsonObject]:
    """Return what puts other arguments in place of these."""
    return lambda args: {**args, **other}


_NO_SESSION = given(id="no-such-session")
_ENDED = Rejection("session_not_active", scenes.ended_session, "session")
_NOT_FOUND = Rejection("session_not_found", _NO_SESSION, "session")
_FOREIGN = Rejection("session_not_found", scenes.others_session, "session")
_NO_EMOJI = given(emoji="nope")


def _with_ones_session(build: Build, kind: str) -> Case:
    """What is done to an open session by its id, and to nobody else's."""
    rejections = (_ENDED, _NOT_FOUND, _FOREIGN)
    return Case(build, but(id="another"), (kind,), versioned="session", rejections=rejections)


CASES: dict[str, Case] = {
    "session.start": Case(
        given(activity="reading", emoji="\U0001f4d6"),
        but(activity="writing"),
        ("session.started",),
        rejections=(
            Rejection("session_already_active", scenes.second_session, "session"),
            Rejection("emoji_not_found", given(activity="reading", emoji="nope"), "session"),
        ),
    ),
    "session.update": Case(
        scenes.other_words,
        but(activity="writing"),
        ("session.updated",),
        versioned="session",
        rejections=(
            _ENDED,
            Rejection("session_not_active", given(id="no-such-session", activity="x"), "session"),
            Rejection("emoji_not_found", scenes.update_with_nothing, "session"),
        ),
    ),
    "session.pause": _with_ones_session(scenes.own_session, "session.paused"),
    "session.resume": _with_ones_session(scenes.paused_session, "session.resumed"),
    "session.end": _with_ones_session(scenes.own_session, "session.ended"),
    "profile.update": Case(
        scenes.other_name,
        but(bio="others"),
        ("profile.changed",),
        versioned="profile",
        rejections=(Rejection("name_taken", scenes.taken_name, "profile"),),
    ),
    "preferences.set": Case(
        given(values={"theme": "dark", "reduced_motion": True}),
        but(values={"theme": "light"}),
        ("preferences.changed",),
        versioned="preferences",
    ),
    "favorite.add": Case(
        favorites("1F600", emoji="2764-FE0F"),
        but(emoji="1F44B"),
        ("favorite.added",),
        rejections=(
            Rejection("emoji_not_found", _NO_EMOJI, "favorites"),
            Rejection("favorites_full", scenes.full_favorites, "favorites"),
        ),
    ),
    "favorite.remove": Case(
        favorites("1F600", "2764-FE0F", emoji="1F600"),
        but(emoji="2764-FE0F"),
        ("favorite.removed",),
        rejections=(Rejection("emoji_not_found", _NO_EMOJI, "favorites"),),
    ),
    "favorite.move": Case(
        favorites("1F600", "2764-FE0F", "1F44B", emoji="1F44B", after="1F600"),
        but(after=None),
        ("favorite.moved",),
        rejections=(
            Rejection("favorite_not_found", given(emoji="1F600", after=None), "favorites"),
            Rejection("favorite_not_found", favorites("1F600", emoji="1F600", after="1F44B"), "favorites"),
        ),
    ),
    "emoji.use": Case(
        given(emoji="1F600", count=3),
        but(count=4),
        ("usage.counted",),
        rejections=(Rejection("emoji_not_found", given(emoji="nope", count=1)),),
    ),
    "custom_emoji.delete": Case(
        scenes.own_custom_emoji,
        but(id="another"),
        ("custom_emoji.deleted",),
        rejections=(
            Rejection("custom_emoji_not_found", given(id="c_none")),
            Rejection("custom_emoji_not_found", scenes.others_custom_emoji),
        ),
    ),
    "custom_emoji.review": Case(
        scenes.to_review,
        but(approve=False),
        elsewhere=("custom_emoji.reviewed", "notification.created"),
        role="moderator",
        rejections=(Rejection("custom_emoji_not_found", given(id="c_none", approve=True)),),
    ),
    "reaction.send": Case(
        scenes.wave,
        but(emoji="1F600"),
        ("reaction.sent",),
        elsewhere=("reaction.received", "notification.created"),
        rejections=(
            Rejection("session_not_active", scenes.wave_at_nobody),
            Rejection("session_not_active", given(session="none", emoji="1F600")),
            Rejection("own_session", scenes.wave_at_oneself),
            Rejection("emoji_not_found", scenes.wave_with_nothing),
        ),
    ),
    "notification.read": Case(
        scenes.two_notifications,
        lambda args: {"ids": args["ids"][:1]},
        ("notification.read",),
        rejections=(
            Rejection("notification_not_found", given(ids=["none"]), "notifications"),
            Rejection("notification_not_found", given(up_to="none"), "notifications"),
        ),
    ),
    "notification.dismiss": Case(
        scenes.a_notification,
        but(id="another"),
        ("notification.dismissed",),
        rejections=(Rejection("notification_not_found", given(id="none"), "notifications"),),
    ),
    "push.subscribe": Case(
        given(**BROWSER),
        but(expirationTime=1e12),
        ("push.changed",),
        rejections=(Rejection("endpoint_refused", given(**{**BROWSER, "endpoint": "https://evil.example/x"})),),
    ),
    "push.unsubscribe": Case(
        scenes.a_browser,
        but(endpoint="https://fcm.googleapis.com/other"),
        ("push.changed",),
    ),
    "account.unlink": Case(
        linked("google", "twitch", provider="google"),
        but(provider="twitch"),
        ("account.unlinked",),
        rejections=(
            Rejection("last_provider", linked("google", provider="google")),
            Rejection("account_not_linked", linked("google", provider="twitch")),
        ),
    ),
    "announcement.publish": Case(
        given(title="Tea at five", body="Bring a cup.", level="info", expires_at=LATER),
        but(title="Tea at six"),
        on_all=("announcement.published",),
        role="admin",
        rejections=(
            Rejection("announcement_over", given(title="Tea", level="info", expires_at="2020-01-01T00:00:00Z")),
            Rejection(
                "announcement_over",
                given(title="Tea", level="info", starts_at=LATER, expires_at="2998-01-01T00:00:00Z"),
            ),
        ),
    ),
    "announcement.withdraw": Case(
        scenes.an_announcement,
        but(id="another"),
        on_all=("announcement.withdrawn",),
        role="admin",
        rejections=(Rejection("announcement_not_found", given(id="none")),),
    ),
    "user.suspend": Case(
        scenes.the_other,
        but(reason="very rude"),
        elsewhere=("account.suspended", "notification.created"),
        role="moderator",
        rejections=(
            Rejection("user_not_found", given(user=2**40, until=LATER, reason="rude")),
            Rejection("own_account", scenes.oneself),
        ),
    ),
}
