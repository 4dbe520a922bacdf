"""One stream and one cursor through all the doors: socket, events, long-poll and REST."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.support.event_source import listen
from tests.support.instances import Instance, running_instances
from tests.support.raw_socket import open_connection, read_head
from tests.support.rows import run_sql
from tests.support.stream_calls import at, bye, head_of, poll, write
from tests.support.wire_client import call, connect, merge, metric, sign_in

Pair = tuple[Instance, Instance]


async def test_one_cursor_goes_through_all_the_doors(pair: Pair) -> None:
    """Socket, events, long-poll, REST, socket again, on changing instances, while others write: nothing is lost."""
    a, b = pair
    login = await sign_in(a.url)
    device = await connect(a.url, login.token)
    state, seen = device.state, []

    def apply(entries: list[dict[str, Any]]) -> None:
        nonlocal state
        for entry in entries:
            seen.append((entry["stream"], entry["seq"]))
            for item in entry["items"]:
                state = merge(state, item.get("patch", {}))

    await write(b, login, "socket 1", "socket 2")
    await device.reach(at(device.cursor, 2))
    apply(device.entries)
    cursor = device.cursor
    device.cut()

    head = await write(a, login, "events 1", "events 2")
    async with await listen(b.url, login.token, last_event_id=cursor) as source:
        await source.next()
        while source.last_id != head:
            apply([(await source.next()).data])
        head = await write(b, login, "events 3")
        apply([(await source.next()).data])
        cursor = source.last_id

    head = await write(b, login, "poll 1", "poll 2")
    while cursor != head:
        answer = (await poll(a, login, cursor, wait_s=10)).json
        apply(answer["entries"])
        cursor = answer["cursor"]

    head = await write(a, login, "rest 1")
    assert head == at(head, 8)
    async with await connect(b.url, login.token, cursor, state=state) as device:
        assert device.welcome["resumed"] is True
        state = await device.reach(head)
        seen += [(entry["stream"], entry["seq"]) for entry in device.entries]
    assert [seq for stream, seq in seen if stream == "user"] == list(range(1, 9))
    assert state == (await call(a.url, "GET", "/api/snapshot", token=login.token)).json["state"]


async def test_a_leaving_instance_ends_streams_and_polls(migrated_url: str, redis_url: str) -> None:
    """Each with what it takes to go on elsewhere, and the process with 0."""
    with running_instances(migrated_url, redis_url, 1) as (instance,):
        login = await sign_in(instance.url)
        cursor = await head_of(instance, login)
        sources = [await listen(instance.url, login.token) for _ in range(3)]
        for source in sources:
            assert (await source.next()).kind == "welcome"
        reader, writer = await open_connection(instance.url, None)
        request = f"GET /api/events?cursor={cursor}&wait_s=60 HTTP/1.1\r\nHost: x\r\n"
        writer.write(f"{request}Authorization: Bearer {login.token}\r\n\r\n".encode())
        while await metric(instance.url, "idling_recipients ") < 4:
            pass
        ended = asyncio.create_task(asyncio.to_thread(instance.terminate))
        for source in sources:
            said = await bye(source)
            assert (said["code"], said["reason"]) == (4200, "draining")
            assert said["retry_ms"] == source.retry_ms
        assert (await read_head(reader))[0] == 204
        writer.close()
        assert await ended == 0


async def test_entries_are_the_same_bytes_through_every_door(pair: Pair) -> None:
    """What was stored is what is sent: a socket, an event and a poll hold one and the same JSON."""
    login = await sign_in(pair[0].url)
    start = await head_of(pair[0], login)
    async with await connect(pair[0].url, login.token) as device, await listen(pair[1].url, login.token) as source:
        await source.next()
        head = await write(pair[0], login, "été ☕")
        await device.reach(head)
        event = await source.next()
        polled = (await poll(pair[1], login, start)).json["entries"]
        stored = run_sql(
            pair[0].settings["DATABASE_URL"], "SELECT frame FROM entries WHERE user_id = %s", login.user_id
        )
        assert device.entries == [event.data] == polled == [json.loads(stored[0][0])]
