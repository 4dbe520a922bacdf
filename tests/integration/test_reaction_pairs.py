"""Reactions that cross: two people's streams in one transaction each, at the same time, both ways."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import aiohttp
import pytest

from tests.support.instances import Instance, give_own_epoch, running_instances
from tests.support.rows import run_sql
from tests.support.servers import PostgresServer, RedisServer
from tests.support.wire_client import Device, Login, call, connect, sign_in

PAIRS = 1000
PAIRS_UNDER_FIRE = 100
WINDOW = 25


@pytest.fixture(scope="module")
def place(
    postgres: PostgresServer, redis_server: RedisServer, migrated_template: str
) -> Iterator[tuple[Instance, Instance, str]]:
    """Two instances to be killed, and their database."""
    url = postgres.create_database(migrated_template)
    give_own_epoch(url)
    with running_instances(url, redis_server.url, MESSAGES_PER_S="100000") as (a, b):
        yield a, b, url
    postgres.drop_database(url)


async def idle(instance: Instance) -> tuple[Login, Device, str]:
    """Come in, begin to idle; return who, their device and their session."""
    login = await sign_in(instance.url)
    device = await connect(instance.url, login.token)
    verdict = await device.mutate("session.start", {"activity": "waiting"})
    return login, device, verdict["result"]["session"]["id"]


async def react(device: Device, session: str, mids: list[str]) -> Counter[str]:
    """Send a reaction for each mid, a window of them at a time; count the verdicts.

    On a machine that is busy enough a lock is waited for too long. Then nothing happened and the
    client is told to send it again, so that is what it does, under the same mid.
    """
    statuses: Counter[str] = Counter()
    for start in range(0, len(mids), WINDOW):
        waiting = set(mids[start : start + WINDOW])
        for mid in mids[start : start + WINDOW]:
            device.ask("reaction.send", {"session": session, "emoji": "1F44B"}, mid=mid)
        # Whose turn it is nobody knows: an error may overtake the entry of an earlier one.
        while waiting:
            message = await device.receive()
            if message["type"] == "error":
                assert message["error"]["retryable"], message
                device.ask("reaction.send", {"session": session, "emoji": "1F44B"}, mid=message["mid"])
                continue
            for item in message["items"] if message["type"] == "entry" else [message]:
                if item.get("mid") in waiting:
                    waiting.discard(item["mid"])
                    statuses[item["status"]] += 1
    return statuses


def kinds(url: str, user_id: int) -> Counter[str]:
    """Count what a user's stream tells, by kind."""
    sql = (
        "SELECT item ->> 'kind', count(*) FROM entries, "
        "json_array_elements(frame::json -> 'items') AS item "
        "WHERE user_id = %s GROUP BY 1"
    )
    return Counter(dict(run_sql(url, sql, user_id)))


def sent(url: str, sender: Login, owner: Login) -> int:
    """Count the reactions from one to the other."""
    sql = "SELECT count(*) FROM reactions WHERE sender = %s AND owner = %s"
    return int(run_sql(url, sql, sender.user_id, owner.user_id)[0][0])


async def test_a_thousand_crossing_pairs(place: tuple[Instance, Instance, str]) -> None:
    """Both wave at each other a thousand times from two instances: no deadlock, each is in both streams once."""
    a, b, url = place
    (one, one_device, one_session), (two, two_device, two_session) = await idle(a), await idle(b)
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = run_sql(url, deadlocks)
    forth, back = await asyncio.gather(
        react(one_device, two_session, [f"forth-{n}" for n in range(PAIRS)]),
        react(two_device, one_session, [f"back-{n}" for n in range(PAIRS)]),
    )
    assert forth == back == {"confirmed": PAIRS}
    assert run_sql(url, deadlocks) == before
    for login in (one, two):
        counted = kinds(url, login.user_id)
        told = {kind: counted[kind] for kind in ("reaction.sent", "reaction.received", "notification.created")}
        assert told == dict.fromkeys(told, PAIRS)
    assert (sent(url, one, two), sent(url, two, one)) == (PAIRS, PAIRS)
    for login, device in ((one, one_device), (two, two_device)):
        snapshot = await call(a.url, "GET", "/api/snapshot", token=login.token)
        assert await device.reach(snapshot.json["cursor"]) == snapshot.json["state"]
        await device.close()


async def post_until_settled(instances: list[Instance], login: Login, session: str, mid: str) -> str:
    """Send a reaction to one instance after the other until one has a verdict for it."""
    mutation = {"mid": mid, "name": "reaction.send", "args": {"session": session, "emoji": "1F44B"}}
    while True:
        for instance in instances:
            try:
                answer = await call(
                    instance.url, "POST", "/api/mutations", token=login.token, json={"mutations": [mutation]}
                )
            except (aiohttp.ClientError, OSError):
                continue
            if answer.status == 200 and answer.json["verdicts"][0]["status"] != "error":
                return str(answer.json["verdicts"][0]["status"])


async def test_exactly_once_though_an_instance_is_killed(place: tuple[Instance, Instance, str]) -> None:
    """One of two dies in the midst of it; whoever got no answer asks the other: both streams have each once."""
    a, b, url = place
    (one, one_device, one_session), (two, two_device, two_session) = await idle(b), await idle(b)
    settled = 0

    async def wave(login: Login, session: str, name: str) -> Counter[str]:
        nonlocal settled
        statuses: Counter[str] = Counter()
        for n in range(PAIRS_UNDER_FIRE):
            statuses[await post_until_settled([a, b], login, session, f"{name}-{n}")] += 1
            settled += 1
            for device in (one_device, two_device):
                device.send({"type": "heartbeat"})  # who is silent for a minute is closed
            if settled == PAIRS_UNDER_FIRE // 2:
                a.kill()
        return statuses

    forth, back = await asyncio.gather(wave(one, two_session, "forth"), wave(two, one_session, "back"))
    assert forth == back == {"confirmed": PAIRS_UNDER_FIRE}
    assert (sent(url, one, two), sent(url, two, one)) == (PAIRS_UNDER_FIRE, PAIRS_UNDER_FIRE)
    for login, device in ((one, one_device), (two, two_device)):
        counted = kinds(url, login.user_id)
        assert counted["reaction.sent"] == counted["reaction.received"] == PAIRS_UNDER_FIRE
        snapshot = await call(b.url, "GET", "/api/snapshot", token=login.token)
        assert await device.reach(snapshot.json["cursor"]) == snapshot.json["state"]
        await device.close()
    a.start()
