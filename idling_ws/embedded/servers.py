"""The two servers together, below one data folder that one process uses at a time."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from idling_ws.embedded.child import Child
from idling_ws.embedded.errors import EmbeddedServersError
from idling_ws.embedded.folder import announce, announced, lock_folder, prepare_folder, socket_folder
from idling_ws.embedded.postgres import Postgres, postgres_url
from idling_ws.embedded.redis import Redis, redis_url


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the embedded servers are reached; the same for as long as they run."""

    database_url: str
    redis_url: str


def running_endpoints(data_dir: Path) -> Endpoints | None:
    """Return where another process runs the servers of this folder; None if nobody does.

    For a command beside a running server: it may use these, and they end when that server ends.
    """
    sockets = announced(_absolute(data_dir))
    return _endpoints(sockets) if sockets else None


class EmbeddedServers:
    """PostgreSQL and Redis as children of this process: if they die they come back, if it dies they go."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = _absolute(data_dir)
        self._lock: int | None = None
        self._sockets: Path | None = None
        self._postgres: Postgres | None = None
        self._redis: Redis | None = None

    @property
    def postgres(self) -> Postgres:
        """PostgreSQL, for who does harm to it. Raises ``EmbeddedServersError`` when it was not started."""
        if self._postgres is None:
            raise EmbeddedServersError("The embedded servers do not run.")
        return self._postgres

    @property
    def redis(self) -> Redis:
        """Redis, likewise."""
        if self._redis is None:
            raise EmbeddedServersError("The embedded servers do not run.")
        return self._redis

    @property
    def postgres_pid(self) -> int | None:
        """The process id of PostgreSQL, None while it is down."""
        return self._postgres.pid if self._postgres else None

    @property
    def redis_pid(self) -> int | None:
        """The process id of Redis, None while it is down."""
        return self._redis.pid if self._redis else None

    async def start(self) -> Endpoints:
        """Bring both up, over whatever an earlier life left behind, and return where they are.

        If it fails or is cancelled, nothing of it stays running.

        Raises:
            EmbeddedServersError: with what is wrong and what to do about it.
        """
        if self._lock is not None:
            raise EmbeddedServersError("The embedded servers run already.")
        prepare_folder(self._data_dir)
        self._lock = lock_folder(self._data_dir)
        try:
            self._sockets = socket_folder(self._data_dir)
            self._postgres = Postgres(self._data_dir, self._sockets)
            self._redis = Redis(self._data_dir, self._sockets)
            await self._postgres.start()
            await self._redis.start()
            announce(self._data_dir, self._sockets)
        except BaseException:
            await self.stop()
            raise
        return _endpoints(self._sockets)

    async def stop(self) -> None:
        """End both in order; afterwards no process of theirs is left. A second call does nothing."""
        children: list[Child] = [child for child in (self._postgres, self._redis) if child is not None]
        self._postgres = self._redis = None
        failures: list[Exception] = []
        for child in children:
            try:
                await child.stop()
            except EmbeddedServersError as error:
                failures.append(error)
        if self._sockets is not None and self._sockets.parent != self._data_dir:
            with contextlib.suppress(OSError):
                self._sockets.rmdir()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if failures:
            raise failures[0]


def _endpoints(sockets: Path) -> Endpoints:
    return Endpoints(database_url=postgres_url(sockets), redis_url=redis_url(sockets))


def _absolute(data_dir: Path) -> Path:
    return Path(os.path.abspath(data_dir.expanduser()))  # noqa: PTH100 - links stay as they were typed
