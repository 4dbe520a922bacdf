"""Revocation everywhere: what ended on one instance ends on all of them.

An access token is checked without asking anybody, so each instance keeps a short
list of what no longer counts: logins that ended while tokens of theirs may be
alive, and users who are suspended. The list is read from Postgres every second;
with or without Redis, nothing that was revoked works on for longer than two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import AuthError, DeniedError
from idling_ws.domain.ids import UserId
from idling_ws.identity.keys import KeyRing
from idling_ws.identity.tokens import Claims, LoginId
from idling_ws.store import revocations as rows
from idling_ws.store.postgres import Database

POLL_S = 1.0
# Statements and open transactions are cut off long before: no row can commit later than this.
_OVERLAP = timedelta(seconds=15)

LOGGED_OUT = "logged_out"
REUSED = "reused"
SUSPENDED = "suspended"
ROLES_CHANGED = "roles_changed"
DISCONNECTED = "disconnected"
KEYS_ROTATED = "keys_rotated"
"""At once: no token signed before counts any more. It is about nobody: the user is ``NOBODY``."""
NOBODY = UserId(0)


class LoginEndedError(AuthError):
    """The token was good, but its login has ended."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """Something ended: one login, or with None something about all of a user's."""

    user_id: UserId
    login_id: LoginId | None
    reason: str
    connection: str | None = None


class Revocations:
    """This instance's list of what no longer counts. ``on_revoked`` hears of each once."""

    def __init__(
        self,
        database: Database,
        keyring: KeyRing,
        clock: Clock,
        on_revoked: Callable[[Revoked], None] = lambda revoked: None,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._clock = clock
        self.on_revoked = on_revoked
        self._since: datetime | None = None
        self._seen: dict[int, datetime] = {}
        self._ended: dict[LoginId, datetime] = {}
        self._changed: dict[UserId, datetime] = {}
        self._suspended: dict[UserId, datetime] = {}

    async def load(self) -> None:
        """Read what is in force. Raises ``UnavailableError``."""
        await self.poll()
        self._suspended |= {UserId(id_): until for id_, until in await rows.suspended_users(self._database)}

    async def poll(self) -> None:
        """Hear what is new: called every ``POLL_S``. Raises ``UnavailableError``.

        After a time without the database all of that time is made up for.
        """
        longest = timedelta(seconds=self._keyring.longest_ttl_s)
        found, now = await rows.revoked_since(self._database, self._since, longest.total_seconds())
        self._since = now - _OVERLAP
        self._forget_before(now - longest)
        for row in found:
            if row.id not in self._seen:
                self._seen[row.id] = row.at
                self._apply(row)

    def check(self, claims: Claims) -> None:
        """Let a verified token pass. Raises ``AuthError`` or ``DeniedError`` (``suspended``)."""
        self.refuse(claims.user_id, claims.login_id)

    def refuse(self, user_id: UserId, login_id: LoginId) -> None:
        """Raise what ``check`` raises when something is known against a login or its user."""
        if self.is_ended(login_id):
            raise LoginEndedError
        until = self._suspended.get(user_id)
        if until is not None:
            if until > self._clock.now():
                raise DeniedError(SUSPENDED)
            del self._suspended[user_id]

    def is_ended(self, login_id: LoginId) -> bool:
        """Whether a login ended while a token or a cached copy of it may be alive."""
        return login_id in self._ended

    def changed_lately(self, user_id: UserId) -> bool:
        """Whether a copy of what this user may do can be out of date."""
        return user_id in self._changed

    def end_here(self, login_id: LoginId) -> None:
        """Count a login as ended on this instance at once, before the next poll says so."""
        self._ended[login_id] = self._clock.now()

    async def disconnect(self, user_id: UserId, connection: str | None) -> None:
        """End a user's connections on every instance within a second, or one. Raises ``UnavailableError``."""
        await rows.tell(self._database, user_id, DISCONNECTED, connection)

    def _apply(self, row: rows.RevocationRow) -> None:
        user_id = UserId(row.user_id)
        login_id = None if row.login_id is None else LoginId(row.login_id)
        if login_id is not None:
            self._ended[login_id] = row.at
            self.on_revoked(Revoked(user_id, login_id, row.reason))
            return
        if row.reason == DISCONNECTED:  # nothing about them has changed, and whoever wants may come back
            self.on_revoked(Revoked(user_id, None, row.reason, row.connection))
            return
        self._changed[user_id] = row.at
        if row.reason == SUSPENDED:
            if row.until is None or row.until <= self._clock.now():
                self._suspended.pop(user_id, None)
                return  # it was lifted: nothing to end
            self._suspended[user_id] = row.until
        self.on_revoked(Revoked(user_id, login_id, row.reason))

    def _forget_before(self, moment: datetime) -> None:
        # Older than any token: the tokens' own expiry refuses them now.
        self._ended = {login_id: at for login_id, at in self._ended.items() if at > moment}
        self._changed = {user_id: at for user_id, at in self._changed.items() if at > moment}
        since = self._since or moment
        self._seen = {id_: at for id_, at in self._seen.items() if at >= since}
