"""One place where people sign in through services, without HTTP of our own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from idling_ws.domain.clock import SystemClock
from idling_ws.identity.attempts import Attempts
from idling_ws.identity.authorization import Provider
from idling_ws.identity.outbound import Answer, Outbound, ProviderError
from idling_ws.identity.person import Identity
from idling_ws.identity.providers import ProviderSettings, generic
from idling_ws.identity.sign_in import Arrival, Departure, Linking, SignIn
from idling_ws.store.postgres import Database
from tests.support.clocks import MovableClock
from tests.support.identity import SECRET, Parts, open_parts
from tests.support.providers.node_oidc import NodeOidc
from tests.support.visitor import PUBLIC_URL, consent


class ShiftedClock(MovableClock):
    """Real time until it is moved: the services of this machine know no other."""

    def __init__(self) -> None:
        super().__init__()
        self._now = SystemClock().now()


class PatientOutbound(Outbound):
    """Gives every service all the time that a busy machine needs, but for addresses that are known not to answer."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        super().__init__(session, timeout_s=60.0)
        self.hopeless: set[str] = set()
        self._impatient = Outbound(session, timeout_s=0.5)

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Fetch a JSON object."""
        return await (self._impatient.get if urlsplit(url).path in self.hopeless else super().get)(url, headers)

    async def post_form(self, url: str, headers: Mapping[str, str], body: str) -> Answer:
        """Send a form."""
        ask = self._impatient.post_form if urlsplit(url).path in self.hopeless else super().post_form
        return await ask(url, headers, body)


@dataclass
class Place:
    """One place with its sign-in services."""

    parts: Parts
    clock: ShiftedClock
    sign_in: SignIn
    providers: dict[str, Provider]
    session: aiohttp.ClientSession
    outbound: PatientOutbound

    @property
    def database(self) -> Database:
        return self.parts.database

    async def count(self) -> tuple[int, int, int]:
        """Users, accounts and logins there are."""
        [row] = await self.database.run(
            "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM accounts), (SELECT count(*) FROM logins)"
        )
        return row

    async def arrive(
        self, answer: dict[str, str], departure: Departure, current: Identity | None = None, name: str = "twitch"
    ) -> Arrival | Linking:
        return await self.sign_in.arrive(
            name, answer, departure.cookie, current, address="192.0.2.7", user_agent="test/1", device="device"
        )

    async def go(self, name: str, who: str, current: Identity | None = None) -> Arrival | Linking:
        """The whole way through a service as ``who``."""
        departure = await self.sign_in.begin(name, "/", current)
        return await self.arrive(await consent(name, departure.url, who), departure, current, name)

    async def entered(self, name: str, who: str, current: Identity | None = None) -> Arrival:
        arrival = await self.go(name, who, current)
        assert isinstance(arrival, Arrival)
        return arrival

    async def identity(self, arrival: Arrival) -> Identity:
        return await self.parts.logins.authenticate_cookie(arrival.login.cookie_token)


@asynccontextmanager
async def open_place(url: str, settings: list[ProviderSettings]) -> AsyncIterator[Place]:
    clock = ShiftedClock()
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(open_parts(url, clock))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        outbound = PatientOutbound(session)
        providers = {
            each.name: Provider(each, f"{PUBLIC_URL}/auth/callback/{each.name}", outbound, clock) for each in settings
        }
        attempts = Attempts(parts.database, SECRET, clock)
        sign_in = SignIn(parts.database, providers, attempts, parts.logins, clock)
        yield Place(parts, clock, sign_in, providers, session, outbound)


def oidc_settings(provider: NodeOidc, **changes: Any) -> ProviderSettings:
    return generic("oidc", provider.issuer, provider.client_id, provider.client_secret, **changes)


async def refused(place: Place, who: str = "ada") -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await place.go("twitch", who)
    assert await place.count() == (0, 0, 0)
    return caught.value
