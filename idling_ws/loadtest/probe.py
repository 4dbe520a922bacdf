"""The probe: is all as it should be again? Every instance ready, and what is written at one is heard at the next."""

from __future__ import annotations

import asyncio
import secrets

import aiohttp

from idling_ws.client import ClientError, RestCalls
from idling_ws.loadtest.accounts import TokenKeeper, make_guests
from idling_ws.loadtest.place import Place

# A way from one instance to the next that takes longer is not what it should be.
NORMAL_HOP_S = 1.0
HOP_TIMEOUT_S = 8.0
PAUSE_S = 0.1
THEMES = ("light", "dark")


class Probe:
    """A guest of its own, who writes and listens over REST."""

    def __init__(self, place: Place, keeper: TokenKeeper) -> None:
        self._place = place
        self._keeper = keeper

    @classmethod
    async def make(cls, place: Place) -> Probe:
        """Sign in. Raises ``AccountsError``."""
        (account,) = await make_guests(place.urls, 1)
        return cls(place, TokenKeeper(account, place.http, place.urls[0]))

    async def until_normal(self, timeout_s: float) -> float | None:
        """Return after how many seconds all was normal; None if it was not in time."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(timeout_s):
                # Other processes set no event of ours.
                while not (await self._all_ready() and await self._heard_all_round()):  # noqa: ASYNC110 - see above
                    await asyncio.sleep(PAUSE_S)
        except TimeoutError:
            return None
        return loop.time() - began

    async def _all_ready(self) -> bool:
        states = await asyncio.gather(*[one.status(self._place.http) for one in self._place.instances])
        return set(states) == {"ready"}

    async def _heard_all_round(self) -> bool:
        urls = self._place.urls
        try:
            for number, url in enumerate(urls):
                if not await self._heard(url, urls[(number + 1) % len(urls)]):
                    return False
        except (ClientError, aiohttp.ClientError, OSError, KeyError):
            return False
        return True

    async def _heard(self, here: str, there: str) -> bool:
        """Write at one instance while listening at another."""
        http, token, loop = self._place.http, await self._keeper.token(), asyncio.get_running_loop()
        listening = RestCalls(http, there, token)
        cursor = (await listening.snapshot())["cursor"]
        heard = asyncio.create_task(listening.events(cursor, HOP_TIMEOUT_S))
        try:
            began = loop.time()
            values = {"theme": secrets.choice(THEMES)}
            mutation = {"mid": secrets.token_hex(16), "name": "preferences.set", "args": {"values": values}}
            (verdict,) = await RestCalls(http, here, token).mutations([mutation])
            return verdict["status"] == "confirmed" and await heard is not None and loop.time() - began < NORMAL_HOP_S
        finally:
            heard.cancel()
            await asyncio.gather(heard, return_exceptions=True)
