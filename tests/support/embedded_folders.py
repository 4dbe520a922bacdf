"""What tests of the embedded servers share: a folder made once, and clients that reconnect."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import psycopg2
import pytest
import redis

from idling_ws.embedded import EmbeddedServers, Endpoints
from tests.support.rows import run_sql

RETURN_TIMEOUT_S = 100.0

Answer = TypeVar("Answer")


@pytest.fixture(scope="session")
async def made_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that was started once and ended in order; tests take copies of it."""
    folder = tmp_path_factory.mktemp("embedded") / "made"
    servers = EmbeddedServers(folder)
    endpoints = await servers.start()
    run_sql(endpoints.database_url, "CREATE TABLE kept (id int)")
    await servers.stop()
    return folder


@pytest.fixture
def data_dir(made_folder: Path, tmp_path: Path) -> Path:
    """A copy of the made folder for this test."""
    return Path(shutil.copytree(made_folder, tmp_path / "data"))


@pytest.fixture
async def servers(data_dir: Path) -> AsyncIterator[EmbeddedServers]:
    """The servers of `data_dir`, to be started by the test, ended after it."""
    embedded = EmbeddedServers(data_dir)
    yield embedded
    await embedded.stop()


def connect_redis(endpoints: Endpoints) -> redis.Redis:
    """Return a client that reports a lost connection rather than retry."""
    return redis.Redis.from_url(endpoints.redis_url, retry=None)


async def eventually(check: Callable[[], Answer]) -> Answer:
    """Return the first answer that is not a lost connection: what a reconnecting client sees."""
    async with asyncio.timeout(RETURN_TIMEOUT_S):
        while True:
            try:
                return check()
            except (psycopg2.OperationalError, redis.ConnectionError):
                await asyncio.sleep(0.01)
