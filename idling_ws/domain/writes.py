"""What rules ask the store to write: facts, so that one batch can write many at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from idling_ws.domain.announcements import Announcement
from idling_ws.domain.custom_emojis import CustomEmoji
from idling_ws.domain.errors import JsonObject
from idling_ws.domain.notifications import Notification
from idling_ws.domain.push import Subscription
from idling_ws.domain.sessions import Session


@dataclass(frozen=True, slots=True)
class SaveSession:
    """Insert a session, or overwrite the one with its id."""

    session: Session
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class SaveProfile:
    """Overwrite a user's name and bio. ``name_key`` is the name folded for comparison."""

    user_id: int
    name: str
    name_key: str
    bio: str
    version: int


@dataclass(frozen=True, slots=True)
class SavePreferences:
    """Overwrite what a user chose."""

    user_id: int
    chosen: JsonObject
    version: int


@dataclass(frozen=True, slots=True)
class SaveFavorites:
    """Make these a user's favourites, in this order."""

    user_id: int
    emojis: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CountUse:
    """Add to a user's count of an emoji on a day, and make ``recent`` the last ones used."""

    user_id: int
    emoji: str
    day: date
    count: int
    recent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SaveCustomEmoji:
    """Insert a custom emoji, or overwrite what changes of the one with its id."""

    emoji: CustomEmoji
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class AddReaction:
    """Note that somebody reacted to a session."""

    id: str
    sender: int
    owner: int
    session_id: str
    emoji: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AddNotification:
    """Insert a notification; ``fallen`` are dismissed to make room."""

    notification: Notification
    fallen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MarkNotifications:
    """Mark a user's notifications as read, or as dismissed."""

    user_id: int
    ids: tuple[str, ...]
    dismiss: bool = False


@dataclass(frozen=True, slots=True)
class SaveAnnouncement:
    """Insert an announcement."""

    announcement: Announcement


@dataclass(frozen=True, slots=True)
class StartAnnouncement:
    """Note that an announcement stands since ``at``."""

    id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class EndAnnouncement:
    """Let an announcement end at ``at``: a job takes it back from those who were told."""

    id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class WithdrawAnnouncement:
    """Take an announcement down at ``at``."""

    id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SuspendUser:
    """Keep a user out until then, on every instance."""

    user_id: int
    until: datetime


@dataclass(frozen=True, slots=True)
class SaveRoles:
    """Make these a user's roles, and let every instance hear of it."""

    user_id: int
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LinkAccount:
    """Give a user an account elsewhere to sign in with, and let every instance hear of it."""

    user_id: int
    provider: str
    subject: str
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RenameAccount:
    """Note what an account elsewhere is called there now."""

    user_id: int
    provider: str
    name: str


@dataclass(frozen=True, slots=True)
class UnlinkAccount:
    """Take an account elsewhere off a user."""

    user_id: int
    provider: str


@dataclass(frozen=True, slots=True)
class ToldOfLogin:
    """Note that a user was told of a sign-in."""

    login_id: str


@dataclass(frozen=True, slots=True)
class SavePush:
    """Insert a Web Push subscription, or make the one with its endpoint this user's, under this sign-in."""

    user_id: int
    subscription: Subscription
    at: datetime
    login_id: str | None = None


@dataclass(frozen=True, slots=True)
class DropPush:
    """Delete Web Push subscriptions of a user."""

    user_id: int
    endpoints: tuple[str, ...]


Write = (
    SaveSession
    | SaveProfile
    | SavePreferences
    | SaveFavorites
    | CountUse
    | SaveCustomEmoji
    | AddReaction
    | AddNotification
    | MarkNotifications
    | SaveAnnouncement
    | StartAnnouncement
    | EndAnnouncement
    | WithdrawAnnouncement
    | SuspendUser
    | SaveRoles
    | LinkAccount
    | RenameAccount
    | UnlinkAccount
    | ToldOfLogin
    | SavePush
    | DropPush
)
