"""Sign-ins as rows: one for each browser or device, found by the hash of what it holds.

Only SHA-256 hashes of random 256-bit tokens are stored, so a copy of this table lets
nobody in. A login lives until it is revoked or nobody came with it for a long time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from idling_ws.store.postgres import Connection, Database, Row


@dataclass(frozen=True, slots=True)
class LoginRow:
    """A sign-in as its owner may see it in a list of devices."""

    id: str
    provider: str
    user_agent: str
    address: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A living login with the person behind it, as one statement read them."""

    login_id: str
    user_id: int
    name: str
    roles: tuple[str, ...]
    suspended_until: datetime | None
    last_seen_at: datetime
    expires_at: datetime


async def insert_login(
    run: Connection | Database,
    *,
    login_id: str,
    user_id: int,
    cookie_hash: bytes | None,
    refresh_hash: bytes | None,
    provider: str,
    user_agent: str,
    address: str,
    now: datetime,
    expires_at: datetime,
    device_hash: bytes | None = None,
    tell_if_new: bool = False,
) -> bool:
    """Add a sign-in of an existing user; return whether they are to be told of it.

    That is when ``tell_if_new``, and they never came from this device before: it is noted with
    the sign-in itself, so that it is not forgotten whatever happens next.
    """
    rows = await run.run(
        "INSERT INTO logins (id, user_id, cookie_hash, refresh_hash, provider, user_agent, address,"
        " created_at, last_seen_at, expires_at, device_hash, to_tell) SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
        " %s, CASE WHEN %s AND NOT EXISTS (SELECT FROM logins l WHERE l.user_id = %s AND l.device_hash = %s)"
        " THEN 'signed_in' END RETURNING to_tell IS NOT NULL",
        (
            login_id, user_id, cookie_hash, refresh_hash, provider, user_agent, address, now, now, expires_at,
            device_hash, tell_if_new, user_id, device_hash,
        ),
    )  # fmt: skip
    return bool(rows[0][0])


async def user_exists(run: Connection | Database, user_id: int) -> bool:
    """Tell whether there is such a user."""
    return bool(await run.run("SELECT 1 FROM users WHERE id = %s", (user_id,)))


_SIGNED_IN = """
SELECT l.id, l.user_id, u.name, ARRAY(SELECT role FROM roles r WHERE r.user_id = u.id ORDER BY role),
       u.suspended_until, l.last_seen_at, l.expires_at
FROM logins l JOIN users u ON u.id = l.user_id
WHERE l.revoked_at IS NULL AND l.expires_at > %s AND
"""


async def find_by_cookie(run: Connection | Database, cookie_hash: bytes, now: datetime) -> SignedIn | None:
    """Return who holds this cookie, or None when it is unknown, revoked or too old."""
    return _one(await run.run(_SIGNED_IN + "l.cookie_hash = %s", (now, cookie_hash)))


async def find_by_id(run: Connection | Database, login_id: str, now: datetime) -> SignedIn | None:
    """Return whose login this is, or None when it is unknown, revoked or too old."""
    return _one(await run.run(_SIGNED_IN + "l.id = %s", (now, login_id)))


async def rotate_refresh(
    run: Connection | Database,
    *,
    login_id: str,
    old_hash: bytes,
    new_hash: bytes,
    now: datetime,
    expires_at: datetime,
) -> bool:
    """Replace the refresh token; False when ``old_hash`` is not the current one (any more).

    Of two that bring the same token at the same time, one wins: the row lock decides.
    """
    rows = await run.run(
        "UPDATE logins SET refresh_hash = %s, last_seen_at = %s, expires_at = greatest(expires_at, %s)"
        " WHERE id = %s AND refresh_hash = %s AND revoked_at IS NULL RETURNING id",
        (new_hash, now, expires_at, login_id, old_hash),
    )
    return bool(rows)


async def replace_cookie(
    run: Connection | Database, *, login_id: str, cookie_hash: bytes | None, device_hash: bytes, now: datetime
) -> bool:
    """Give a living login another cookie, and note its device; the old cookie is dead at once."""
    rows = await run.run(
        "UPDATE logins SET cookie_hash = %s, device_hash = %s, last_seen_at = %s"
        " WHERE id = %s AND revoked_at IS NULL RETURNING id",
        (cookie_hash, device_hash, now, login_id),
    )
    return bool(rows)


