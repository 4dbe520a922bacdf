"""The lobby's tick: what a second costs in which the room changes, by how many are in it and watch it."""

from __future__ import annotations

import asyncio
import contextlib

import orjson
import psycopg2

from scripts.benchmark.place import Place
from scripts.benchmark.rounds import idle_share, leave

SECONDS = 10
_SUBSCRIBE = b'{"type":"subscribe","topic":"lobby"}'


async def measure_lobby(place: Place, salt: str, people: int) -> float:
    """Return CPU milliseconds of the instance for each second: all idle, all watch, one at the other instance changes.

    What the sockets cost without watching is taken off.
    """
    devices = await place.a.connect_all(place.tokens[:people])
    _idle_all(place, [orjson.loads(device.first)["user"]["id"] for device in devices])
    guest = await place.b.connect(place.admin_token)
    guest_id = orjson.loads(guest.first)["user"]["id"]
    _idle_all(place, [guest_id])  # the newest: what it does is among what is shown
    idle_ms = await idle_share(place.a) * 1e3
    for device in devices:
        device.send(_SUBSCRIBE)
    await asyncio.sleep(3)  # whoever is new is told at the next tick
    before = place.a.cpu_s()
    for number in range(SECONDS):
        args = {"id": f"bench-{guest_id}", "activity": f"tea {number}"}
        message = {"type": "mutate", "mid": f"{salt}-l{number}", "name": "session.update", "args": args}
        guest.send(orjson.dumps(message))
        await asyncio.sleep(1)
        assert b'"error"' not in guest.last, guest.last
    cost_ms = (place.a.cpu_s() - before) / SECONDS * 1e3 - idle_ms
    with (
        contextlib.closing(psycopg2.connect(place.database_url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("DELETE FROM sessions")
    await leave([*devices, guest])
    return cost_ms


def _idle_all(place: Place, user_ids: list[int]) -> None:
    with (
        contextlib.closing(psycopg2.connect(place.database_url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "INSERT INTO sessions (id, user_id, status, activity, started_at, last_seen_at) "
            "SELECT 'bench-' || id, id, 'active', 'reading', now(), now() FROM unnest(%s) id",
            (user_ids,),
        )
