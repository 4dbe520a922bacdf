"""Guests: accounts made on the spot, signed in before they have told anybody who they are."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from idling_ws.domain.clock import Clock, unix_ms
from idling_ws.domain.errors import InternalError, InvalidError, RejectedError
from idling_ws.domain.ids import UserId, uuid7
from idling_ws.domain.names import clean_name, name_key
from idling_ws.identity.credentials import RefreshTokens, hash_of, new_secret
from idling_ws.identity.guest_names import guest_name
from idling_ws.identity.keys import DEFAULT_TTL_S
from idling_ws.identity.login_trail import OPERATOR, LoginTrail
from idling_ws.identity.logins import LOGIN_IDLE, MAX_AGENT_CHARS
from idling_ws.identity.person import Person
from idling_ws.identity.tokens import LoginId, Tokens
from idling_ws.store import accounts
from idling_ws.store.accounts import NewGuest
from idling_ws.store.audit_trail import AuditTrail
from idling_ws.store.postgres import Database

BULK = 1000
_NAME_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class GuestLogin:
    """A new guest, signed in."""

    user: Person
    login_id: LoginId
    cookie_token: str
    access_token: str
    refresh_token: str
    expires_in_s: int


class Guests:
    """Makes guests."""

    def __init__(
        self,
        database: Database,
        tokens: Tokens,
        clock: Clock,
        secret_key: bytes | str,
        *,
        draw: Callable[[int], int] = secrets.randbelow,
        trail: AuditTrail | None = None,
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._clock = clock
        self._refresh_tokens = RefreshTokens(secret_key)
        self._draw = draw
        self._trail = LoginTrail(trail)

    async def create(self, name: str | None, *, address: str, user_agent: str) -> GuestLogin:
        """Make a throw-away account and sign it in: one round trip to the database.

        Raises ``InvalidError`` for a name that cannot be one, ``RejectedError`` (``name_taken``),
        ``UnavailableError``.
        """
        wanted = None if name is None else _checked_name(name)
        for attempt in range(1 if wanted else _NAME_ATTEMPTS):
            login_id = self._new_login_id()
            cookie, refresh = new_secret(), self._refresh_tokens.make(login_id)
            guest = _new_guest(wanted or guest_name(self._draw, attempt), login_id, cookie, refresh)
            made = await self._insert([guest], address, user_agent[:MAX_AGENT_CHARS])
            if login_id in made:
                person = Person(made[login_id], guest.name, ("guest",))
                await self._trail.record("login", person.id, login_id, provider="guest")
                access = self._tokens.issue(person.id, login_id)
                return GuestLogin(person, login_id, cookie, access, refresh, DEFAULT_TTL_S)
        if wanted:
            raise RejectedError("name_taken")
        raise InternalError(message="No free name was found for a guest.")

    async def create_many(self, count: int, *, ttl_s: int = DEFAULT_TTL_S) -> list[tuple[UserId, str, datetime]]:
        """Make ``count`` guests without a device: user id, access token, when that expires."""
        done: list[tuple[UserId, str, datetime]] = []
        attempt = 1
        while len(done) < count:
            batch: dict[str, NewGuest] = {}
            for _ in range(min(BULK, count - len(done))):
                guest = _new_guest(guest_name(self._draw, attempt), self._new_login_id())
                batch[guest.name_key] = guest
            made = await self._insert(list(batch.values()), "", "")
            expires_at = self._clock.now() + timedelta(seconds=ttl_s)
            told = [
                self._trail.record("token.issue", user_id, login_id, actor=OPERATOR, provider="script", ttl_s=ttl_s)
                for login_id, user_id in made.items()
            ]
            await asyncio.gather(*told)
            done += [
                (user_id, self._tokens.issue(user_id, login_id, ttl_s=ttl_s), expires_at)
                for login_id, user_id in made.items()
            ]
            if len(made) < len(batch):
                attempt += 1
        return done

    async def _insert(self, guests: list[NewGuest], address: str, user_agent: str) -> dict[LoginId, UserId]:
        now = self._clock.now()
        made = await accounts.insert_guests(
            self._database,
            guests,
            now=now,
            expires_at=now + LOGIN_IDLE,
            address=address,
            user_agent=user_agent,
        )
        return {LoginId(login_id): UserId(user_id) for login_id, user_id in made.items()}

    def _new_login_id(self) -> LoginId:
        return LoginId(uuid7(unix_ms(self._clock.now())))


def _checked_name(name: str) -> str:
    try:
        return clean_name(name)
    except ValueError as exc:
        raise InvalidError(fields={"name": [str(exc)]}) from exc


def _new_guest(name: str, login_id: str, cookie: str | None = None, refresh: str | None = None) -> NewGuest:
    return NewGuest(
        name,
        name_key(name),
        login_id,
        None if cookie is None else hash_of(cookie),
        None if refresh is None else hash_of(refresh),
    )