# What ends and what every instance has to hear of it are one statement: never one without the other.
_REVOKE = """
WITH ended AS (UPDATE logins SET revoked_at = %s{also} WHERE {which} AND revoked_at IS NULL RETURNING id, user_id)
INSERT INTO revocations (user_id, login_id, reason) SELECT user_id, id, %s FROM ended RETURNING user_id, login_id
"""


async def revoke(run: Connection | Database, login_id: str, now: datetime, reason: str) -> int | None:
    """End one login; return whose it was, or None when there was nothing to end."""
    rows = await run.run(_REVOKE.format(also="", which="id = %s"), (now, login_id, reason))
    return int(rows[0][0]) if rows else None


async def revoke_reused(run: Connection | Database, login_id: str, now: datetime) -> None:
    """End a login whose refresh token came twice; its user is to be told, and that is not forgotten."""
    await run.run(_REVOKE.format(also=", to_tell = 'ended'", which="id = %s"), (now, login_id, "reused"))


async def untold(run: Connection | Database, limit: int) -> list[tuple[str, int, str, str, str]]:
    """Return ``(id, user id, what to tell, provider, user agent)`` of logins that their users have yet to hear of."""
    rows = await run.run(
        "SELECT id, user_id, to_tell, provider, user_agent FROM logins WHERE to_tell IS NOT NULL ORDER BY id LIMIT %s",
        (limit,),
    )
    return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]


async def revoke_of(run: Connection | Database, user_id: int, login_id: str, now: datetime, reason: str) -> bool:
    """End one login if it is this user's; False when there was nothing of theirs to end."""
    which = "id = %s AND user_id = %s"
    return bool(await run.run(_REVOKE.format(also="", which=which), (now, login_id, user_id, reason)))


async def revoke_all(run: Connection | Database, user_id: int, now: datetime, reason: str) -> list[str]:
    """End every login of a user; return those that were alive."""
    rows = await run.run(_REVOKE.format(also="", which="user_id = %s"), (now, user_id, reason))
    return [login_id for _, login_id in rows]


async def list_of(run: Connection | Database, user_id: int, now: datetime) -> list[LoginRow]:
    """Return a user's living logins, the latest used first."""
    rows = await run.run(
        "SELECT id, provider, user_agent, address, created_at, last_seen_at, expires_at FROM logins"
        " WHERE user_id = %s AND revoked_at IS NULL AND expires_at > %s ORDER BY last_seen_at DESC, id",
        (user_id, now),
    )
    return [LoginRow(*row) for row in rows]


async def device_of(run: Connection | Database, login_id: str) -> tuple[str, str]:
    """Return provider and user agent of a login, alive or not; both empty when there is none."""
    rows = await run.run("SELECT provider, user_agent FROM logins WHERE id = %s", (login_id,))
    return (rows[0][0], rows[0][1]) if rows else ("", "")


async def touch(run: Connection | Database, login_ids: Sequence[str], now: datetime, expires_at: datetime) -> None:
    """Note that somebody came with these logins, and let them live on."""
    await run.run(
        "UPDATE logins SET last_seen_at = greatest(last_seen_at, %s), expires_at = greatest(expires_at, %s)"
        " WHERE id = ANY(%s::text[]) AND revoked_at IS NULL",
        (now, expires_at, list(login_ids)),
    )


async def delete_dead(run: Connection | Database, before: datetime, limit: int = 1000) -> int:
    """Drop up to ``limit`` logins that ended or ran out before ``before``; return how many."""
    rows = await run.run(
        "DELETE FROM logins WHERE id IN"
        " (SELECT id FROM logins WHERE revoked_at < %s OR expires_at < %s LIMIT %s) RETURNING id",
        (before, before, limit),
    )
    return len(rows)


def _one(rows: list[Row]) -> SignedIn | None:
    if not rows:
        return None
    login_id, user_id, name, roles, suspended_until, last_seen_at, expires_at = rows[0]
    return SignedIn(login_id, user_id, name, tuple(roles), suspended_until, last_seen_at, expires_at)
