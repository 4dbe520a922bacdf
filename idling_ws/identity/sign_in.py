"""Signing in through a provider: whose account it opens, and what may be linked to whom.

An account here is found by provider and subject, never by a name or a mail address:
those can be taken over there. Who comes for the first time gets a new account; who was
signed in when it began gets another way into the one they have.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import DeniedError, InternalError, InvalidError, RejectedError
from idling_ws.domain.ids import UserId
from idling_ws.domain.names import MAX_LENGTH, clean_name, name_key, without_hidden
from idling_ws.domain.roles import MEMBER
from idling_ws.identity.attempts import Attempt, AttemptError, Attempts
from idling_ws.identity.authorization import Profile, Provider
from idling_ws.identity.guest_names import guest_name
from idling_ws.identity.logins import Logins, NewLogin
from idling_ws.identity.outbound import ProviderError
from idling_ws.identity.person import Identity, Person
from idling_ws.store import accounts as rows
from idling_ws.store.postgres import Database, UniqueViolationError

_MAX_CODE_CHARS = 2048
_NUMBERED_NAMES = 6


@dataclass(frozen=True, slots=True)
class Departure:
    """Where to send the browser, and the cookie it has to come back with."""

    url: str
    state: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody came back and is signed in by a login of its own.

    ``account_name`` is what the account is called there now, when that changed.
    """

    person: Person
    login: NewLogin
    is_new: bool
    next_path: str
    account_name: str | None = None


@dataclass(frozen=True, slots=True)
class Linking:
    """Somebody signed in proved to own an account that is nobody's here: it is to become theirs."""

    identity: Identity
    profile: Profile
    account_name: str
    next_path: str


