"""Builders for tests of identity: a migrated database, the parts wired together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from idling_ws.domain.errors import AuthError
from idling_ws.identity.guests import Guests
from idling_ws.identity.keys import KeyRing
from idling_ws.identity.logins import Logins
from idling_ws.identity.tokens import Tokens
from idling_ws.store.postgres import Database
from tests.support.clocks import MovableClock

SECRET = "a secret for tests only, thirty-two and more"
ISSUER = "https://idling.test"


@dataclass(frozen=True)
class Parts:
    """One instance's identity parts over one database."""

    database: Database
    clock: MovableClock
    keyring: KeyRing
    tokens: Tokens
    logins: Logins
    guests: Guests


def build(database: Database, clock: MovableClock, *, secret: str = SECRET, issuer: str = ISSUER) -> Parts:
    """Wire the parts, without loading the keys."""
    keyring = KeyRing(database, secret, clock)
    tokens = Tokens(keyring, issuer, clock)
    logins, guests = Logins(database, tokens, clock, secret), Guests(database, tokens, clock, secret)
    return Parts(database, clock, keyring, tokens, logins, guests)


@asynccontextmanager
async def open_parts(url: str, clock: MovableClock | None = None) -> AsyncIterator[Parts]:
    """Open an instance's parts with loaded keys."""
    database = Database(url, max_size=8)
    await database.open()
    try:
        parts = build(database, clock or MovableClock())
        await parts.keyring.load()
        yield parts
    finally:
        await database.close()


def code_of(check: Callable[[], object]) -> str:
    """Return the code of the ``AuthError`` that ``check`` raises."""
    with pytest.raises(AuthError) as caught:
        check()
    return caught.value.code
