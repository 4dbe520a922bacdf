"""Fixtures of the integration tests: databases that are migrated already, and running instances."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from idling_ws.store.migrate import migrate
from idling_ws.store.postgres import Database
from tests.support.buckets import BucketServer
from tests.support.bystander import Bystander, standing_by
from tests.support.instances import Instance, give_own_epoch, running_instances
from tests.support.providers.node_oidc import NodeMissingError, NodeOidc
from tests.support.servers import PostgresServer, RedisServer
from tests.support.visitor import PUBLIC_URL


@pytest.fixture(scope="session")
def migrated_template(postgres: PostgresServer) -> str:
    """The name of a database that has every migration; copies of it are ready at once."""

    def fill(url: str) -> None:
        migrate(url)

    return postgres.create_template("template_migrated", fill)


@pytest.fixture
def migrated_url(postgres: PostgresServer, migrated_template: str) -> Iterator[str]:
    """A migrated database of the test's own, dropped at the end."""
    url = postgres.create_database(migrated_template)
    give_own_epoch(url)
    yield url
    postgres.drop_database(url)


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """A migrated database of the test's own, as an instance holds it."""
    opened = Database(migrated_url)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def pair_url(postgres: PostgresServer, migrated_template: str) -> Iterator[str]:
    """The database of ``pair``."""
    url = postgres.create_database(migrated_template)
    give_own_epoch(url)
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="session")
def pair_redis() -> Iterator[RedisServer]:
    """The Redis of ``pair``: nobody empties, freezes or kills it, as tests do with ``redis_server``."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def pair(pair_url: str, pair_redis: RedisServer) -> Iterator[tuple[Instance, Instance]]:
    """Two instances of one deployment with the usual settings, shared by all tests of this process.

    For tests that leave them as they were: whoever kills, freezes or floods takes instances of its own.
    """
    with running_instances(pair_url, pair_redis.url) as (a, b):
        yield a, b


@pytest.fixture(scope="session")
def stock(pair: tuple[Instance, Instance], pair_url: str, pair_redis: RedisServer) -> Iterator[Instance]:
    """A third instance of the pair's deployment, which holds its sockets the stock way."""
    origin = pair[0].settings["PUBLIC_URL"]
    with running_instances(pair_url, pair_redis.url, 1, SOCKET="stock", PUBLIC_URL=origin) as (instance,):
        yield instance


@pytest.fixture(params=["direct", "stock"])
def door(request: pytest.FixtureRequest, pair: tuple[Instance, Instance], stock: Instance) -> str:
    """The URL of an instance, once for each way to hold a socket."""
    return pair[0].url if request.param == "direct" else stock.url


@pytest.fixture(scope="session")
def bucket_server() -> Iterator[BucketServer]:
    """An S3 server, with its credentials in the environment."""
    with BucketServer() as server:
        yield server


@pytest.fixture(scope="session")
def s3_endpoint(bucket_server: BucketServer) -> str:
    """Where the S3 server listens."""
    return bucket_server.url


@pytest.fixture(scope="module")
def oidc() -> Iterator[NodeOidc]:
    """A real OpenID Connect provider; without Node its tests are left out, and the summary says so."""
    try:
        provider = NodeOidc([f"{PUBLIC_URL}/auth/callback/oidc"])
    except NodeMissingError as exc:
        pytest.skip(str(exc))  # the pretended service is tested all the same
    yield provider
    provider.close()


@pytest_asyncio.fixture(scope="module")
async def bystander(pair: tuple[Instance, Instance], stock: Instance, pair_url: str) -> AsyncIterator[Bystander]:
    """Somebody else, with a device on each instance, for the length of a module."""
    async with standing_by((*pair, stock), pair_url) as watching:
        yield watching
