"""Browser sessions: who holds a cookie, by a copy in Redis where there is one, else by Postgres.

A copy counts only while nothing is known against it: the login has not ended on any
instance, and nothing about the user's rights changed since it may have been made. Both
come from Postgres each second (``revocations``), so they hold with or without Redis.
"""

from __future__ import annotations

from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import AuthError
from idling_ws.domain.ids import UserId
from idling_ws.identity.credentials import hash_of
from idling_ws.identity.logins import Logins
from idling_ws.identity.person import Identity
from idling_ws.identity.revocations import Revocations
from idling_ws.identity.tokens import LoginId
from idling_ws.store import logins as rows
from idling_ws.store.login_cache import LoginCache
from idling_ws.store.postgres import Database


class BrowserSessions:
    """Recognises cookies."""

    def __init__(
        self, database: Database, logins: Logins, cache: LoginCache, revocations: Revocations, clock: Clock
    ) -> None:
        self._database = database
        self._logins = logins
        self._cache = cache
        self._revocations = revocations
        self._clock = clock

    async def find(self, cookie: str) -> Identity:
        """Return who holds this cookie, suspended or not. Raises ``AuthError``, ``UnavailableError``."""
        cookie_hash = hash_of(cookie)
        found, has_ended = await self._cache.get(cookie_hash)
        if has_ended:
            raise AuthError
        if found is None or not self._counts(found):
            found = await rows.find_by_cookie(self._database, cookie_hash, self._clock.now())
            if found is None:
                raise AuthError
            if not self._revocations.changed_lately(UserId(found.user_id)):
                await self._cache.put(cookie_hash, found)
        # Looked at last: it may have ended while Postgres or Redis was asked.
        if self._revocations.is_ended(LoginId(found.login_id)):
            raise AuthError
        return self._logins.recognised(found)

    async def end(self, cookie: str) -> None:
        """Forget a cookie whose login ended or got another one."""
        await self._cache.end(hash_of(cookie))

    def _counts(self, copy: rows.SignedIn) -> bool:
        return copy.expires_at > self._clock.now() and not self._revocations.changed_lately(UserId(copy.user_id))
