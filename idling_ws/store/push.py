"""What waits to be pushed, and whereto. All raise ``UnavailableError``.

An instance claims a row by moving its time on: it is done when the row is gone, and if
the instance dies first the row comes up again. So a push may come twice, under the same
name for the browser to fold; it is not lost.
"""

from __future__ import annotations

from dataclasses import dataclass

from idling_ws.domain.push import Subscription
from idling_ws.store.postgres import Database

# Longer than posting to every browser of a page of rows takes.
CLAIM_S = 60
# What could not be pushed for a day, because nothing ran, is not worth it any more.
WORTH_S = 86_400
# A push service that refused a browser so often, because our secret changed, will not change its mind.
MAX_REFUSED = 20


@dataclass(frozen=True, slots=True)
class Due:
    """A notification that is due. ``seq``: its entry; ``wanted``: new, not read, not dismissed, and push is on."""

    user_id: int
    notification_id: str
    seq: int
    attempts: int
    kind: str
    wanted: bool


_CLAIM = """
WITH due AS (
    SELECT user_id, notification_id FROM push_queue WHERE due_at <= clock_timestamp()
    ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED),
claimed AS (
    UPDATE push_queue q SET due_at = clock_timestamp() + make_interval(secs => %s), attempts = q.attempts + 1
    FROM due WHERE q.user_id = due.user_id AND q.notification_id = due.notification_id
    RETURNING q.user_id, q.notification_id, q.seq, q.attempts)
SELECT c.user_id, c.notification_id, c.seq, c.attempts, coalesce(n.kind, ''),
    n.id IS NOT NULL AND NOT n.read AND NOT n.dismissed AND n.created_at > now() - make_interval(secs => %s)
    AND coalesce((SELECT (p.chosen ->> 'push')::boolean FROM user_preferences p WHERE p.user_id = c.user_id), false)
FROM claimed c LEFT JOIN notifications n ON n.user_id = c.user_id AND n.id = c.notification_id"""


class PushRows:
    """Rows of Web Push."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, limit: int) -> list[Due]:
        """Take what is due, for ``CLAIM_S`` seconds."""
        return [Due(*row) for row in await self._database.run(_CLAIM, (limit, CLAIM_S, WORTH_S))]

    async def subscriptions(self, user_ids: list[int]) -> dict[int, list[Subscription]]:
        """Return the browsers of these users: where they are signed in, by the sign-in it came over or a later one."""
        found: dict[int, list[Subscription]] = {}
        for user_id, endpoint, p256dh, auth in await self._database.run(
            "SELECT p.user_id, p.endpoint, p.p256dh, p.auth FROM push_subscriptions p WHERE p.user_id = ANY(%s) "
            "AND (p.login_id IS NULL OR EXISTS (SELECT FROM logins s JOIN logins l ON l.user_id = p.user_id "
            "AND (l.id = s.id OR l.device_hash = s.device_hash) WHERE s.id = p.login_id "
            "AND l.revoked_at IS NULL AND l.expires_at > now())) ORDER BY p.created_at",
            (user_ids,),
        ):
            found.setdefault(user_id, []).append(Subscription(endpoint, p256dh, auth))
        return found

    async def settle(self, done: list[Due]) -> None:
        """Forget what was pushed, or needs no push."""
        await self._database.run(
            "DELETE FROM push_queue q USING unnest(%s::bigint[], %s::text[]) AS v (user_id, id) "
            "WHERE q.user_id = v.user_id AND q.notification_id = v.id",
            ([one.user_id for one in done], [one.notification_id for one in done]),
        )

    async def postpone(self, due: Due, seconds: float) -> None:
        """Try again then."""
        await self._database.run(
            "UPDATE push_queue SET due_at = clock_timestamp() + make_interval(secs => %s) "
            "WHERE user_id = %s AND notification_id = %s",
            (seconds, due.user_id, due.notification_id),
        )

    async def note_refused(self, endpoint: str) -> None:
        """Count that a push service refused a browser; forget one that is always refused."""
        await self._database.run(
            "WITH counted AS (UPDATE push_subscriptions SET failures = failures + 1 WHERE endpoint = %s "
            "AND failures < %s RETURNING endpoint) "
            "DELETE FROM push_subscriptions p WHERE p.endpoint = %s AND p.failures >= %s "
            "AND NOT EXISTS (SELECT FROM counted)",
            (endpoint, MAX_REFUSED - 1, endpoint, MAX_REFUSED - 1),
        )

    async def drop(self, endpoint: str) -> None:
        """Forget a browser: its push service says that it is gone."""
        await self._database.run("DELETE FROM push_subscriptions WHERE endpoint = %s", (endpoint,))
