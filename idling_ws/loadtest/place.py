"""A place of our own: PostgreSQL, Redis and instances as children of the load test, to do harm to.

    devices --> instance 1..N --(one fault proxy each to PostgreSQL and to Redis)--> embedded servers

The servers are those of ``idling-ws serve`` without URLs: whole ones, every commit on the
disk. The proxies are there only where a partition is asked for: they cost something.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import aiohttp

from idling_ws.config_table import PREFIX
from idling_ws.embedded import SUPERUSER, EmbeddedServers, EmbeddedServersError
from idling_ws.loadtest.fault_proxy import FaultProxy
from idling_ws.loadtest.own_instance import OwnInstance, PlaceError, reserved_port
from idling_ws.store.migrate import migrate
from idling_ws.store.server_role import make_role

# What a load test would run into first; whoever sets it otherwise knows why.
ROOMY = {
    "HTTP_RATE_PER_MIN": "1000000000",
    "MESSAGES_PER_S": "10000",
    "GUEST_LOGIN": "true",
    "LOG_FORMAT": "json",
    "LOG_LEVEL": "warning",
}


class Place:
    """One deployment on this machine. ``database_url`` is the owner's, for whoever compares rows."""

    def __init__(self, folder: Path, instances: int, *, with_proxies: bool) -> None:
        self.folder = folder
        self.servers = EmbeddedServers(folder)
        self.instances: list[OwnInstance] = []
        # By instance: the ways to PostgreSQL and to Redis.
        self.proxies: list[tuple[FaultProxy, FaultProxy]] = []
        self.database_url = ""
        self.http: aiohttp.ClientSession
        self._count = instances
        self._with_proxies = with_proxies

    @property
    def urls(self) -> tuple[str, ...]:
        """Where the instances serve."""
        return tuple(instance.url for instance in self.instances)

    async def start(self) -> None:
        """Bring all of it up. Raises ``PlaceError``."""
        try:
            endpoints = await self.servers.start()
            self.database_url = endpoints.database_url
            await asyncio.to_thread(migrate, self.database_url)
            served_url = await asyncio.to_thread(make_role, self.database_url, SUPERUSER)
        except EmbeddedServersError as error:
            raise PlaceError(str(error)) from error
        self.http = aiohttp.ClientSession()
        secret = secrets.token_urlsafe(48)
        ports = [reserved_port() for _ in range(self._count)]
        origins = [f"http://127.0.0.1:{port.getsockname()[1]}" for port in ports]
        for number, port in enumerate(ports):
            database_url, redis_url = served_url, endpoints.redis_url
            if self._with_proxies:
                database_url, redis_url = await self._lead_through_proxies(served_url, redis_url)
            environ = {
                **{PREFIX + name: value for name, value in ROOMY.items()},
                **os.environ,
                PREFIX + "DATABASE_URL": database_url,
                PREFIX + "REDIS_URL": redis_url,
                PREFIX + "SECRET_KEY": secret,
                PREFIX + "PUBLIC_URL": origins[0],
                PREFIX + "ALLOWED_ORIGINS": ",".join(origins),
                PREFIX + "DATA_DIR": str(self.folder / "instance"),
                PREFIX + "FILES_URL": str(self.folder / "files"),
            }
            name = f"instance-{number}"
            self.instances.append(OwnInstance(name, port, environ, self.folder / "log" / f"{name}.log"))
        await asyncio.gather(*[instance.start(self.http) for instance in self.instances])

    async def _lead_through_proxies(self, database_url: str, redis_url: str) -> tuple[str, str]:
        parts = urlsplit(database_url)
        sockets = Path(parse_qs(parts.query)["host"][0])
        pair = FaultProxy(sockets / ".s.PGSQL.5432"), FaultProxy(Path(unquote(urlsplit(redis_url).path)))
        for proxy in pair:
            await proxy.start()
        self.proxies.append(pair)
        user = parts.username or ""
        return (
            f"postgresql://{user}@127.0.0.1:{pair[0].port}{parts.path}?sslmode=disable&gssencmode=disable",
            f"redis://127.0.0.1:{pair[1].port}/0",
        )

    async def stop(self) -> None:
        """End all of it; afterwards no process of it is left."""
        await asyncio.gather(*[instance.stop() for instance in self.instances], return_exceptions=True)
        for pair in self.proxies:
            for proxy in pair:
                await proxy.close()
        if hasattr(self, "http"):
            await self.http.close()
        with contextlib.suppress(EmbeddedServersError):
            await self.servers.stop()


@contextlib.asynccontextmanager
async def own_place(folder: Path | None, instances: int, *, with_proxies: bool) -> AsyncIterator[Place]:
    """Run a place for the length of the block, in ``folder`` or one that goes with it. Raises ``PlaceError``."""
    made = folder or Path(tempfile.mkdtemp(prefix="idling-load-"))
    place = Place(made, instances, with_proxies=with_proxies)
    try:
        await place.start()
        yield place
    finally:
        await place.stop()
        if folder is None:
            shutil.rmtree(made, ignore_errors=True)
