"""Signing keys as rows. A row without ``retired_at`` is the one that signs now.

``retired_at`` lies in the future for a key that was rotated away while tokens of
it are still alive. A unique index allows one current key: of two instances that
make one at the same time, one is told so by ``UniqueViolationError``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from idling_ws.store.postgres import Connection, Database


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key: ``public_jwk`` is JSON text, ``private_sealed`` empty once it was rotated away."""

    kid: str
    algorithm: str
    public_jwk: str
    private_sealed: bytes
    created_at: datetime
    retired_at: datetime | None
    longest_ttl_s: int


async def living_keys(database: Database, now: datetime) -> list[KeyRow]:
    """Return the keys that still verify at ``now``, the current one first, then the newest."""
    rows = await database.run(
        "SELECT kid, algorithm, public_jwk, private_sealed, created_at, retired_at, longest_ttl_s"
        " FROM signing_keys WHERE retired_at IS NULL OR retired_at > %s"
        " ORDER BY retired_at IS NOT NULL, created_at DESC",
        (now,),
    )
    return [KeyRow(kid, alg, jwk, bytes(sealed), made, gone, ttl) for kid, alg, jwk, sealed, made, gone, ttl in rows]


async def insert_key(run: Connection | Database, key: KeyRow) -> None:
    """Add the current key. Raises ``UniqueViolationError`` when there is one already."""
    await run.run(
        "INSERT INTO signing_keys (kid, algorithm, public_jwk, private_sealed, created_at, longest_ttl_s)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (key.kid, key.algorithm, key.public_jwk, key.private_sealed, key.created_at, key.longest_ttl_s),
    )


async def replace_key(database: Database, key: KeyRow, *, pickup_s: int, at_once: bool) -> None:
    """Make ``key`` the current one; the one before verifies for its longest token's life more.

    ``pickup_s`` is how long other instances may go on signing with it. With ``at_once`` it is
    refused from now on. Its private half is forgotten either way. Raises ``UniqueViolationError``
    when somebody else replaced it at this very moment.
    """
    async with database.transaction() as connection:
        await connection.run(
            "UPDATE signing_keys SET private_sealed = '', retired_at = %s"
            " + CASE WHEN %s THEN 0 ELSE longest_ttl_s + %s END * interval '1 second'"
            " WHERE retired_at IS NULL",
            (key.created_at, at_once, pickup_s),
        )
        if at_once:
            await connection.run(
                "UPDATE signing_keys SET retired_at = %s WHERE retired_at > %s",
                (key.created_at, key.created_at),
            )
        await insert_key(connection, key)


async def raise_longest_ttl(database: Database, kid: str, ttl_s: int) -> bool:
    """Remember that ``kid`` signs tokens living up to ``ttl_s``; False when it was rotated away."""
    rows = await database.run(
        "UPDATE signing_keys SET longest_ttl_s = greatest(longest_ttl_s, %s)"
        " WHERE kid = %s AND retired_at IS NULL RETURNING kid",
        (ttl_s, kid),
    )
    return bool(rows)
