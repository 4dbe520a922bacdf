"""A deployment of two instances with a pretended sign-in service, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.instances import give_own_epoch, running_instances
from tests.support.providers.served import MoodyTwitch, served
from tests.support.servers import RedisServer
from tests.support.sign_in_deployment import Place
from tests.support.visitor import PUBLIC_URL


@pytest_asyncio.fixture(scope="package")
async def twitch() -> AsyncIterator[MoodyTwitch]:
    service = MoodyTwitch()
    async with served(service):
        yield service


@pytest.fixture(scope="package")
def deployment(
    postgres: Any, migrated_template: str, redis_server: RedisServer, twitch: MoodyTwitch
) -> Iterator[Place]:
    url = postgres.create_database(migrated_template)
    give_own_epoch(url)
    settings: dict[str, Any] = {
        "PUBLIC_URL": PUBLIC_URL,
        "TWITCH_ISSUER": twitch.issuer,
        "GOOGLE_ISSUER": twitch.issuer,
        "TWITCH_CLIENT_ID": twitch.client_id,
        "TWITCH_CLIENT_SECRET": twitch.client_secret,
    }
    with running_instances(url, redis_server.url, **settings) as instances:
        yield Place(instances, url, twitch)
    postgres.drop_database(url)


@pytest.fixture
def place(deployment: Place) -> Iterator[Place]:
    """The deployment, its service in a good mood again afterwards."""
    yield deployment
    twitch = deployment.twitch
    twitch.moods.clear()
    twitch.change_claims = twitch.change_tokens = twitch.change_userinfo = dict
    twitch.sign_with = None
