"""How each fact that a rule wants written becomes SQL: one function a kind, run in the mutation's transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from idling_ws.domain.writes import (
    AddNotification,
    AddReaction,
    CountUse,
    DropPush,
    EndAnnouncement,
    LinkAccount,
    MarkNotifications,
    RenameAccount,
    SaveAnnouncement,
    SaveCustomEmoji,
    SaveFavorites,
    SavePreferences,
    SaveProfile,
    SavePush,
    SaveRoles,
    SaveSession,
    StartAnnouncement,
    SuspendUser,
    ToldOfLogin,
    UnlinkAccount,
    WithdrawAnnouncement,
)

Statement = tuple[str, tuple[Any, ...]]

# Ten seconds a device has to show it, before somebody is taken to be away; and another two, in which
# the instance that heard of it in the last moment has told the others.
PUSH_AFTER_S = 12


def _session(write: SaveSession) -> Statement:
    s = write.session
    if write.is_new:
        return (
            "INSERT INTO sessions (id, user_id, activity, emoji, status, started_at, last_seen_at, version) "
            "VALUES (%s, %s, %s, %s, %s, %s, now(), %s)",
            (s.id, s.user_id, s.activity, s.emoji, s.status, s.started_at, s.version),
        )
    return (
        "UPDATE sessions SET activity = %s, emoji = %s, status = %s, paused_at = %s, paused_ms = %s, ended_at = %s, "
        "end_reason = %s, version = %s WHERE id = %s",
        (s.activity, s.emoji, s.status, s.paused_at, s.paused_ms, s.ended_at, s.end_reason, s.version, s.id),
    )


def _profile(write: SaveProfile) -> Statement:
    return (
        "UPDATE users SET name = %s, name_key = %s, bio = %s, version = %s WHERE id = %s",
        (write.name, write.name_key, write.bio, write.version, write.user_id),
    )


def _preferences(write: SavePreferences) -> Statement:
    return (
        "INSERT INTO user_preferences (user_id, chosen, version) VALUES (%s, %s::jsonb, %s) "
        "ON CONFLICT (user_id) DO UPDATE SET chosen = EXCLUDED.chosen, version = EXCLUDED.version",
        (write.user_id, orjson.dumps(write.chosen).decode(), write.version),
    )


def _favorites(write: SaveFavorites) -> Statement:
    emojis = list(write.emojis)
    return (
        "DELETE FROM user_emoji_favorites WHERE user_id = %s AND NOT emoji = ANY(%s::text[]); "
        "INSERT INTO user_emoji_favorites AS f (user_id, emoji, position) "
        "SELECT %s, v.emoji, v.position FROM unnest(%s::text[]) WITH ORDINALITY AS v (emoji, position) "
        "ON CONFLICT (user_id, emoji) DO UPDATE SET position = EXCLUDED.position WHERE f.position <> EXCLUDED.position",
        (write.user_id, emojis, write.user_id, emojis),
    )


def _use(write: CountUse) -> Statement:
    return (
        "INSERT INTO emoji_usage_stats AS u (user_id, emoji, day, count) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (user_id, emoji, day) DO UPDATE SET count = u.count + EXCLUDED.count; "
        "INSERT INTO user_recent_emojis (user_id, emojis) VALUES (%s, %s::text[]) "
        "ON CONFLICT (user_id) DO UPDATE SET emojis = EXCLUDED.emojis",
        (write.user_id, write.emoji, write.day, write.count, write.user_id, list(write.recent)),
    )


def _custom_emoji(write: SaveCustomEmoji) -> Statement:
    e = write.emoji
    if write.is_new:
        return (
            "INSERT INTO custom_emojis (id, user_id, name, name_key, digest, media_type, width, height, is_animated, "
            "status, created_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                e.id, e.user_id, e.name, e.name.casefold(), e.digest, e.media_type, e.width, e.height, e.is_animated,
                e.status, e.created_at,
            ),
        )  # fmt: skip
    return (
        "UPDATE custom_emojis SET status = %s, reviewed_at = %s, reviewed_by = %s, deleted_at = %s, version = %s "
        "WHERE id = %s",
        (e.status, e.reviewed_at, e.reviewed_by, e.deleted_at, e.version, e.id),
    )


def _reaction(write: AddReaction) -> Statement:
    return (
        "INSERT INTO reactions (id, sender, owner, session_id, emoji, at) VALUES (%s, %s, %s, %s, %s, %s)",
        (write.id, write.sender, write.owner, write.session_id, write.emoji, write.at),
    )


def _notification(write: AddNotification) -> Statement:
    n = write.notification
    return (
        "INSERT INTO notifications (id, user_id, kind, level, title, body, data, read, created_at) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s); "
        "UPDATE notifications SET dismissed = true WHERE user_id = %s AND id = ANY(%s::text[]); "
        # The head was moved on before, in this transaction: that entry carries the notification.
        "INSERT INTO push_queue (user_id, notification_id, seq, due_at) "
        "SELECT s.user_id, %s, s.seq, clock_timestamp() + make_interval(secs => %s) FROM streams s "
        "WHERE s.user_id = %s AND EXISTS (SELECT FROM push_subscriptions p WHERE p.user_id = s.user_id)",
        (
            n.id, n.user_id, n.kind, n.level, n.title, n.body,
            None if n.data is None else orjson.dumps(n.data).decode(), n.read, n.created_at,
            n.user_id, list(write.fallen), n.id, PUSH_AFTER_S, n.user_id,
        ),
    )  # fmt: skip


def _marks(write: MarkNotifications) -> Statement:
    column = "dismissed" if write.dismiss else "read"
    return (
        f"UPDATE notifications SET {column} = true WHERE user_id = %s AND id = ANY(%s::text[])",
        (write.user_id, list(write.ids)),
    )


def _announcement(write: SaveAnnouncement) -> Statement:
    a = write.announcement
    return (
        "INSERT INTO announcements (id, title, body, level, audience, published_by, starts_at, published_at, "
        "expires_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (a.id, a.title, a.body, a.level, a.audience, a.published_by, a.starts_at, a.published_at, a.expires_at),
    )


def _start_announcement(write: StartAnnouncement) -> Statement:
    return "UPDATE announcements SET published_at = %s WHERE id = %s", (write.at, write.id)


def _end_announcement(write: EndAnnouncement) -> Statement:
    return "UPDATE announcements SET expires_at = %s WHERE id = %s", (write.at, write.id)


def _withdrawal(write: WithdrawAnnouncement) -> Statement:
    return "UPDATE announcements SET withdrawn_at = %s WHERE id = %s", (write.at, write.id)


def _suspension(write: SuspendUser) -> Statement:
    return (
        "UPDATE users SET suspended_until = %s WHERE id = %s; "
        "INSERT INTO revocations (user_id, reason, until) VALUES (%s, 'suspended', %s)",
        (write.until, write.user_id, write.user_id, write.until),
    )


def _roles(write: SaveRoles) -> Statement:
    roles = list(write.roles)
    return (
        "DELETE FROM roles WHERE user_id = %s AND NOT role = ANY(%s::text[]); "
        "INSERT INTO roles (user_id, role) SELECT %s, unnest(%s::text[]) ON CONFLICT DO NOTHING; "
        "INSERT INTO revocations (user_id, reason) VALUES (%s, 'roles_changed')",
        (write.user_id, roles, write.user_id, roles, write.user_id),
    )


def _link(write: LinkAccount) -> Statement:
    return (
        "INSERT INTO accounts (provider, subject, user_id, name, linked_at, used_at) VALUES (%s, %s, %s, %s, %s, %s); "
        "INSERT INTO revocations (user_id, reason) VALUES (%s, 'account_linked')",
        (write.provider, write.subject, write.user_id, write.name, write.at, write.at, write.user_id),
    )


def _rename(write: RenameAccount) -> Statement:
    return (
        "UPDATE accounts SET name = %s WHERE user_id = %s AND provider = %s",
        (write.name, write.user_id, write.provider),
    )


def _unlink(write: UnlinkAccount) -> Statement:
    return "DELETE FROM accounts WHERE user_id = %s AND provider = %s", (write.user_id, write.provider)


def _told_of_login(write: ToldOfLogin) -> Statement:
    return "UPDATE logins SET to_tell = NULL WHERE id = %s", (write.login_id,)


def _save_push(write: SavePush) -> Statement:
    s = write.subscription
    return (
        "INSERT INTO push_subscriptions (endpoint, user_id, p256dh, auth, created_at, login_id) "
        "VALUES (%s, %s, %s, %s, %s, %s) "
        "ON CONFLICT (endpoint) DO UPDATE SET user_id = EXCLUDED.user_id, p256dh = EXCLUDED.p256dh, "
        "auth = EXCLUDED.auth, created_at = EXCLUDED.created_at, login_id = EXCLUDED.login_id, failures = 0",
        (s.endpoint, write.user_id, s.p256dh, s.auth, write.at, write.login_id),
    )


def _drop_push(write: DropPush) -> Statement:
    return (
        "DELETE FROM push_subscriptions WHERE user_id = %s AND endpoint = ANY(%s::text[])",
        (write.user_id, list(write.endpoints)),
    )


WRITERS: dict[type[Any], Callable[[Any], Statement]] = {
    SaveSession: _session,
    SaveProfile: _profile,
    SavePreferences: _preferences,
    SaveFavorites: _favorites,
    CountUse: _use,
    SaveCustomEmoji: _custom_emoji,
    AddReaction: _reaction,
    AddNotification: _notification,
    MarkNotifications: _marks,
    SaveAnnouncement: _announcement,
    StartAnnouncement: _start_announcement,
    EndAnnouncement: _end_announcement,
    WithdrawAnnouncement: _withdrawal,
    SuspendUser: _suspension,
    SaveRoles: _roles,
    LinkAccount: _link,
    RenameAccount: _rename,
    UnlinkAccount: _unlink,
    ToldOfLogin: _told_of_login,
    SavePush: _save_push,
    DropPush: _drop_push,
}
