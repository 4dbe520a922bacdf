"""Sign-ins: made, recognised, renewed and ended.

A device holds a cookie or a refresh token, both random; the database holds their
hashes. Postgres alone is enough to know anybody again: caches only make it cheaper.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from idling_ws.domain.clock import Clock, unix_ms
from idling_ws.domain.errors import AuthError, DeniedError, InvalidError
from idling_ws.domain.ids import UserId, uuid7
from idling_ws.identity.credentials import RefreshTokens, hash_of, new_secret
from idling_ws.identity.keys import DEFAULT_TTL_S
from idling_ws.identity.login_trail import OPERATOR, LoginTrail
from idling_ws.identity.person import Identity, Person
from idling_ws.identity.tokens import LoginId, Tokens
from idling_ws.store import logins as rows
from idling_ws.store.audit_trail import REFUSED, AuditTrail
from idling_ws.store.postgres import Database

LOGIN_IDLE = timedelta(days=30)
"""A device that stays away longer has to sign in again."""
SEEN_EVERY = timedelta(hours=1)
"""How exact ``last_seen_at`` is: one write an hour for each device, not one a request."""
_SEEN_AT_MOST = 10_000
MAX_AGENT_CHARS = 300


class RefreshReusedError(AuthError):
    """A refresh token came a second time: its login was ended. The user should hear of it."""

    def __init__(self, user_id: UserId, login_id: LoginId) -> None:
        super().__init__("unauthenticated", "This sign-in was ended for safety. Please sign in again.")
        self.user_id = user_id
        self.login_id = login_id


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a device gets to go on with: the secrets are here once and stored nowhere."""

    access_token: str
    refresh_token: str
    expires_in_s: int


@dataclass(frozen=True, slots=True)
class NewLogin:
    """A sign-in just made: its secrets are here once and stored nowhere."""

    login_id: LoginId
    cookie_token: str
    refresh_token: str
    is_to_tell: bool = False
    """Whether its user has to hear of it: they never came from this device before."""


