"""Who is here: stale after a while, ended once after a longer one, gone at once with a goodbye; two instances agree."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.blackhole import blackholes
from tests.support.crowd import Guest, Roamer, gathered, issue_guests, sized
from tests.support.instances import SECRET_KEY, Instance, give_own_epoch, running_instances
from tests.support.rows import run_sql
from tests.support.servers import PostgresServer, RedisServer, free_port
from tests.support.wire_client import Login, call, connect, sign_in

Pair = tuple[Instance, Instance]


@pytest.fixture(scope="module")
def brisk_url(postgres: PostgresServer, migrated_template: str) -> Iterator[str]:
    """The database of ``brisk``."""
    url = postgres.create_database(migrated_template)
    give_own_epoch(url)
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="module")
def brisk(brisk_url: str, redis_server: RedisServer) -> Iterator[Pair]:
    """Two instances that find people stale after two seconds and end their sessions after four."""
    times: dict[str, Any] = {"HEARTBEAT_S": 0.5, "STALE_S": 2, "SESSION_TIMEOUT_S": 4}
    with running_instances(brisk_url, redis_server.url, MESSAGES_PER_S=1000, **times) as (a, b):
        yield a, b


@pytest.fixture(scope="module")
def calm_url(postgres: PostgresServer, migrated_template: str) -> Iterator[str]:
    """The database of ``calm``."""
    url = postgres.create_database(migrated_template)
    give_own_epoch(url)
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="module")
def calm(calm_url: str, redis_server: RedisServer) -> Iterator[Pair]:
    """Two instances with the usual times: nobody is found stale while a test lasts, however busy the machine is."""
    with running_instances(calm_url, redis_server.url, MESSAGES_PER_S=1000) as (a, b):
        yield a, b


async def members(base: str, token: str) -> set[int]:
    """Return who is in the lobby."""
    answer = await call(base, "GET", "/api/lobby", token=token)
    return {member["user"]["id"] for member in answer.json["members"]}


async def until_members(base: str, login: Login | Guest, user_id: int, *, here: bool) -> None:
    """Wait until somebody is in the lobby, or is not."""
    async with asyncio.timeout(60):
        while (user_id in await members(base, login.token)) != here:
            await asyncio.sleep(0.1)


LEAST_SEEN = "SELECT min(last_seen_at) FROM sessions WHERE user_id = ANY(%s) AND ended_at IS NULL"


def shown_in(watcher: Roamer) -> set[int]:
    """Return who is in the lobby, by the last notice."""
    return {member["user"]["id"] for member in watcher.notices[-1][1]["members"]} if watcher.notices else set()


def endings(database_url: str, user_id: int) -> list[dict[str, Any]]:
    """Return every item that ended a session of a user."""
    rows = run_sql(database_url, "SELECT frame FROM entries WHERE user_id = %s ORDER BY seq", user_id)
    frames = [json.loads(row[0]) for row in rows]
    return [item for frame in frames for item in frame["items"] if item["kind"] == "session.ended"]


async def test_who_falls_silent_leaves_the_lobby_and_is_ended_once(brisk: Pair, brisk_url: str) -> None:
    """By one of two instances, with a reason and without a verdict; a device that comes back finds the entry."""
    watcher, silent = await sign_in(brisk[0].url), await sign_in(brisk[1].url)
    async with await connect(brisk[1].url, silent.token) as device:
        started = await device.mutate("session.start", {"activity": "soon gone"})
        cursor, state = device.cursor, device.state
        async with asyncio.timeout(60):
            while silent.user_id not in await members(brisk[0].url, watcher.token):
                device.send({"type": "heartbeat"})
        device.cut()
    await until_members(brisk[0].url, watcher, silent.user_id, here=False)
    # Only then: whoever comes back is heard of, and has as long as before.
    async with asyncio.timeout(60):
        while not endings(brisk_url, silent.user_id):
            await asyncio.sleep(0.1)
    async with await connect(brisk[0].url, silent.token, cursor, state=state) as back:
        while "session" in back.state:
            await back.receive()
        (ended,) = endings(brisk_url, silent.user_id)
        assert ended["data"]["reason"] == "timeout"
        items = back.entries[-1]["items"]
        assert ended in items
        assert "verdict" not in {item["kind"] for item in items}
        repeated = await back.mutate("session.end", {"id": started["result"]["session"]["id"]})
        assert repeated["error"]["code"] == "session_not_active"
    assert len(endings(brisk_url, silent.user_id)) == 1


async def test_a_heartbeat_over_rest_keeps_a_session_alive(brisk: Pair, brisk_url: str) -> None:
    """Longer than it would have lasted, without any socket."""
    login = await sign_in(brisk[0].url)
    created = await call(brisk[0].url, "POST", "/api/sessions/create", token=login.token, json={"activity": "by hand"})
    assert created.status == 201
    until, n = time.monotonic() + 5.5, 0
    while time.monotonic() < until or login.user_id not in await members(brisk[1].url, login.token):
        n += 1
        beat = await call(brisk[n % 2].url, "POST", "/api/sessions/heartbeat", token=login.token)
        assert beat.json["session"]["id"] == created.json["session"]["id"]
    assert endings(brisk_url, login.user_id) == []


async def test_bye_ends_presence_at_once(calm: Pair) -> None:
    """Well before anybody would be found stale; and the session goes on, for it may be taken up again."""
    watcher, leaver = await sign_in(calm[0].url), await sign_in(calm[0].url)
    async with await connect(calm[1].url, leaver.token) as device:
        await device.mutate("session.start", {"activity": "leaving"})
        await until_members(calm[0].url, watcher, leaver.user_id, here=True)
        device.send({"type": "bye"})
        assert (await device.expect_close()).code == 1000
        await until_members(calm[0].url, watcher, leaver.user_id, here=False)


async def test_bye_on_one_instance_leaves_whoever_is_on_another(calm: Pair) -> None:
    """Presence ends with the last device anywhere, not with the last one here."""
    login = await sign_in(calm[0].url)
    async with gathered([Roamer(guest, [calm[0].url]) for guest in issue_guests(calm[0], 1)]) as (staying,):
        await staying.verdict(staying.ask("session.start", {"activity": "on two screens"}))
        await until_members(calm[0].url, login, staying.guest.user_id, here=True)
        for _ in range(2):
            async with await connect(calm[1].url, staying.guest.token) as leaving:
                leaving.send({"type": "bye"})
                await leaving.expect_close()
            for _ in range(13):
                assert staying.guest.user_id in await members(calm[0].url, login.token)
                await asyncio.sleep(0.1)


async def test_both_instances_tell_the_same_lobby_conflated(calm: Pair) -> None:
    """Many come and go in a burst: a notice a second at most on each instance, and in the end the same room."""
    guests = issue_guests(calm[0], 15)
    watchers = [Roamer(guest, [base.url]) for guest, base in zip(issue_guests(calm[0], 2), calm, strict=True)]
    for watcher in watchers:
        watcher.topics = ["lobby"]
    # Before anybody could have been told anything: notices that were held up come in a bunch.
    since = time.monotonic()
    async with gathered(watchers), gathered(Roamer(g, [calm[n % 2].url]) for n, g in enumerate(guests)) as people:
        for device in people:
            await device.verdict(device.ask("session.start", {"activity": "in the crowd"}))
        for device in people[::3]:
            await device.verdict(device.ask("session.end", {"id": device.state["session"]["id"]}))
        here = {device.guest.user_id for device in people} - {device.guest.user_id for device in people[::3]}

        def shows_all(watcher: Roamer) -> bool:
            if not watcher.notices:
                return False
            shown = {member["user"]["id"] for member in watcher.notices[-1][1]["members"]}
            return here <= shown and not shown & {device.guest.user_id for device in people[::3]}

        for watcher in watchers:
            await watcher.until(lambda watcher=watcher: shows_all(watcher))
            times = [at for at, _ in watcher.notices]
            # Ticks are a second apart; one that comes late is followed by one that comes sooner.
            assert len(times) <= times[-1] - since + 2
        last = [{member["user"]["id"] for member in watcher.notices[-1][1]["members"]} & here for watcher in watchers]
        assert last == [here, here]


async def test_heartbeats_are_written_in_batches(brisk: Pair, brisk_url: str, redis_server: RedisServer) -> None:
    """Of a crowd that beats all the time: a command a second to Redis, a statement now and then to the database."""
    people = [Roamer(guest, [brisk[n % 2].url]) for n, guest in enumerate(issue_guests(brisk[0], 40))]
    ids = [device.guest.user_id for device in people]
    async with gathered(people):
        for device in people:
            await device.verdict(device.ask("session.start", {"activity": "beating"}))
        began = run_sql(brisk_url, "SELECT now()")[0][0]
        writes_before, beats = redis_server.calls("zadd"), 0
        # Until every one of them was written three times over.
        for _ in range(3):
            while run_sql(brisk_url, LEAST_SEEN, ids)[0][0] <= began:
                for device in people:
                    assert device.link is not None
                    device.link.send(*[{"type": "heartbeat", "activity": "active"}] * 5)
                    beats += 5
                await asyncio.sleep(0.05)
            began = run_sql(brisk_url, "SELECT now()")[0][0]
        ((statements,),) = run_sql(
            brisk_url, "SELECT count(DISTINCT xmin::text) FROM sessions WHERE user_id = ANY(%s)", ids
        )
        # Others write to this Redis as well, and on a slow machine there are fewer beats between two writes.
        assert (redis_server.calls("zadd") - writes_before) * 3 < beats
        # One for each instance; a row that was passed over, being written just then, comes with the next.
        assert statements <= len(ids) / 5


@pytest.mark.timeout(400)
async def test_who_was_at_an_instance_that_died_is_away_and_nobody_else(
    migrated_url: str, redis_server: RedisServer
) -> None:
    """Long before they would be found stale. Not who came back elsewhere, nor who is at one that only lost Redis."""
    give_own_epoch(migrated_url)
    times: dict[str, Any] = sized({"HEARTBEAT_S": 0.5, "STALE_S": 18}, {})
    async with blackholes(redis_server.port) as hole:
        redis_urls = [redis_server.url, redis_server.url, f"redis://127.0.0.1:{hole.port}/0"]
        running = running_instances(migrated_url, redis_urls, **times)
        # In a thread: what goes through the hole goes through this loop.
        staying, doomed, cut_off = await asyncio.to_thread(running.__enter__)
        try:
            guests = issue_guests(staying, 10)
            watcher = Roamer(guests[0], [staying.url])
            watcher.topics = ["lobby"]
            gone, back = [[Roamer(guest, [doomed.url]) for guest in some] for some in (guests[1:5], guests[5:7])]
            beyond = [Roamer(guest, [cut_off.url]) for guest in guests[7:]]
            async with gathered([watcher, *gone, *back, *beyond]):
                for device in [*gone, *back, *beyond]:
                    await device.verdict(device.ask("session.start", {"activity": "on board"}))
                lost = {device.guest.user_id for device in gone}
                everybody = lost | {device.guest.user_id for device in [*back, *beyond]}
                await watcher.until(lambda: shown_in(watcher) == everybody)
                # Known to Redis, and not for the mutation alone: what is younger than a second dies with the instance.
                began = run_sql(migrated_url, "SELECT now()")[0][0]
                while run_sql(migrated_url, LEAST_SEEN, list(everybody))[0][0] <= began:
                    await asyncio.sleep(0.1)
                for device in gone:
                    device.is_away = True
                for device in back:
                    device.bases = [staying.url]
                hole.swallow()
                doomed.kill()
                since = time.monotonic()
                await watcher.until(lambda: shown_in(watcher) == everybody - lost, timeout_s=200)
                print("clean after", round(time.monotonic() - since, 1))
                async with asyncio.timeout(60):
                    while len(told := staying.logged("people with it")) < 2:
                        await asyncio.sleep(0.1)
                assert sorted(re.findall(r"(\d+) people", "".join(told))) == ["0", str(len(lost))]
                # They were told to have left; whoever is only stale drops out without a word.
                assert {user_id for _, notice in watcher.notices for user_id in notice["left"]} == lost
                await watcher.until(lambda: shown_in(watcher) == everybody - lost)
                for device in [*back, *beyond]:
                    await until_members(staying.url, watcher.guest, device.guest.user_id, here=True)
                assert not lost & await members(staying.url, watcher.guest.token)
                assert endings(migrated_url, gone[0].guest.user_id) == []
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)


def test_a_killed_worker_is_replaced_and_none_is_left_at_the_end(
    migrated_url: str, redis_url: str, tmp_path: Path
) -> None:
    """``serve --workers 2``: kill -9 of one is answered by another; SIGTERM ends all of them, in order."""
    give_own_epoch(migrated_url)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IDLING_")}
    environment |= {
        "IDLING_DATABASE_URL": migrated_url,
        "IDLING_REDIS_URL": redis_url,
        "IDLING_SECRET_KEY": SECRET_KEY,
        "IDLING_DATA_DIR": str(tmp_path),
        "IDLING_LOG_FORMAT": "json",
    }
    words = [sys.executable, "-m", "idling_ws", "serve", "--port", str(free_port()), "--workers", "2"]
    parent = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert parent.stderr is not None

    def wait_for(ending: str, times: int) -> None:
        assert parent.stderr is not None
        while times:
            line = parent.stderr.readline()
            assert line, "it ended before its time"
            times -= line.startswith("{") and ending in json.loads(line)["event"]

    def workers() -> set[int]:
        return {int(pid) for pid in Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()}

    try:
        wait_for("is up", 2)
        before = workers()
        assert len(before) == 2
        os.kill(min(before), signal.SIGKILL)
        wait_for("is up", 1)
        after = workers()
        assert len(after) == 2
        assert len(before & after) == 1
        parent.send_signal(signal.SIGTERM)
        assert parent.wait(60) == 0
        assert [pid for pid in before | after if Path(f"/proc/{pid}").exists()] == []
    finally:
        parent.kill()
        parent.wait()
        parent.stderr.close()
