"""The stream as server-sent events."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.bystander import Bystander
from tests.support.event_source import EventSource, listen
from tests.support.instances import Instance, running_instances
from tests.support.minting import mint
from tests.support.rows import add_announcements, add_entries, run_sql
from tests.support.shapes import is_problem
from tests.support.stream_calls import at, bye, head_of, poll, write
from tests.support.wire_client import Login, RefusedError, call, connect, metric, sign_in

Pair = tuple[Instance, Instance]


MAX_CONNECTIONS = 20


async def test_the_first_event_is_the_welcome(pair: Pair) -> None:
    """Fresh: with state and an id. Resumed: with neither, so that a lost line comes back to where it was."""
    login = await sign_in(pair[0].url)
    async with await listen(pair[0].url, login.token) as source:
        fresh = await source.next()
        snapshot = (await call(pair[0].url, "GET", "/api/snapshot", token=login.token)).json
        assert fresh.kind == "welcome"
        assert fresh.data.keys() == {
            "type", "instance", "user", "cursor", "resumed", "reason", "state", "server_time"
        }  # fmt: skip
        assert (fresh.data["resumed"], fresh.data["reason"]) == (False, "new")
        assert fresh.data["user"] == {"id": login.user_id, "name": login.name, "roles": ["guest"]}
        assert {"state": fresh.data["state"], "cursor": fresh.data["cursor"]} == snapshot
        assert fresh.id == snapshot["cursor"]
    head = await write(pair[0], login, "one", "two")
    async with await listen(pair[1].url, login.token, at(head, 1)) as source:
        resumed = await source.next()
        assert resumed.data.keys() == {"type", "instance", "user", "cursor", "resumed", "server_time"}
        assert (resumed.data["resumed"], resumed.data["cursor"], resumed.id) == (True, head, "")
        assert (await source.next()).id == head


async def test_the_id_of_an_event_is_the_cursor_behind_it(pair: Pair, pair_url: str) -> None:
    """For both streams, missed or live: whatever comes later lies behind it, and nothing lies before it."""
    login = await sign_in(pair[0].url)
    start = await head_of(pair[0], login)
    add_entries(pair_url, login.user_id, 5)
    add_announcements(pair_url, 3)
    async with await listen(pair[0].url, login.token, start) as source:
        assert (await source.next()).kind == "welcome"
        user_seq, all_seq = (int(part) for part in start.split(".")[1:])
        live = [asyncio.create_task(write(pair[n % 2], login, f"live {n}")) for n in range(5)]
        await asyncio.gather(*live)
        head = await head_of(pair[0], login)
        while source.last_id != head:
            event = await source.next()
            assert event.kind == "entry"
            assert event.data["type"] == "entry"
            if event.data["stream"] == "user":
                user_seq += 1
                assert event.data["seq"] == user_seq
            else:
                all_seq += 1
                assert event.data["seq"] == all_seq
            assert event.id == f"{start.split('.')[0]}.{user_seq}.{all_seq}"
        assert user_seq >= 10


async def test_last_event_id_wins_over_the_cursor(pair: Pair) -> None:
    """A browser sends it by itself when it comes back; the cursor in its URL is from long ago."""
    login = await sign_in(pair[0].url)
    head = await write(pair[0], login, "one", "two", "three")
    async with await listen(pair[0].url, login.token, at(head, 0), last_event_id=at(head, 2)) as source:
        assert (await source.next()).data["resumed"] is True
        event = await source.next()
        assert (event.data["seq"], event.id) == (3, head)


@pytest.mark.parametrize(
    ("cursor", "reason"),
    [("x", "bad_cursor"), ("{epoch}.9999.0", "bad_cursor"), ("{epoch}.0", "bad_cursor"),
     ("foreign.0.0", "epoch_changed"), ("\xff.0.0", "bad_cursor")],
)  # fmt: skip
async def test_a_void_cursor_is_answered_inside_the_stream(
    pair: Pair, bystander: Bystander, cursor: str, reason: str
) -> None:
    """A browser's EventSource gives up for good on anything but 200."""
    login = await sign_in(pair[0].url)
    head = await head_of(pair[0], login)
    cursor = cursor.replace("{epoch}", head.split(".")[0])
    async with (
        bystander.undisturbed(),
        await listen(pair[0].url, login.token, last_event_id=cursor) as source,
    ):
        welcome = await source.next()
        assert (welcome.data["resumed"], welcome.data["reason"], welcome.id) == (False, reason, head)
        assert welcome.data["state"]["profile"]["id"] == login.user_id