class SignIn:
    """The whole way through a provider, from the first click to the login."""

    def __init__(
        self,
        database: Database,
        providers: Mapping[str, Provider],
        attempts: Attempts,
        logins: Logins,
        clock: Clock,
        *,
        draw: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        self._database = database
        self._providers = providers
        self._attempts = attempts
        self._logins = logins
        self._clock = clock
        self._draw = draw

    def offered(self) -> list[tuple[str, str]]:
        """Return name and title of each provider, in the order they were set."""
        return [(name, provider.settings.title) for name, provider in self._providers.items()]

    async def begin(self, provider_name: str, next_path: str, current: Identity | None) -> Departure:
        """Send somebody to a provider; who is signed in will link it to what they have.

        Raises ``InvalidError`` (``not_found``), ``ProviderError``.
        """
        provider = self._provider(provider_name)
        login_id = None if current is None else current.login_id
        attempt, cookie = self._attempts.begin(provider_name, next_path, login_id)
        url = await provider.url_for(attempt.question)
        return Departure(url, attempt.question.state, cookie)

    async def arrive(
        self,
        provider_name: str,
        answer: Mapping[str, str],
        cookie: str | None,
        current: Identity | None,
        *,
        address: str,
        user_agent: str,
        device: str,
    ) -> Arrival | Linking:
        """Take somebody back from a provider. ``answer`` is the query they came with, ``device`` what the
        browser is known by.

        Raises ``AttemptError``, ``ProviderError``, ``RejectedError`` (``account_taken``),
        ``DeniedError`` (``suspended``), ``UnavailableError``: nothing was made then.
        """
        provider = self._provider(provider_name)
        attempt = await self._attempts.take(provider_name, answer.get("state"), cookie)
        profile = await self._profile(provider, attempt, answer)
        if attempt.login_id is not None:
            # Whoever began it must be who ends it, or one could hand over half a sign-in to another.
            if current is None or current.login_id != attempt.login_id:
                raise AttemptError("the sign-in it began under has ended")
            linking = await self._link(current, profile, attempt)
            if linking is not None:
                return linking
        return await self._enter(profile, attempt, current, address, user_agent, device)

    def _provider(self, name: str) -> Provider:
        try:
            return self._providers[name]
        except KeyError:
            raise InvalidError("not_found") from None

    async def _profile(self, provider: Provider, attempt: Attempt, answer: Mapping[str, str]) -> Profile:
        await provider.check_sender(answer.get("iss"))
        if "error" in answer:
            raise ProviderError("provider_refused", f"it answered {_plain(answer['error'])}")
        code = answer.get("code", "")
        if not 0 < len(code) <= _MAX_CODE_CHARS:
            raise ProviderError("provider_wrong", "it sent no code")
        return await provider.profile(code, attempt.question)

    async def _link(self, current: Identity, profile: Profile, attempt: Attempt) -> Linking | None:
        """What to link, or None when it opens another account that a guest moves on to."""
        owner = await rows.find_owner(self._database, profile.provider, profile.subject)
        if owner is None or owner.user_id == current.user_id:
            return Linking(current, profile, _account_name(profile), attempt.next_path)
        if await rows.has_account(self._database, current.user_id):
            raise RejectedError("account_taken")
        return None

    async def _enter(
        self,
        profile: Profile,
        attempt: Attempt,
        current: Identity | None,
        address: str,
        user_agent: str,
        device: str,
    ) -> Arrival:
        person, is_new, known_as = await self._find_or_make(profile)
        login = await self._logins.sign_in(
            person.id, profile.provider, address=address, user_agent=user_agent, device=device, is_first=is_new
        )
        if current is not None:
            # The browser's cookie is replaced now; what it held before must not live on (fixation).
            await self._logins.logout(current.login_id)
        if not is_new:
            await rows.note_use(self._database, profile.provider, profile.subject, self._clock.now())
        name = _account_name(profile)
        return Arrival(person, login, is_new, attempt.next_path, name if name != known_as else None)

    async def _find_or_make(self, profile: Profile) -> tuple[Person, bool, str]:
        found = await self._find(profile)
        if found is not None:
            return found[0], False, found[1]
        for name in self._names_for(profile):
            try:
                user_id = await rows.insert_member(
                    self._database,
                    name=name,
                    name_key=name_key(name),
                    provider=profile.provider,
                    subject=profile.subject,
                    account_name=_account_name(profile),
                    now=self._clock.now(),
                )
            except UniqueViolationError:
                # The same person came twice at the same moment: the other one made the account.
                found = await self._find(profile)
                if found is None:
                    raise
                return found[0], False, found[1]
            if user_id is not None:
                return Person(UserId(user_id), name, (MEMBER,)), True, _account_name(profile)
        raise InternalError(message="No free name was found.")

    async def _find(self, profile: Profile) -> tuple[Person, str] | None:
        owner = await rows.find_owner(self._database, profile.provider, profile.subject)
        if owner is None:
            return None
        if owner.suspended_until is not None and owner.suspended_until > self._clock.now():
            raise DeniedError("suspended")
        return Person(UserId(owner.user_id), owner.name, owner.roles), owner.account_name

    def _names_for(self, profile: Profile) -> Iterator[str]:
        wishes = [name for wish in profile.names if (name := _usable(wish)) is not None]
        yield from wishes
        for wish in wishes[:1]:
            for digits in range(1, _NUMBERED_NAMES):
                suffix = f" {self._draw(9 * 10**digits) + 10**digits}"
                yield wish[: MAX_LENGTH - len(suffix)].rstrip() + suffix
        for attempt in range(_NUMBERED_NAMES):
            yield guest_name(self._draw, attempt)


def _account_name(profile: Profile) -> str:
    return next((name for wish in profile.names if (name := _usable(wish)) is not None), "")


def _usable(wish: str) -> str | None:
    """What of a name from elsewhere can be a name here, or None when nothing can."""
    try:
        return clean_name(unicodedata.normalize("NFC", without_hidden(wish[:200])).strip()[:MAX_LENGTH])
    except ValueError:
        return None


def _plain(error: str) -> str:
    return error if re.fullmatch(r"[a-z_]{1,40}", error) else "an error"
