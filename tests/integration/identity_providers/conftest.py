"""A pretended service with moods, and a place that offers it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from idling_ws.identity.providers import preset
from scripts.fake_provider import CLIENT_ID, CLIENT_SECRET
from tests.support.providers.served import MoodyTwitch, served
from tests.support.sign_in_place import Place, open_place


@pytest.fixture
async def twitch() -> AsyncIterator[MoodyTwitch]:
    service = MoodyTwitch()
    async with served(service):
        yield service


@pytest.fixture
async def place(migrated_url: str, twitch: MoodyTwitch) -> AsyncIterator[Place]:
    settings = preset("twitch", CLIENT_ID, CLIENT_SECRET, issuer=twitch.issuer)
    async with open_place(migrated_url, [settings]) as opened:
        yield opened
