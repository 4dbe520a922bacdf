"""Accounts: people as rows, made whole in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from idling_ws.store.postgres import Connection, Database


@dataclass(frozen=True, slots=True)
class NewGuest:
    """A guest to be: the name, its key, and the sign-in that comes with it.

    Without a device (a token made for a script) both hashes are None.
    """

    name: str
    name_key: str
    login_id: str
    cookie_hash: bytes | None = None
    refresh_hash: bytes | None = None


# One statement is one transaction and one round trip. Whose name is taken is left out;
# everything else hangs on the rows that `users` really got.
_INSERT_GUESTS = """
WITH wanted AS (
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[], %s::bytea[])
        AS w (name, name_key, login_id, cookie_hash, refresh_hash)
), made AS (
    INSERT INTO users (name, name_key, created_at) SELECT name, name_key, %s FROM wanted
    ON CONFLICT (name_key) DO NOTHING RETURNING id, name_key
), guest_roles AS (
    INSERT INTO roles (user_id, role, granted_at) SELECT id, 'guest', %s FROM made
), preferences AS (
    INSERT INTO user_preferences (user_id) SELECT id FROM made
), stream AS (
    INSERT INTO streams (user_id) SELECT id FROM made
), login AS (
    INSERT INTO logins (id, user_id, cookie_hash, refresh_hash, provider, user_agent, address,
                        created_at, last_seen_at, expires_at)
    SELECT login_id, id, cookie_hash, refresh_hash, 'guest', %s, %s, %s, %s, %s
    FROM made JOIN wanted USING (name_key)
)
SELECT id, login_id FROM made JOIN wanted USING (name_key)
"""


async def insert_guests(
    run: Connection | Database,
    guests: Sequence[NewGuest],
    *,
    now: datetime,
    expires_at: datetime,
    address: str = "",
    user_agent: str = "",
) -> dict[str, int]:
    """Add each guest with role, preferences, stream and login: login id -> user id.

    Those whose name is taken are missing from the answer, and nothing of them was added.
    """
    columns = (
        [guest.name for guest in guests],
        [guest.name_key for guest in guests],
        [guest.login_id for guest in guests],
        [guest.cookie_hash for guest in guests],
        [guest.refresh_hash for guest in guests],
    )
    found = await run.run(_INSERT_GUESTS, (*columns, now, now, user_agent, address, now, now, expires_at))
    return {login_id: user_id for user_id, login_id in found}


@dataclass(frozen=True, slots=True)
class Owner:
    """Who an account elsewhere opens an account of here."""

    user_id: int
    name: str
    roles: tuple[str, ...]
    suspended_until: datetime | None
    account_name: str


async def find_owner(run: Connection | Database, provider: str, subject: str) -> Owner | None:
    """Return whose account this is here, or None when nobody came with it before."""
    rows = await run.run(
        "SELECT u.id, u.name, ARRAY(SELECT role FROM roles r WHERE r.user_id = u.id ORDER BY role),"
        " u.suspended_until, a.name FROM accounts a JOIN users u ON u.id = a.user_id"
        " WHERE a.provider = %s AND a.subject = %s",
        (provider, subject),
    )
    if not rows:
        return None
    user_id, name, roles, suspended_until, account_name = rows[0]
    return Owner(user_id, name, tuple(roles), suspended_until, account_name)


async def note_use(run: Connection | Database, provider: str, subject: str, now: datetime) -> None:
    """Note that somebody signed in through this account."""
    await run.run("UPDATE accounts SET used_at = %s WHERE provider = %s AND subject = %s", (now, provider, subject))


async def has_account(run: Connection | Database, user_id: int) -> bool:
    """Whether this user can sign in through any provider."""
    return bool(await run.run("SELECT 1 FROM accounts WHERE user_id = %s LIMIT 1", (user_id,)))


_INSERT_MEMBER = """
WITH made AS (
    INSERT INTO users (name, name_key, created_at) VALUES (%s, %s, %s)
    ON CONFLICT (name_key) DO NOTHING RETURNING id
), member_role AS (
    INSERT INTO roles (user_id, role, granted_at) SELECT id, 'member', %s FROM made
), preferences AS (
    INSERT INTO user_preferences (user_id) SELECT id FROM made
), stream AS (
    INSERT INTO streams (user_id) SELECT id FROM made
), account AS (
    INSERT INTO accounts (provider, subject, user_id, name, linked_at, used_at)
    SELECT %s, %s, id, %s, %s, %s FROM made
)
SELECT id FROM made
"""


async def insert_member(
    run: Connection | Database,
    *,
    name: str,
    name_key: str,
    provider: str,
    subject: str,
    account_name: str,
    now: datetime,
) -> int | None:
    """Add a user who signs in through ``provider``; None when the name is taken.

    Raises ``UniqueViolationError`` when the account has an owner already: somebody came
    with it twice at the same moment.
    """
    rows = await run.run(_INSERT_MEMBER, (name, name_key, now, now, provider, subject, account_name, now, now))
    return int(rows[0][0]) if rows else None
