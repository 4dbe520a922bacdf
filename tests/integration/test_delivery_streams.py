"""What two instances deliver: everything, once, in order, the same bytes to each, and nothing to anybody else."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any
from uuid import uuid4

import psycopg2
import pytest

from tests.support.crowd import Guest, Roamer, check_against_log, gathered, issue_guests, sized
from tests.support.instances import Instance
from tests.support.wire_client import call, connect, merge, sign_in

Pair = tuple[Instance, Instance]

VALUES = ({"theme": "dark"}, {"theme": "light"}, {"density": "compact"}, {"density": "cozy"}, {"sounds": True})


def rows_of(database_url: str, sql: str, *params: object) -> list[tuple[Any, ...]]:
    """Run one query."""
    with contextlib.closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


async def test_every_entry_reaches_each_device_of_its_user_once(pair: Pair, pair_url: str) -> None:
    """Writers at both instances, devices at both: compared with the log byte for byte."""
    users, entries = sized(40, 200), sized(2000, 10_000)
    guests = issue_guests(pair[0], users)
    devices = [Roamer(guest, [base.url]) for guest in guests for base in pair]
    async with gathered(devices):
        # Each user writes from both of their devices at once, some at a time per device.
        each = entries // len(devices)

        async def write(device: Roamer) -> None:
            mids: list[str] = []
            for n in range(each):
                mids.append(device.ask("preferences.set", {"values": VALUES[n % len(VALUES)]}))
                if len(mids) >= 8:
                    await device.verdict(mids.pop(0))
            for mid in mids:
                await device.verdict(mid)

        await asyncio.gather(*[write(device) for device in devices])
        for device in devices:
            await device.reach(2 * each)
        assert check_against_log(devices, pair_url) == 2 * len(devices) * each
        for here, there in zip(devices[::2], devices[1::2], strict=True):
            assert here.lines == there.lines
            assert here.state == there.state
        assert [device.resumes_asked for device in devices] == [0] * len(devices)


async def test_a_mutation_sent_three_ways_at_once_takes_effect_once(pair: Pair, pair_url: str) -> None:
    """Both instances and REST, at the same moment: one row, three equal verdicts; other arguments are refused."""
    count = sized(60, 500)
    guest = (issue_guests(pair[0], 1))[0]
    mids = [uuid4().hex for _ in range(count)]

    def args(n: int) -> dict[str, Any]:
        # Every third is rolled back: the verdict of a refusal is as durable.
        return {"activity": f"idling, {n}"} if n % 3 else {"id": "nobody's"}

    def name(n: int) -> str:
        return "session.start" if n % 3 else "session.end"

    async with gathered([Roamer(guest, [base.url]) for base in pair]) as (here, there):

        async def ask_by_rest(n: int, body: dict[str, Any]) -> dict[str, Any]:
            while True:
                answer = await call(pair[n % 2].url, "POST", "/api/mutations", token=guest.token, json=body)
                verdict: dict[str, Any] = answer.json["verdicts"][0]
                if verdict["status"] != "error":
                    return verdict
                assert verdict["error"]["retryable"], verdict

        async def ask_everywhere(n: int) -> list[dict[str, Any]]:
            body = {"mutations": [{"mid": mids[n], "name": name(n), "args": args(n)}]}
            here.ask(name(n), args(n), mids[n])
            there.ask(name(n), args(n), mids[n])
            by_rest = await ask_by_rest(n, body)
            verdicts = [by_rest, await here.verdict(mids[n]), await there.verdict(mids[n])]
            return [
                {key: value for key, value in verdict.items() if key in {"status", "seq", "result", "current"}}
                | {"code": verdict.get("error", {}).get("code")}
                for verdict in verdicts
            ]

        slots = asyncio.Semaphore(16)

        async def in_turn(n: int) -> list[dict[str, Any]]:
            async with slots:
                return await ask_everywhere(n)

        triples = await asyncio.gather(*[in_turn(n) for n in range(count)])
        assert [triple for triple in triples if not triple[0] == triple[1] == triple[2]] == []
        stored = rows_of(pair_url, "SELECT mid, count(*) FROM entries WHERE user_id = %s GROUP BY 1", guest.user_id)
        assert dict(stored) == dict.fromkeys(mids, 1)

        async def reuse(n: int) -> str:
            changed = (name(n), {**args(n), "id" if n % 3 == 0 else "activity": "something else"})
            asked, other = ("profile.update", {"bio": f"{n}"}) if n % 2 else changed
            async with slots:
                body = {"mutations": [{"mid": mids[n], "name": asked, "args": other}]}
                answer = await call(pair[n % 2].url, "POST", "/api/mutations", token=guest.token, json=body)
                return str(answer.json["verdicts"][0]["error"]["code"])

        assert await asyncio.gather(*[reuse(n) for n in range(count)]) == ["mid_reused"] * count
        head = rows_of(pair_url, "SELECT seq FROM streams WHERE user_id = %s", guest.user_id)
        assert head == [(count,)]
        assert rows_of(pair_url, "SELECT bio FROM users WHERE id = %s", guest.user_id) == [("",)]


async def test_whoever_connects_during_writes_sees_one_whole_state(pair: Pair) -> None:
    """Many times: the state of the welcome and the entries behind it are a fresh snapshot, exactly."""
    joins = sized(60, 200)
    login = await sign_in(pair[0].url)
    done = asyncio.Event()

    async def write(base: str, words: str) -> int:
        written = 0
        while not done.is_set() or written <= 10:
            changes: list[tuple[str, dict[str, Any]]] = [
                ("profile.update", {"bio": f"{words} {written}"}),
                ("preferences.set", {"values": VALUES[written % len(VALUES)]}),
                ("favorite.remove" if written % 2 else "favorite.add", {"emoji": "1F600"}),
            ]
            mutations = [{"mid": uuid4().hex, "name": name, "args": args} for name, args in changes]
            answer = await call(base, "POST", "/api/mutations", token=login.token, json={"mutations": mutations})
            assert [verdict["status"] for verdict in answer.json["verdicts"]] == ["confirmed"] * len(changes)
            written += 1
        return written

    async def join(start: int) -> int:
        agreed, cursor, state = 0, None, None
        for n in range(start, joins, 4):
            async with await connect(pair[n % 2].url, login.token, cursor, state=state) as device:
                assert device.welcome["resumed"] is (cursor is not None)
                # Asked for behind the welcome, so it is of the same moment or later: the device gets there.
                fresh = (await call(pair[(n + 1) % 2].url, "GET", "/api/snapshot", token=login.token)).json
                assert await device.reach(fresh["cursor"]) == fresh["state"]
                agreed += 1
                # Every other time it comes back with its cursor, else with none.
                cursor, state = (device.cursor, device.state) if cursor is None else (None, None)
        return agreed

    writers = [asyncio.create_task(write(instance.url, words)) for instance, words in zip(pair, "ab", strict=True)]
    agreed = await asyncio.gather(*[join(start) for start in range(4)])
    done.set()
    assert min(await asyncio.gather(*writers)) > 10
    assert sum(agreed) == joins


async def test_one_cursor_goes_on_over_every_transport(pair: Pair, pair_url: str) -> None:
    """Leave on a socket, come back by SSE, by long-poll, by REST and by a socket again, each at another instance."""
    login = await sign_in(pair[0].url)
    async with await connect(pair[0].url, login.token) as device:
        for n in range(5):
            await device.mutate("preferences.set", {"values": VALUES[n]})
        cursor, state = device.cursor, device.state
        for n in range(5):
            await device.mutate("profile.update", {"bio": f"while away {n}"})
        missed = device.entries[5:]
        end = device.cursor

    polled = await call(pair[1].url, "GET", f"/api/events?cursor={cursor}&wait_s=5", token=login.token)
    assert polled.json == {"entries": missed, "cursor": end}

    streamed = await _events(pair[1].url, login.token, cursor, 5)
    assert [json.loads(data) for _, data in streamed] == missed
    assert [event_id for event_id, _ in streamed][-1] == end
    assert await _events(pair[0].url, login.token, streamed[1][0], 3) == streamed[2:]

    for entry in missed:
        for item in entry["items"]:
            if "patch" in item:
                state = merge(state, item["patch"])
    snapshot = (await call(pair[1].url, "GET", "/api/snapshot", token=login.token)).json
    assert snapshot == {"state": state, "cursor": end}

    async with await connect(pair[1].url, login.token, cursor) as again:
        await again.reach(end)
        assert again.welcome["resumed"]
        assert again.entries == missed
    quiet = await call(pair[0].url, "GET", f"/api/events?cursor={end}&wait_s=0", token=login.token)
    assert quiet.status == 204


async def _events(base: str, token: str, cursor: str, count: int) -> list[tuple[str, str]]:
    """Read so many entries as Server-Sent Events: ``(id, data)``."""
    import aiohttp

    found: list[tuple[str, str]] = []
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {token}", "Last-Event-ID": cursor}
    async with (
        asyncio.timeout(60),
        aiohttp.ClientSession() as session,
        session.get(f"{base}/api/events", headers=headers) as response,
    ):
        event: dict[str, str] = {}
        async for raw in response.content:
            line = raw.decode().rstrip("\n")
            if line:
                name, _, value = line.partition(": ")
                event[name] = value
            else:
                if event.get("event") == "entry":
                    found.append((event["id"], event["data"]))
                if len(found) == count:
                    return found
                event = {}
    raise AssertionError("the stream ended")


async def test_a_resume_and_what_comes_meanwhile_are_one_stream(pair: Pair, pair_url: str) -> None:
    """A socket asks for all that was, while its user writes: taken from that place on, nothing is missing."""
    guest = issue_guests(pair[0], 1)[0]
    old = 1500
    await _fill(pair_url, guest, old)
    async with gathered([Roamer(guest, [pair[0].url])]) as (writer,), await connect(pair[1].url, guest.token) as device:
        stop = asyncio.Event()

        async def write() -> None:
            n = 0
            while not stop.is_set():
                n += 1
                await writer.verdict(writer.ask("preferences.set", {"values": VALUES[n % len(VALUES)]}))

        writing = asyncio.create_task(write())
        device.took = lambda message: None  # type: ignore[method-assign]  # this one keeps its own account
        for _ in range(3):
            target = writer.user_seq + 30  # as many as a socket may send in a burst, all in all
            position = seq = 0
            device.send({"type": "resume", "cursor": f"{device.epoch}.0.0"})
            while seq < target:
                message = await device.receive()
                seq = message.get("seq", 0)
                # A client takes what joins on, and drops the rest.
                position += seq == position + 1
            assert position == seq
        stop.set()
        await writing


@pytest.mark.parametrize("transport", ["socket", "long-poll"])
async def test_a_replay_larger_than_a_mailbox_comes_whole(pair: Pair, pair_url: str, transport: str) -> None:
    """It is written a piece at a time; a long-poll gives what fits and a cursor to go on with."""
    guest = issue_guests(pair[0], 1)[0]
    start = (await call(pair[0].url, "GET", "/api/snapshot", token=guest.token)).json["cursor"]
    count = 1500
    await _fill(pair_url, guest, count)
    if transport == "socket":
        async with await connect(pair[1].url, guest.token, start) as device:
            epoch = device.epoch
            await device.reach(f"{epoch}.{count}.0")
            assert [entry["seq"] for entry in device.entries] == list(range(1, count + 1))
        return
    seqs: list[int] = []
    cursor = start
    while len(seqs) < count:
        answer = await call(pair[1].url, "GET", f"/api/events?cursor={cursor}&wait_s=5", token=guest.token)
        assert answer.status == 200
        assert len(answer.body) < 2 << 20
        seqs += [entry["seq"] for entry in answer.json["entries"]]
        cursor = answer.json["cursor"]
    assert seqs == list(range(1, count + 1))


async def _fill(database_url: str, guest: Guest, count: int) -> None:
    """Put entries of 3 KiB into a stream, as if they had been committed while nobody looked."""
    with contextlib.closing(psycopg2.connect(database_url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO entries (user_id, seq, frame, at) SELECT %(user)s, n, "
            'format(\'{"type":"entry","stream":"user","seq":%%s,"at":"2026-01-01T00:00:00.000Z",'
            '"items":[{"kind":"filled","data":"%%s"}]}\', n, repeat(\'x\', 3000)), now() '
            "FROM generate_series(1, %(count)s) n",
            {"user": guest.user_id, "count": count},
        )
        cursor.execute("UPDATE streams SET seq = %s WHERE user_id = %s", (count, guest.user_id))
