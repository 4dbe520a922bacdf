"""People as an operator looks them up: by id or by name, with all that hangs on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from idling_ws.store.postgres import Connection, Database

FOUND_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody, in short."""

    id: int
    name: str
    roles: list[str]
    suspended_until: datetime | None


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody, and where their stream stands. ``waiting_since``: its newest entry was not announced yet."""

    found: Found
    bio: str
    created_at: datetime
    head: int
    audit_rows: int
    waiting_since: datetime | None


_FOUND = "SELECT u.id, u.name, ARRAY(SELECT role FROM roles r WHERE r.user_id = u.id ORDER BY role), u.suspended_until"


async def find(run: Connection | Database, user_id: int | None, key_prefix: str) -> list[Found]:
    """Return who has that id, or a name that begins so (``domain.names.name_key``); a few at most."""
    escaped = key_prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    rows = await run.run(
        f"{_FOUND} FROM users u WHERE u.id = %s OR (%s <> '' AND u.name_key LIKE %s) "
        "ORDER BY u.id = %s DESC NULLS LAST, u.name_key LIMIT %s",
        (user_id, key_prefix, f"{escaped}%", user_id, FOUND_AT_ONCE),
    )
    return [Found(*row) for row in rows]


async def account(run: Connection | Database, user_id: int) -> Account | None:
    """Return somebody, or None."""
    rows = await run.run(
        f"{_FOUND}, u.bio, u.created_at, s.seq, s.audit_n, o.at FROM users u JOIN streams s ON s.user_id = u.id "
        "LEFT JOIN outbox o ON o.user_id = u.id WHERE u.id = %s",
        (user_id,),
    )
    return None if not rows else Account(Found(*rows[0][:4]), *rows[0][4:])
