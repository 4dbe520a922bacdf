"""Fixtures that every test may use: real servers, started once for each test process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support import scratch
from tests.support.servers import PostgresServer, RedisServer

# Before anything asks for a temporary folder; the workers of pytest-xdist take over where the first process is.
SCRATCH = scratch.settle()

# How long an example took says how busy the machine is, not whether it holds. The same examples each
# time, so that a run says something about what was changed; new ones are looked for at full size.
settings.register_profile(
    "house",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("IDLING_TEST_FULL_SIZE") != "1",
)
settings.load_profile("house")

# The rooms whose tests take longest come first: what is short fills up the end evenly.
LONGEST_FIRST = ("browser", "chaos", "integration", "unit")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the paths of tests' folders short: those of sockets have 107 bytes at most."""
    if SCRATCH is not None and config.option.basetemp is None:
        config.option.basetemp = SCRATCH / "t"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests into that order; within a room they keep theirs."""
    here = Path(__file__).parent
    order = {here / room: place for place, room in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: min((order[folder] for folder in item.path.parents if folder in order), default=-1))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL for this test process (with pytest-xdist: one for each worker)."""
    server = PostgresServer()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis for this test process (with pytest-xdist: one for each worker)."""
    server = RedisServer()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def database_url(postgres: PostgresServer) -> Iterator[str]:
    """A database of the test's own, empty at first, dropped at the end."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The Redis of this test process, emptied."""
    redis_server.flush()
    return redis_server.url
