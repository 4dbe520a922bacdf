"""Limits of a socket: too fast, too many, too slow, too silent. Each ends that one, and nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.support.bystander import Bystander
from tests.support.instances import Instance, give_own_epoch, running_instances
from tests.support.raw_socket import CONTINUATION, PING, TEXT, frame_bytes
from tests.support.rows import add_announcements, add_entries, locked, run_sql
from tests.support.servers import PostgresServer, RedisServer
from tests.support.shapes import is_error
from tests.support.wire_client import ClosedError, Device, Login, connect, metric, sign_in, upgrade

Pair = tuple[Instance, Instance]

HEARTBEAT = frame_bytes(TEXT, b'{"type":"heartbeat"}')
PER_USER = 3


@pytest.fixture(scope="module")
def tight(postgres: PostgresServer, migrated_template: str, redis_server: RedisServer) -> Iterator[Instance]:
    """An instance with small limits and quick heartbeats, over a database of its own."""
    url = postgres.create_database(migrated_template)
    give_own_epoch(url)
    with running_instances(
        url,
        redis_server.url,
        1,
        HEARTBEAT_S=0.5,
        MAX_CONNECTIONS_PER_USER=PER_USER,
        MAILBOX_BYTES=65536,
        MESSAGES_PER_S=2000,
        PENDING_MUTATIONS=8,
    ) as (instance,):
        yield instance
    postgres.drop_database(url)


@pytest_asyncio.fixture
async def guest(tight: Instance) -> Login:
    """A guest of the tight instance."""
    return await sign_in(tight.url)


@contextlib.asynccontextmanager
async def speaking(device: Device) -> AsyncIterator[None]:
    """Let a device say something now and then for the length of the block: who is silent for 11 s is closed."""

    async def speak() -> None:
        while True:
            device.send({"type": "heartbeat"})
            await asyncio.sleep(2)

    task = asyncio.create_task(speak())
    try:
        yield
    finally:
        task.cancel()


# -- too fast ------------------------------------------------------------------------

# What floods, and whether a stock socket can see it.
FLOODS: dict[str, tuple[bytes, bool]] = {
    "messages": (HEARTBEAT, True),
    "messages of nonsense": (frame_bytes(TEXT, b"{"), True),
    "messages joined in few frames": (frame_bytes(TEXT, b"\n".join([b'{"type":"heartbeat"}'] * 1000)), True),
    "pings": (frame_bytes(PING, b"flood"), False),
    "empty fragments": (frame_bytes(CONTINUATION, b"", fin=False), False),
    "empty messages": (frame_bytes(TEXT, b""), True),
}


@pytest.mark.parametrize("what", FLOODS)
async def test_a_flood_is_closed_with_4101(pair: Pair, stock: Instance, bystander: Bystander, what: str) -> None:
    """Whatever it is made of; also before hello."""
    data, stock_sees = FLOODS[what]
    start = frame_bytes(TEXT, b'{"type":', fin=False) if "fragments" in what else b""
    login = await sign_in(pair[0].url)
    for base in (pair[0].url, stock.url) if stock_sees else (pair[0].url,):
        async with bystander.undisturbed():
            device = await connect(base, login.token)
            device.send_bytes(start + data * 400)
            assert (await device.expect_close()).code == 4101
            stranger = await upgrade(base)
            stranger.send_bytes(start + data * 400)
            assert (await stranger.expect_close()).code == 4101


async def test_a_burst_is_allowed_and_what_exceeds_it_is_refused(pair: Pair) -> None:
    """60 at once pass; those beyond are answered ``rate_limited`` with their ``mid``, and the socket stays."""
    login = await sign_in(pair[0].url)
    began = asyncio.get_running_loop().time()
    async with await connect(pair[0].url, login.token) as device:
        asked = [{"type": "mutate", "mid": f"m{n}", "name": "nothing", "args": {}} for n in range(70)]
        device.send_bytes(b"".join([frame_bytes(TEXT, json.dumps(one).encode()) for one in asked]))
        answers = [await device.receive() for _ in asked]
        assert [answer["mid"] for answer in answers] == [one["mid"] for one in asked]
        # Twenty more are allowed with every second, and hello was a message too.
        most_granted = 20 * (asyncio.get_running_loop().time() - began)
        late = [answer for answer in answers if answer["type"] == "error"]
        assert 11 - most_granted - 1 <= len(late) <= 11
        assert {answer["type"] for answer in answers[:59]} == {"verdict"}
        for answer in late:
            assert is_error(answer["error"], "rate_limited")
            assert answer["error"]["retryable"] is True
            assert 0 < answer["error"]["retry_after_ms"] <= 4000


async def test_more_mutations_in_flight_than_allowed_are_not_consumed(tight: Instance, guest: Login) -> None:
    """The one too many gets ``too_many_pending``; sent again later it takes effect."""
    async with await connect(tight.url, guest.token) as device:
        mids = [device.ask("profile.update", {"bio": f"bio {n}"}, mid=f"m{n}") for n in range(8)]
        assert device.welcome["limits"]["pending_mutations"] == 8
        # In one write, so that they come before any of them can be over.
        asked = [
            {"type": "mutate", "mid": f"p{n}", "name": "profile.update", "args": {"bio": f"{n}"}} for n in range(9)
        ]
        for mid in mids:
            await device.verdict(mid)
        device.send_bytes(b"".join([frame_bytes(TEXT, json.dumps(one).encode()) for one in asked]))
        refused = await device.verdict("p8")
        assert is_error(refused["error"], "too_many_pending")
        assert refused["error"]["retryable"] is True
        for n in range(8):
            assert (await device.verdict(f"p{n}"))["status"] == "confirmed"
        assert (await device.mutate("profile.update", {"bio": "8"}, mid="p8"))["status"] == "confirmed"


# -- too many ------------------------------------------------------------------------


async def test_one_connection_too_many_is_closed_with_4005(tight: Instance, guest: Login) -> None:
    """The others stay; once one has left there is room again. Somebody else is not concerned."""
    async with contextlib.AsyncExitStack() as stack:
        devices = [await stack.enter_async_context(await connect(tight.url, guest.token)) for _ in range(PER_USER)]
        with pytest.raises(ClosedError) as closed:
            await connect(tight.url, guest.token)
        assert closed.value.code == 4005
        other = await sign_in(tight.url)
        await stack.enter_async_context(await connect(tight.url, other.token))
        await devices[0].close()
        await stack.enter_async_context(await connect(tight.url, guest.token))
        assert (await devices[1].mutate("profile.update", {"bio": "here"}))["status"] == "confirmed"


# -- too slow ------------------------------------------------------------------------


async def test_a_device_that_does_not_read_is_closed_with_4201(tight: Instance, guest: Login) -> None:
    """The others of the same user hear everything meanwhile; it resumes and has missed nothing."""
    async with await connect(tight.url, guest.token) as writer:
        slow = await connect(tight.url, guest.token, rcvbuf=4096)
        slow.pause()
        before = await metric(tight.url, 'idling_socket_closes_total{code="4201"}')
        sent = 0
        while await metric(tight.url, 'idling_socket_closes_total{code="4201"}') == before:
            for mid in [writer.ask("profile.update", {"bio": f"{sent + n:04}" * 120}) for n in range(8)]:
                await writer.verdict(mid)
            sent += 8
            slow.send({"type": "heartbeat"})  # it says something, it only does not read
            assert sent < 4000, "the slow device was never closed"
        slow.unpause()
        bye = await slow.expect("bye")
        assert (bye["code"], bye["reason"]) == (4201, "slow_consumer")
        assert (await slow.expect_close()).code == 4201
        async with await connect(tight.url, guest.token, slow.cursor, state=slow.state) as back:
            assert back.welcome["resumed"] is True
            assert await back.reach(writer.cursor) == writer.state
            assert slow.entries + back.entries == writer.entries


# -- too silent ----------------------------------------------------------------------


async def _beating(device: Device, until: asyncio.Task[ClosedError]) -> int:
    """Answer each heartbeat with one until that task is over; return how many there were."""
    beats = 0
    while not until.done():
        await device.expect("heartbeat")
        device.send({"type": "heartbeat", "activity": "active"})
        beats += 1
    return beats


async def test_silence_ends_a_socket(tight: Instance, stock: Instance, guest: Login) -> None:
    """Without hello with 4102 after 10 s, whatever else is said; after it with 4202. Heartbeats keep it."""
    silent, chatty, stock_silent = await upgrade(tight.url), await upgrade(tight.url), await upgrade(stock.url)
    for _ in range(20):
        chatty.send({"type": "heartbeat"})
    mute, alive = await connect(tight.url, guest.token), await connect(tight.url, guest.token)
    muted = asyncio.create_task(mute.expect_close())
    beats = await _beating(alive, muted)
    assert (await muted).code == 4202
    assert beats > 2
    for socket in (silent, chatty, stock_silent):
        bye = await socket.expect("bye")
        assert (bye["code"], bye["reason"]) == (4102, "no_hello")
        assert (await socket.expect_close()).code == 4102
    async with alive:
        assert (await alive.mutate("profile.update", {"bio": "alive"}))["status"] == "confirmed"


# -- heartbeats ----------------------------------------------------------------------


async def test_a_heartbeat_knows_the_head_that_the_database_has(tight: Instance, guest: Login) -> None:
    """Nobody told this instance of these entries; its next heartbeat does, and brings them."""
    url = tight.settings["DATABASE_URL"]
    async with await connect(tight.url, guest.token) as device:
        add_entries(url, guest.user_id, 3)
        add_announcements(url, 2)
        await device.reach(f"{device.epoch}.{device.user_seq + 3}.{device.all_seq + 2}")
        beat = await device.expect("heartbeat")
        assert beat == {"type": "heartbeat", "cursor": device.cursor, "time": beat["time"]}


async def test_sockets_stay_while_the_database_does_not_answer(tight: Instance, guest: Login) -> None:
    """Their heartbeats say that they come from memory, mutations are not possible, and who comes is sent off."""
    url = tight.settings["DATABASE_URL"]
    async with await connect(tight.url, guest.token) as device, speaking(device):
        with locked(url, "streams"):
            assert (await device.expect("heartbeat", stale=True))["cursor"] == device.cursor
            answer = await device.verdict(device.ask("profile.update", {"bio": "not now"}, mid="m1"))
            assert is_error(answer["error"], "unavailable")
            assert answer["error"]["retryable"] is True
            # What cannot be read again now is no reason to hear nothing from then on.
            device.send({"type": "resume", "cursor": device.cursor})
            assert is_error((await device.expect("error"))["error"], "unavailable")
            newcomer = await upgrade(tight.url)
            newcomer.send({"type": "hello", "client": {}, "token": guest.token})
            bye = await newcomer.expect("bye")
            assert (bye["code"], bye["reason"]) == (4100, "overloaded")
            assert 1000 <= bye["retry_ms"] <= 60_000
            assert (await newcomer.expect_close()).code == 4100
        assert (await device.verdict(device.ask("profile.update", {"bio": "not now"}, mid="m1")))[
            "status"
        ] == "confirmed"


async def test_a_defect_is_internal_and_shows_nothing(tight: Instance, guest: Login) -> None:
    """4103 for who comes, ``internal`` for a mutation, which consumed nothing; the log has the rest."""
    url = tight.settings["DATABASE_URL"]
    async with await connect(tight.url, guest.token) as device:
        run_sql(url, "ALTER TABLE user_preferences RENAME TO user_preferences_away")
        try:
            newcomer = await upgrade(tight.url)
            newcomer.send({"type": "hello", "client": {}, "token": guest.token})
            assert (await newcomer.expect_close()).code == 4103
            answer = await device.mutate("preferences.set", {"values": {"theme": "dark"}}, mid="m1")
            assert is_error(answer["error"], "internal")
        finally:
            run_sql(url, "ALTER TABLE user_preferences_away RENAME TO user_preferences")
        assert (await device.mutate("preferences.set", {"values": {"theme": "dark"}}, mid="m1"))["seq"] == 1
        assert tight.logged("user_preferences")


# -- leaving -------------------------------------------------------------------------


async def test_a_leaving_instance_sends_everybody_elsewhere(migrated_url: str, redis_url: str) -> None:
    """SIGTERM: the mutation in flight is settled, all get bye and 4200, spread over a while; exit 0."""
    with running_instances(migrated_url, redis_url, 1) as (instance,):
        login = await sign_in(instance.url)
        devices = [await connect(instance.url, login.token) for _ in range(10)]
        silent = await upgrade(instance.url)
        devices[0].ask("profile.update", {"bio": "in flight"}, mid="m1")
        await devices[1].expect("entry")
        ended = asyncio.create_task(asyncio.to_thread(instance.terminate))
        waits = set()
        for device in devices:
            bye = await device.expect("bye")
            assert (bye["code"], bye["reason"]) == (4200, "draining")
            assert 0 <= bye["retry_ms"] <= 3000
            waits.add(bye["retry_ms"])
            assert (await device.expect_close()).code == 4200
            assert device.entries[-1]["items"][-1]["mid"] == "m1"
        assert (await silent.expect_close()).code == 4200
        assert len(waits) > 1
        assert await ended == 0
    rows = run_sql(migrated_url, "SELECT bio FROM users WHERE id = %s", login.user_id)
    assert rows == [("in flight",)]


async def test_the_lobby_is_told_to_who_subscribed(pair: Pair) -> None:
    """Notices have no ``seq``, say who is there, came and left, and end with ``unsubscribe`` or with ``bye``."""
    watcher_login, idler_login = await sign_in(pair[0].url), await sign_in(pair[1].url)
    async with await connect(pair[0].url, watcher_login.token) as watcher:
        idler = await connect(pair[1].url, idler_login.token)
        watcher.send({"type": "subscribe", "topic": "lobby"})
        assert (await watcher.expect("subscribed"))["topic"] == "lobby"
        first = await watcher.expect("notice", topic="lobby")
        assert first["data"].keys() == {"count", "members", "joined", "left"}
        assert "seq" not in first
        verdict = await idler.mutate("session.start", {"activity": "watching clouds"})
        member = {
            "user": {"id": idler_login.user_id, "name": idler_login.name}, "session": verdict["result"]["session"]
        }  # fmt: skip
        # What the room looks like and who came may be told one after the other: they come by different ways.
        came = await watcher.expect("notice", topic="lobby")
        joined = came["data"]["joined"]
        while member not in came["data"]["members"] or member not in joined:
            came = await watcher.expect("notice", topic="lobby")
            joined += came["data"]["joined"]
        idler.send({"type": "bye"})
        assert (await idler.expect_close()).code == 1000
        gone = await watcher.expect("notice", topic="lobby")
        left = set(gone["data"]["left"])
        while idler_login.user_id not in left or member in gone["data"]["members"]:
            gone = await watcher.expect("notice", topic="lobby")
            left.update(gone["data"]["left"])
        watcher.send({"type": "unsubscribe", "topic": "lobby"})
        assert (await watcher.expect("unsubscribed"))["topic"] == "lobby"