async def test_a_cookie_may_listen(pair: Pair) -> None:
    """As an EventSource does, which can send no header: reading needs no origin."""
    login = await sign_in(pair[0].url)
    async with await listen(pair[0].url, None, headers={"Cookie": login.cookie}) as source:
        assert (await source.next()).data["user"]["id"] == login.user_id


async def test_a_stream_ends_with_its_token_and_with_its_login(pair: Pair) -> None:
    """With the code a socket would be closed with."""
    login = await sign_in(pair[0].url)
    short = await mint(pair[0], login, ttl_s=5)
    async with await listen(pair[0].url, short) as expiring, await listen(pair[0].url, login.token) as source:
        assert await bye(expiring) == {"type": "bye", "code": 4203, "reason": "token_expired", "retry_ms": 0}
        waiting = asyncio.create_task(poll(pair[0], login, await head_of(pair[0], login), wait_s=60))
        while (await poll(pair[0], login, await head_of(pair[0], login))).status != 204:
            pass
        assert (await call(pair[0].url, "POST", "/auth/logout", token=login.token)).status < 300
        assert (await bye(source))["code"] == 4004
        assert (await waiting).status in {204, 401}
        is_problem(await call(pair[0].url, "GET", "/api/events", token=login.token), 401, "unauthenticated")


async def test_streams_and_polls_count_as_connections(pair: Pair) -> None:
    """One too many is refused; those that hung up make room at once, however they did."""
    login = await sign_in(pair[0].url)
    sources = [await listen(pair[0].url, login.token) for _ in range(MAX_CONNECTIONS - 1)]
    async with await connect(pair[0].url, login.token) as device:
        refused = await call(
            pair[0].url, "GET", "/api/events", token=login.token, headers={"Accept": "text/event-stream"}
        )
        assert is_problem(refused, 429, "rate_limited")["retryable"] is True
        assert int(refused.headers["Retry-After"]) >= 1
        is_problem(await poll(pair[0], login, device.cursor), 429, "rate_limited")
        for source in sources:
            source.cut()
        again = [await open_again(pair[0], login) for _ in range(MAX_CONNECTIONS - 1)]
        for source in again:
            source.cut()


async def open_again(instance: Instance, login: Login) -> EventSource:
    """Listen as soon as there is room: the server may hear of a hang-up a moment later."""
    while True:
        try:
            return await listen(instance.url, login.token)
        except RefusedError as refused:
            if refused.status != 429:
                raise


@pytest.mark.timeout(300)  # of real time: fifteen seconds until the first comment
async def test_silence_is_filled_with_comments_and_a_slow_reader_is_ended(migrated_url: str, redis_url: str) -> None:
    """A comment after 15 s, so that nobody on the way hangs up; who reads nothing loses the line, and no entry."""
    with running_instances(migrated_url, redis_url, 1) as (instance,):
        quiet, busy = await sign_in(instance.url), await sign_in(instance.url)
        head = await head_of(instance, busy)
        add_entries(migrated_url, busy.user_id, 10_000)
        longer = "UPDATE entries SET frame = replace(frame, 'nothing', repeat('x', 1000)) WHERE user_id = %s"
        run_sql(migrated_url, longer, busy.user_id)
        async with (
            await listen(instance.url, quiet.token) as source,
            await listen(instance.url, busy.token, head, rcvbuf=4096) as slow,
        ):
            assert (await source.next()).kind == (await slow.next()).kind == "welcome"
            seen = [(await slow.next()).data["seq"] for _ in range(10)]
            slow.pause()
            reading = asyncio.create_task(source.next(timeout_s=200))
            while not source.comments or await metric(instance.url, "idling_recipients ") > 1:
                await asyncio.sleep(0.1)
            reading.cancel()
            assert source.comments[0] == "still here"
            slow.unpause()
            seen += await read_all(slow)
            assert seen == list(range(1, len(seen) + 1))
            assert len(seen) < 10_000
            async with await listen(instance.url, busy.token, last_event_id=slow.last_id) as back:
                assert (await back.next()).data["resumed"] is True
                while seen[-1] < 10_000:
                    seen.append((await back.next()).data["seq"])
            assert seen == list(range(1, 10_001))


async def read_all(source: EventSource) -> list[int]:
    """Return the numbers of all entries that come before the line breaks."""
    seen: list[int] = []
    while True:
        try:
            event = await source.next()
        except (EOFError, asyncio.IncompleteReadError, ConnectionError):
            return seen
        if event.kind == "entry":
            seen.append(event.data["seq"])
