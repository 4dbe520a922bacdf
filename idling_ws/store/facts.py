"""Facts: what rules and snapshots need to know of a user, as SQL that fits any SELECT.

Each fact is one scalar sub-select over ``r.user_id`` (the user) and ``r.keys`` (a JSON
object of what the mutation names, for example ``{"id": …}``). A snapshot selects the
facts of ``state`` for one user; the mutation transaction selects what its batch asks
for, for many users at once. One definition, so the two can never disagree.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from idling_ws.domain import preferences
from idling_ws.domain.announcements import Announcement
from idling_ws.domain.clock import rfc3339
from idling_ws.domain.custom_emojis import CustomEmoji
from idling_ws.domain.errors import JsonObject
from idling_ws.domain.notifications import Notification
from idling_ws.domain.profiles import Profile
from idling_ws.domain.sessions import Session

Facts = dict[str, Any]

SHOWN_NOTIFICATIONS = """(
    SELECT coalesce(json_agg(json_build_array(n.id, n.read) ORDER BY n.id), '[]')
    FROM notifications n WHERE n.user_id = {user} AND NOT n.dismissed)"""

FACTS: dict[str, str] = {
    "profile": """(
        SELECT json_build_object(
            'id', u.id, 'name', u.name, 'bio', u.bio, 'version', u.version, 'suspended_until', u.suspended_until,
            'roles', (SELECT coalesce(json_agg(g.role ORDER BY g.role), '[]') FROM roles g WHERE g.user_id = u.id))
        FROM users u WHERE u.id = r.user_id)""",
    "preferences": """(
        SELECT json_build_object('chosen', p.chosen, 'version', p.version)
        FROM user_preferences p WHERE p.user_id = r.user_id)""",
    "session": "(SELECT row_to_json(s) FROM sessions s WHERE s.user_id = r.user_id AND s.ended_at IS NULL)",
    "named_session": """(
        SELECT row_to_json(s) FROM sessions s WHERE s.id = r.keys ->> 'id' AND s.user_id = r.user_id)""",
    "favorites": """(
        SELECT coalesce(json_agg(f.emoji ORDER BY f.position, f.added_at), '[]')
        FROM user_emoji_favorites f WHERE f.user_id = r.user_id)""",
    "recent_emojis": "(SELECT to_json(e.emojis) FROM user_recent_emojis e WHERE e.user_id = r.user_id)",
    "emoji_total": """(
        SELECT to_json(coalesce(sum(u.count), 0)::bigint)
        FROM emoji_usage_stats u WHERE u.user_id = r.user_id AND u.emoji = r.keys ->> 'emoji')""",
    # A custom emoji that anybody may use; and the one that is named, with whoever it belongs to.
    "usable_custom_emoji": """(
        SELECT row_to_json(c) FROM custom_emojis c
        WHERE c.id = r.keys ->> 'emoji' AND c.deleted_at IS NULL
        AND (c.status = 'approved' OR c.user_id = r.user_id))""",
    "named_custom_emoji": """(
        SELECT row_to_json(c) FROM custom_emojis c WHERE c.id = r.keys ->> 'id' AND c.deleted_at IS NULL)""",
    "custom_emojis": """(
        SELECT coalesce(json_agg(c ORDER BY c.id), '[]')
        FROM custom_emojis c WHERE c.user_id = r.user_id AND c.deleted_at IS NULL)""",
    "target_session": "(SELECT row_to_json(s) FROM sessions s WHERE s.id = r.keys ->> 'session')",
    "notifications": """(
        SELECT coalesce(json_agg(n ORDER BY n.id), '[]')
        FROM notifications n WHERE n.user_id = r.user_id AND NOT n.dismissed)""",
    # ``[[id, read], …]``, oldest first: one's own; those of the target session's owner; of the
    # named custom emoji's owner; of the named user.
    "shown_notifications": SHOWN_NOTIFICATIONS.format(user="r.user_id"),
    "session_owner_notifications": SHOWN_NOTIFICATIONS.format(
        user="(SELECT s.user_id FROM sessions s WHERE s.id = r.keys ->> 'session')"
    ),
    "named_user_notifications": SHOWN_NOTIFICATIONS.format(user="(r.keys ->> 'user')::bigint"),
    # Those of the ids that a mutation names which are this user's, and dismissed.
    "dismissed_notifications": """(
        SELECT coalesce(json_agg(n.id), '[]') FROM notifications n
        WHERE n.user_id = r.user_id AND n.dismissed AND (
            n.id = ANY(ARRAY[r.keys ->> 'id', r.keys ->> 'up_to'])
            OR n.id = ANY(ARRAY(SELECT json_array_elements_text(r.keys -> 'ids')))))""",
    "emoji_owner_notifications": SHOWN_NOTIFICATIONS.format(
        user="(SELECT c.user_id FROM custom_emojis c WHERE c.id = r.keys ->> 'id')"
    ),
    "accounts": """(
        SELECT coalesce(json_agg(json_build_object('provider', a.provider, 'name', a.name, 'linked_at', a.linked_at)
            ORDER BY a.provider), '[]')
        FROM accounts a WHERE a.user_id = r.user_id)""",
    # Whose the account elsewhere is that the mutation names.
    "account_owner": """(
        SELECT to_json(a.user_id) FROM accounts a
        WHERE a.provider = r.keys ->> 'provider' AND a.subject = r.keys ->> 'subject')""",
    "announcements": """(
        SELECT coalesce(json_agg(a ORDER BY a.id), '[]') FROM announcements a
        WHERE a.withdrawn_at IS NULL AND a.published_at IS NOT NULL AND a.audience = 'everyone')""",
    "named_announcement": """(
        SELECT row_to_json(a) FROM announcements a WHERE a.id = r.keys ->> 'id' AND a.withdrawn_at IS NULL)""",
    # The notifications, dismissed or not, that told this user of the announcement that the mutation names.
    "told_of_announcement": """(
        SELECT coalesce(json_agg(n.id), '[]') FROM notifications n
        WHERE n.user_id = r.user_id AND n.kind = 'announcement' AND n.data ->> 'announcement' = r.keys ->> 'id')""",
    "named_notice": "(SELECT row_to_json(o) FROM operator_notices o WHERE o.id = r.keys ->> 'id')",
    # What this user was told of the operator notice that the mutation names: ``raised``, ``ended``.
    "told_of_notice": """(
        SELECT coalesce(json_agg(n.data ->> 'state'), '[]') FROM notifications n
        WHERE n.user_id = r.user_id AND n.kind = 'operator.notice' AND n.data ->> 'notice' = r.keys ->> 'id')""",
    "named_user": """(
        SELECT json_build_object('id', u.id, 'roles', ARRAY(SELECT g.role FROM roles g WHERE g.user_id = u.id))
        FROM users u WHERE u.id = (r.keys ->> 'user')::bigint)""",
    # What is yet to be told of the login that the mutation names.
    "login_to_tell": """(
        SELECT json_build_object('what', l.to_tell)
        FROM logins l WHERE l.id = r.keys ->> 'login' AND l.user_id = r.user_id)""",
    "push_endpoints": """(
        SELECT coalesce(json_agg(p.endpoint ORDER BY p.created_at), '[]')
        FROM push_subscriptions p WHERE p.user_id = r.user_id)""",
    "name_owner": "(SELECT to_json(u.id) FROM users u WHERE u.name_key = r.keys ->> 'name_key')",
}

STATE_FACTS = (
    "profile",
    "preferences",
    "session",
    "favorites",
    "recent_emojis",
    "custom_emojis",
    "notifications",
    "accounts",
    "announcements",
)


def read_facts(names: tuple[str, ...], columns: tuple[Any, ...]) -> Facts:
    """Return the facts of one row: ``columns`` as the database gave them (JSON, text or None)."""
    facts: Facts = {}
    for name, column in zip(names, columns, strict=True):
        facts[name] = orjson.loads(column) if type(column) is str else column
    return facts


def render_state(facts: Facts) -> JsonObject:
    """Return ``state`` (protocol, section 3) from all of ``STATE_FACTS``."""
    chosen = facts["preferences"] or {"chosen": {}, "version": 1}
    state: JsonObject = {
        "profile": Profile.from_row(facts["profile"]).to_state(),
        "preferences": preferences.to_state(chosen["chosen"], chosen["version"]),
    }
    if facts["session"] is not None:
        state["session"] = Session.from_row(facts["session"]).to_state()
    notifications = [Notification.from_row(row) for row in facts["notifications"]]
    state["favorites"] = facts["favorites"]
    state["recent_emojis"] = facts["recent_emojis"] or []
    state["custom_emojis"] = {row["id"]: CustomEmoji.from_row(row).to_state() for row in facts["custom_emojis"]}
    state["notifications"] = {
        "unread_count": sum(not notification.read for notification in notifications),
        "items": {notification.id: notification.to_state() for notification in notifications},
    }
    state["accounts"] = {row["provider"]: account_state(row) for row in facts["accounts"]}
    state["announcements"] = {row["id"]: Announcement.from_row(row).to_state() for row in facts["announcements"]}
    return state


def account_state(row: JsonObject) -> JsonObject:
    """Return a linked account as it stands in ``state``, under its provider's name."""
    return {"name": row["name"], "linked_at": rfc3339(datetime.fromisoformat(row["linked_at"]))}
