"""What an operator does beside running servers: roles, tokens for scripts, and the keys that sign them.

It goes through the database alone. Running servers hear of it there: of a change in
somebody's stream by its outbox row, of the rest by ``revocations``, within two seconds.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from idling_ws.config import Settings
from idling_ws.domain.errors import InvalidError
from idling_ws.domain.ids import UserId
from idling_ws.identity.guests import Guests
from idling_ws.identity.keys import KeyRing
from idling_ws.identity.login_trail import OPERATOR
from idling_ws.identity.logins import Logins
from idling_ws.identity.revocations import KEYS_ROTATED, NOBODY
from idling_ws.identity.tokens import Tokens
from idling_ws.mutations.committer import Committer
from idling_ws.mutations.pipeline import Pipeline
from idling_ws.serving import servers
from idling_ws.store.audit_trail import AuditTrail, Event
from idling_ws.store.postgres import Database
from idling_ws.store.revocations import tell
from idling_ws.watching.time_of_day import open_clock


@contextlib.asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    async with servers(settings, beside=True) as (database_url, _):
        database = Database(database_url)
        await database.open()
        try:
            yield database
        finally:
            await database.close()


@contextlib.asynccontextmanager
async def _trail(database: Database) -> AsyncIterator[AuditTrail]:
    trail = AuditTrail(database, await open_clock(database))
    trail.start()
    try:
        yield trail
    finally:
        await trail.stop()


async def change_role(settings: Settings, user_id: UserId, role: str, *, grant: bool) -> None:
    """Give a user a role, or take it away.

    Raises ``InvalidError`` (``not_found``), ``RejectedError`` when there is nothing to change, ``UnavailableError``.
    """
    async with _database(settings) as database:
        clock = await open_clock(database)
        committer = Committer(database, clock, lambda text: None, lambda committed, changes: None, lanes=1)
        committer.start()
        try:
            name = "user.grant" if grant else "user.revoke"
            await Pipeline(committer, clock).submit_own(user_id, name, {"role": role}, actor=OPERATOR)
        except InvalidError as exc:
            if exc.code == "not_found":
                raise InvalidError("not_found", f"There is no user {user_id}.") from exc
            raise
        finally:
            await committer.stop()


async def issue_tokens(
    settings: Settings, user: int | None, guests: int, *, ttl_s: int
) -> list[tuple[UserId, str, datetime]]:
    """Return access tokens, for a user or for so many new guests: user id, token, when it expires.

    Raises ``InvalidError`` (``not_found``), ``UnavailableError``.
    """
    async with _database(settings) as database, _trail(database) as trail:
        clock, secret = await open_clock(database), settings.secret_key
        keyring = KeyRing(database, secret, clock)
        await keyring.load()
        await keyring.allow_ttl(ttl_s)
        tokens = Tokens(keyring, settings.public_url, clock)
        if user is None:
            return await Guests(database, tokens, clock, secret, trail=trail).create_many(guests, ttl_s=ttl_s)
        access = await Logins(database, tokens, clock, secret, trail=trail).issue_for(user, ttl_s=ttl_s)
        return [(UserId(user), access, clock.now() + timedelta(seconds=ttl_s))]


async def rotate_keys(settings: Settings, *, at_once: bool) -> str:
    """Sign with a new key from now on; return its kid. ``at_once``: every token there is ends within two seconds.

    Needs no key that opens, so it also helps when the secret was lost. Raises ``UnavailableError``.
    """
    async with _database(settings) as database, _trail(database) as trail:
        clock = await open_clock(database)
        kid = await KeyRing(database, settings.secret_key, clock).rotate(at_once=at_once)
        if at_once:
            await tell(database, NOBODY, KEYS_ROTATED)
        await trail.record(Event("keys.rotate", actor=OPERATOR, after={"kid": kid, "at_once": at_once}))
    return kid
