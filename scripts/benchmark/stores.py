"""What a durable mutation costs the stores: CPU of PostgreSQL and of Redis, and what is written.

By the process clocks of the servers themselves. PostgreSQL's is that of all its processes, with what
it does for the mutation behind its back (the log, the checkpoint, the sweeps of the instances).
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import redis

from idling_ws.store.postgres import Database
from idling_ws.store.sessions import SessionStore
from scripts.benchmark.measures import mutate
from scripts.benchmark.place import TICKS, Place

USERS, EACH = 100, 60
PEOPLE = 100_000
LOBBIES = 10
SIGNS = 20_000


@dataclass(frozen=True, slots=True)
class StoreCosts:
    """Of one mutation: CPU microseconds, and bytes. Of presence: one sign of life, one look at a full lobby."""

    postgres_us: float
    redis_us: float
    log_bytes: float
    kept_bytes: float
    sign_us: float
    lobby_ms: float


@dataclass(frozen=True, slots=True)
class _Reading:
    postgres_s: float
    redis_s: float
    log: int
    size: int


async def measure_stores(place: Place, salt: str) -> StoreCosts:
    """One device of each user sends, at both instances, as fast as it is confirmed."""
    devices = [
        await instance.connect(token)
        for token, instance in zip(place.tokens[:USERS], [place.a, place.b] * USERS, strict=False)
    ]

    async def send(index: int) -> None:
        for number in range(EACH):
            devices[index].send(mutate(number, index, salt))
            await devices[index].until(devices[index].frames + 1)

    before = _read(place)
    await asyncio.gather(*map(send, range(USERS)))
    await asyncio.sleep(1)  # what is announced is marked in batches
    after = _read(place)
    for device in devices:
        device.close()
    sign_us, lobby_ms = await _measure_presence(place)
    count = USERS * EACH
    return StoreCosts(
        (after.postgres_s - before.postgres_s) / count * 1e6,
        (after.redis_s - before.redis_s) / count * 1e6,
        (after.log - before.log) / count,
        (after.size - before.size) / count,
        sign_us,
        lobby_ms,
    )


def fill_lobby(place: Place) -> None:
    """Let so many people idle: with their rows as they would be, and statistics that know of them."""
    with contextlib.closing(psycopg2.connect(place.database_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(
                "WITH people AS (INSERT INTO users (name, name_key) "
                "SELECT 'idler ' || n, 'idler ' || n FROM generate_series(1, %s) n RETURNING id) "
                "INSERT INTO sessions (id, user_id, status, activity, started_at, last_seen_at) "
                "SELECT md5(id::text), id, 'active', 'reading', now(), now() FROM people",
                (PEOPLE,),
            )
            cursor.execute("VACUUM ANALYZE users, sessions")


async def _measure_presence(place: Place) -> tuple[float, float]:
    """Return what one sign of life costs PostgreSQL (µs), and one look at the lobby (ms)."""
    database = Database(place.database_url, max_size=1)
    await database.open()
    try:
        sessions = SessionStore(database, stale_s=86_400)
        rows = await database.run("SELECT user_id FROM sessions WHERE ended_at IS NULL LIMIT %s", (SIGNS,))
        [(backend,)] = await database.run("SELECT pg_backend_pid()")
        start = _own_s(backend)
        await sessions.touch({row[0]: datetime.now(UTC) for row in rows})
        touched = _own_s(backend)
        for _ in range(LOBBIES):
            await sessions.lobby(None, 50)
        looked = _own_s(backend)
    finally:
        await database.close()
    return (touched - start) / len(rows) * 1e6, (looked - touched) / LOBBIES * 1e3


def _own_s(backend: int) -> float:
    """Return the CPU seconds of one backend."""
    return sum(int(field) for field in _stat(backend)[11:13]) / TICKS


def _read(place: Place) -> _Reading:
    with contextlib.closing(psycopg2.connect(place.database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT (pg_current_wal_lsn() - '0/0')::bigint, pg_database_size(current_database())")
        log, size = cursor.fetchone() or (0, 0)
    with contextlib.closing(redis.Redis.from_url(place.environ["IDLING_REDIS_URL"])) as client:
        cpu: dict[str, Any] = client.info("cpu")
    return _Reading(postgres_s(place.database_url), cpu["used_cpu_user"] + cpu["used_cpu_sys"], int(log), int(size))


def postgres_s(database_url: str) -> float:
    """Return the CPU seconds that all of PostgreSQL has used so far."""
    with contextlib.closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [backend] = cursor.fetchone() or (0,)
        return _family_s(backend)


def _family_s(backend: int) -> float:
    """Return the CPU seconds of the parent of a backend and of all its children, gone ones among them."""
    parent = int(_stat(backend)[1])
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="utf-8").split()
    ticks = sum(int(field) for field in _stat(parent)[11:15])
    for child in children:
        with contextlib.suppress(OSError):
            ticks += sum(int(field) for field in _stat(int(child))[11:13])
    return ticks / TICKS


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