class Logins:
    """Every sign-in of the place, over one database."""

    def __init__(
        self,
        database: Database,
        tokens: Tokens,
        clock: Clock,
        secret_key: bytes | str,
        *,
        trail: AuditTrail | None = None,
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._clock = clock
        self._refresh_tokens = RefreshTokens(secret_key)
        self._trail = LoginTrail(trail)
        self._seen: set[str] = set()

    async def issue_for(self, user_id: int, *, ttl_s: int = DEFAULT_TTL_S) -> str:
        """Sign an existing user in for a script: return an access token of a login of its own.

        Raises ``InvalidError`` (``not_found``) when there is no such user.
        """
        if not await rows.user_exists(self._database, user_id):
            raise InvalidError("not_found", f"There is no user {user_id}.")
        now, login_id = self._clock.now(), self._new_login_id()
        await rows.insert_login(
            self._database,
            login_id=login_id,
            user_id=user_id,
            cookie_hash=None,
            refresh_hash=None,
            provider="script",
            user_agent="idling-ws token issue",
            address="",
            now=now,
            expires_at=now + timedelta(seconds=ttl_s),
        )
        await self._trail.record(
            "token.issue", UserId(user_id), login_id, actor=OPERATOR, provider="script", ttl_s=ttl_s
        )
        return self._tokens.issue(UserId(user_id), login_id, ttl_s=ttl_s)

    async def authenticate_cookie(self, cookie_token: str) -> Identity:
        """Return who holds this cookie. Raises ``AuthError`` when nobody does (any more).

        Somebody suspended is still recognised: ``suspended_until`` says so, and what to refuse
        is for the caller, who may want to show why.
        """
        found = await rows.find_by_cookie(self._database, hash_of(cookie_token), self._clock.now())
        if found is None:
            raise AuthError
        return self.recognised(found)

    def recognised(self, found: rows.SignedIn) -> Identity:
        """Return whose login this is, and note that they came."""
        self._note_seen(found)
        return _identity(found)

    async def identify(self, login_id: LoginId) -> Identity:
        """Return whose login this is. Raises ``AuthError`` when it ended or ran out."""
        found = await rows.find_by_id(self._database, login_id, self._clock.now())
        if found is None:
            raise AuthError
        return _identity(found)

    def access_token(self, identity: Identity) -> tuple[str, int]:
        """Return a new access token for a recognised device and its life in seconds.

        Raises ``DeniedError`` while suspended.
        """
        self._refuse_suspended(identity.suspended_until)
        self._trail.note("token.issue", identity.user_id, identity.login_id)
        return self._tokens.issue(identity.user_id, identity.login_id), DEFAULT_TTL_S

    async def refresh(self, refresh_token: str) -> TokenPair:
        """Trade a refresh token for the next one and an access token.

        Raises ``RefreshReusedError`` when it was traded before (the login is ended),
        ``AuthError`` for any other that is not good, ``DeniedError`` while suspended.
        """
        login_id = self._refresh_tokens.login_of(refresh_token)
        now = self._clock.now()
        found = await rows.find_by_id(self._database, login_id, now)
        if found is None:
            raise AuthError
        self._refuse_suspended(found.suspended_until)
        following = self._refresh_tokens.make(login_id)
        renewed = await rows.rotate_refresh(
            self._database,
            login_id=login_id,
            old_hash=hash_of(refresh_token),
            new_hash=hash_of(following),
            now=now,
            expires_at=now + LOGIN_IDLE,
        )
        user_id = UserId(found.user_id)
        if not renewed:
            await rows.revoke_reused(self._database, login_id, now)
            await self._trail.record("token.reuse", user_id, login_id, outcome=REFUSED)
            raise RefreshReusedError(user_id, login_id)
        await self._trail.record("token.refresh", user_id, login_id)
        return TokenPair(self._tokens.issue(user_id, login_id), following, DEFAULT_TTL_S)

    async def logout(self, login_id: LoginId) -> UserId | None:
        """End one login; return whose it was, or None when it had ended before."""
        user_id = await rows.revoke(self._database, login_id, self._clock.now(), "logged_out")
        if user_id is None:
            return None
        await self._trail.record("logout", UserId(user_id), login_id)
        return UserId(user_id)

    async def logout_device(self, user_id: UserId, login_id: LoginId) -> bool:
        """End a login that must be this user's; False when it is not, or had ended before."""
        ended = await rows.revoke_of(self._database, user_id, login_id, self._clock.now(), "logged_out")
        if ended:
            await self._trail.record("logout.device", user_id, login_id)
        return ended

    async def logout_everywhere(self, user_id: UserId) -> list[LoginId]:
        """End every login of a user; return those that were alive."""
        ended = await rows.revoke_all(self._database, user_id, self._clock.now(), "logged_out")
        if ended:
            await self._trail.record("logout.everywhere", user_id, None, logins=len(ended))
        return [LoginId(login_id) for login_id in ended]

    async def sign_in(
        self, user_id: UserId, provider: str, *, address: str, user_agent: str, device: str, is_first: bool
    ) -> NewLogin:
        """Make another login of somebody who proved who they are.

        ``device`` is the secret that a browser is known by; ``is_first``: the account is new, so
        there is nobody to tell of it.
        """
        login_id, cookie = self._new_login_id(), new_secret()
        refresh = self._refresh_tokens.make(login_id)
        now = self._clock.now()
        is_to_tell = await rows.insert_login(
            self._database,
            login_id=login_id,
            user_id=user_id,
            cookie_hash=hash_of(cookie),
            refresh_hash=hash_of(refresh),
            provider=provider,
            user_agent=user_agent[:MAX_AGENT_CHARS],
            address=address,
            now=now,
            expires_at=now + LOGIN_IDLE,
            device_hash=hash_of(device),
            tell_if_new=not is_first,
        )
        await self._trail.record("login", user_id, login_id, provider=provider)
        return NewLogin(login_id, cookie, refresh, is_to_tell)

    async def change_cookie(self, login_id: LoginId, device: str) -> str:
        """Give a living login another cookie, because its holder may do more from now on.

        The old one is dead at once. Raises ``AuthError`` when the login has ended.
        """
        cookie = new_secret()
        changed = await rows.replace_cookie(
            self._database,
            login_id=login_id,
            cookie_hash=hash_of(cookie),
            device_hash=hash_of(device),
            now=self._clock.now(),
        )
        if not changed:
            raise AuthError
        return cookie

    async def devices(self, user_id: UserId) -> list[rows.LoginRow]:
        """Return where a user is signed in, the latest used first."""
        return await rows.list_of(self._database, user_id, self._clock.now())

    async def device(self, login_id: LoginId) -> tuple[str, str]:
        """Return ``(provider, user agent)`` of a login, alive or not; both empty when it is gone."""
        return await rows.device_of(self._database, login_id)

    async def flush_seen(self) -> None:
        """Write down who came lately: called every minute or so. Raises ``UnavailableError``."""
        seen, self._seen = self._seen, set()
        if seen:
            now = self._clock.now()
            await rows.touch(self._database, sorted(seen), now, now + LOGIN_IDLE)

    def _note_seen(self, found: rows.SignedIn) -> None:
        # Bounded, and losing one costs nothing: the device will come again.
        if self._clock.now() - found.last_seen_at > SEEN_EVERY and len(self._seen) < _SEEN_AT_MOST:
            self._seen.add(found.login_id)

    def _refuse_suspended(self, until: datetime | None) -> None:
        if until is not None and until > self._clock.now():
            raise DeniedError("suspended")

    def _new_login_id(self) -> LoginId:
        return LoginId(uuid7(unix_ms(self._clock.now())))


def _identity(found: rows.SignedIn) -> Identity:
    person = Person(UserId(found.user_id), found.name, found.roles)
    return Identity(person, LoginId(found.login_id), found.suspended_until)
