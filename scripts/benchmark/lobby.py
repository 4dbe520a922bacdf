"""The lobby's tick: what a second costs in which the room changes, by how many are in it and watch it."""

from __future__ import annotations

import asyncio
import contextlib

import orjson
import psycopg2

from scripts.benchmark.place import Place
from scripts.benchmark.rounds import idle_share, leave
from scripts.benchmark.stores import postgres_s

SECONDS = 10
_SUBSCRIBE = b'{"type":"subscribe","topic":"lobby"}'


async def measure_lobby(place: Place, salt: str, people: int) -> tuple[float, float]:
    """Return CPU milliseconds of the instance and of PostgreSQL for each second: all idle, all watch, one changes.

    The one is at the other instance. What the sockets and the servers cost without watching is taken off.
    """
    devices = await place.a.connect_all(place.tokens[:people])
    _idle_all(place, [orjson.loads(device.first)["user"]["id"] for device in devices])
    guest = await place.b.connect(place.admin_token)
    number = 0

    async def change() -> None:
        nonlocal number
        for _ in range(SECONDS):
            name, args = "session.update" if number else "session.start", {"activity": f"tea {number}"}
            guest.send(orjson.dumps({"type": "mutate", "mid": f"{salt}-l{number}", "name": name, "args": args}))
            number += 1
            await asyncio.sleep(1)
            assert b'"error"' not in guest.last, guest.last

    before = postgres_s(place.database_url)
    await change()
    anyway_ms = (postgres_s(place.database_url) - before) / SECONDS * 1e3
    idle_ms = await idle_share(place.a) * 1e3
    for device in devices:
        device.send(_SUBSCRIBE)
    await asyncio.sleep(3)  # whoever is new is told at the next tick
    own, stored = place.a.cpu_s(), postgres_s(place.database_url)
    await change()
    own_ms = (place.a.cpu_s() - own) / SECONDS * 1e3 - idle_ms
    stored_ms = (postgres_s(place.database_url) - stored) / SECONDS * 1e3 - anyway_ms
    with (
        contextlib.closing(psycopg2.connect(place.database_url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("DELETE FROM sessions")
    await leave([*devices, guest])
    return own_ms, stored_ms


def _idle_all(place: Place, user_ids: list[int]) -> None:
    with (
        contextlib.closing(psycopg2.connect(place.database_url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "INSERT INTO sessions (id, user_id, status, activity, started_at, last_seen_at) "
            "SELECT md5(id::text), id, 'active', 'reading', now(), now() FROM unnest(%s) id",
            (user_ids,),
        )
