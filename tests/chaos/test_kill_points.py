"""An instance killed at any moment: of each change everything is there that belongs to it, or nothing."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.support.crowd import Guest, issue_guests, sized
from tests.support.instances import Instance, running_instances
from tests.support.rows import run_sql
from tests.support.servers import RedisServer
from tests.support.wire_client import Device, connect

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

# Each of these changes two users' streams, rows of three tables, and the trail.
_REACTIONS = """
SELECT (SELECT count(*) FROM reactions),
    (SELECT count(*) FROM entries WHERE frame LIKE '%"reaction.sent"%'),
    (SELECT count(*) FROM entries WHERE frame LIKE '%"reaction.received"%'),
    (SELECT count(*) FROM notifications WHERE kind = 'reaction.received')"""
_STREAMS = """
SELECT s.user_id, s.seq, count(e.seq), min(e.seq), max(e.seq)
FROM streams s LEFT JOIN entries e ON e.user_id = s.user_id WHERE s.user_id > 0 GROUP BY 1, 2
HAVING s.seq <> count(e.seq) OR min(e.seq) <> 1 OR max(e.seq) <> s.seq"""
_TRAIL = """
SELECT user_id, mid, e.seq, a.seq FROM (SELECT user_id, mid, seq FROM entries WHERE mid IS NOT NULL) e
FULL JOIN (SELECT user_id, mid, seq FROM audit_log WHERE mid IS NOT NULL) a USING (user_id, mid)
WHERE e.seq IS DISTINCT FROM a.seq"""
_PROFILES = """
SELECT u.id, u.version, count(e.seq) FROM users u LEFT JOIN entries e
    ON e.user_id = u.id AND e.frame LIKE '%"profile.changed"%'
GROUP BY 1, 2 HAVING u.version <> 1 + count(e.seq)"""


@pytest_asyncio.fixture
async def doomed(frail_url: str, frail_redis: RedisServer) -> AsyncIterator[Instance]:
    """The only instance there is."""
    running = running_instances(frail_url, frail_redis.url, 1, MESSAGES_PER_S=10000, HEARTBEAT_S=600)
    (instance,) = await asyncio.to_thread(running.__enter__)
    yield instance
    await asyncio.to_thread(running.__exit__, None, None, None)


async def ask_on(device: Device, session: str, told: dict[str, str]) -> None:
    """Ask for one change after the other until the line breaks, some at the same time; note every verdict."""
    with contextlib.suppress(Exception):
        while True:
            mids = [device.ask("profile.update", {"bio": f"the {n}th"}) for n in range(3)]
            mids.append(device.ask("reaction.send", {"session": session, "emoji": "1F600"}))
            for mid in mids:
                told[mid] = (await device.verdict(mid))["status"]


def halves(database_url: str) -> list[tuple[Any, ...]]:
    """Return what is there in part: streams with holes, changes without their trail, rows without their entry."""
    found = [row for sql in (_STREAMS, _TRAIL, _PROFILES) for row in run_sql(database_url, sql)]
    (reactions,) = run_sql(database_url, _REACTIONS)
    return found if len(set(reactions)) == 1 else [*found, reactions]


async def test_killed_at_any_moment_a_change_is_whole_or_not_there(
    doomed: Instance, frail_url: str, figures: Callable[..., dict[str, Any]]
) -> None:
    """Rows, both users' entries, the trail and the outbox; and whatever was told is there."""
    guests: list[Guest] = await asyncio.to_thread(issue_guests, doomed, 7)
    owner, *senders = guests
    async with await connect(doomed.url, owner.token) as device:
        session = (await device.mutate("session.start", {"activity": "being waved at"}))["result"]["session"]["id"]
    draw, told = random.Random(11), dict[str, str]()
    for _ in range(sized(3, 50)):
        devices = [await connect(doomed.url, guest.token) for guest in senders]
        asking = [asyncio.create_task(ask_on(device, session, told)) for device in devices]
        heard = len(told)
        while len(told) == heard:
            await asyncio.sleep(0.005)
        await asyncio.sleep(draw.uniform(0, 0.2))
        doomed.kill()
        await asyncio.gather(*asking)
        for device in devices:
            device.cut()
        assert await asyncio.to_thread(halves, frail_url) == []
        await asyncio.to_thread(doomed.start)
    stored = {mid for (mid,) in run_sql(frail_url, "SELECT mid FROM entries WHERE mid IS NOT NULL")}
    figures(told=len(told), stored=len(stored), kills=sized(3, 50))
    assert set(told.values()) == {"confirmed"}
    assert told.keys() <= stored
