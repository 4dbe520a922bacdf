"""The whole client over real sockets of loopback, against a small server in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from idling_ws.client import ClosedError, GivenUpError, Hooks, IdlingClient, RefusedError, RestCalls
from idling_ws.client.outbox import Mutation
from idling_ws.client.reconnecting import Ending, Reconnect
from idling_ws.client.shapes import JsonObject, Welcome
from tests.support.memory_server import MemoryServer

TRANSPORTS = ("ws", "sse", "poll")
PATIENCE_S = 60.0


class Log(Hooks):
    """Keeps what happened, in order."""

    def __init__(self) -> None:
        self.transports: list[str] = []
        self.welcomes: list[Welcome] = []
        self.endings: list[Ending] = []
        self.sendings: list[str] = []
        self.errors: list[JsonObject] = []
        self.notices: list[str] = []

    def welcomed(self, transport: str, welcome: Welcome) -> None:
        self.transports.append(transport)
        self.welcomes.append(welcome)

    def ended(self, _transport: str, ending: Ending) -> None:
        self.endings.append(ending)

    def sent(self, mutation: Mutation, _transport: str) -> None:
        self.sendings.append(mutation.mid)

    def error(self, error: JsonObject, _mid: str | None) -> None:
        self.errors.append(error)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[MemoryServer]:
    """A server in memory; a test opens its doors."""
    made = MemoryServer()
    yield made
    await made.close()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconnect at once: the delays have tests of their own, without a clock."""
    real = Reconnect.delay_s

    def at_once(self: Reconnect, ending: Ending) -> float | None:
        return None if real(self, ending) is None else 0.0

    monkeypatch.setattr(Reconnect, "delay_s", at_once)


async def patiently(client: IdlingClient, name: str, args: JsonObject, **more: Any) -> Any:
    """Mutate, but do not wait for ever."""
    async with asyncio.timeout(PATIENCE_S):
        return await client.mutate(name, args, **more)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_mutation_travels_and_settles_on_every_transport(server: MemoryServer, transport: str) -> None:
    """Confirmed with its effects, rolled back with its reason, and seen on the other device."""
    (url,) = await server.start()
    _, token = server.new_user()
    async with (
        IdlingClient(url, token=token, transports=(transport,)) as one,
        IdlingClient(url, token=token) as other,
    ):
        verdict = await patiently(one, "session.start", {"activity": "tea"})
        assert verdict.confirmed
        assert one.state["session"]["activity"] == "tea"
        refused = await patiently(one, "session.start", {"activity": "coffee"})
        assert (refused.status, refused.code) == ("rolled_back", "session_already_active")
        await other.reach(str(one.cursor), timeout_s=PATIENCE_S)
        assert other.state == one.state
        assert one.cursor == "memory01.2.0"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_an_unavailable_server_is_asked_again_with_the_same_mid(server: MemoryServer, transport: str) -> None:
    """Not consumed means: nothing happened, and it happens once in the end."""
    (url,) = await server.start()
    user, token = server.new_user()
    server.switches.unavailable = 2
    log = Log()
    async with IdlingClient(url, token=token, transports=(transport,), hooks=log) as client:
        verdict = await patiently(client, "preferences.set", {"values": {"theme": "dark"}}, mid="m1")
        assert verdict.confirmed
    assert log.sendings == ["m1"] * 3
    assert len(server.users[user].entries) == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_cut_behind_a_commit_does_not_do_it_twice(server: MemoryServer, transport: str) -> None:
    """In doubt, then told by the entry or by the stored verdict."""
    (url,) = await server.start()
    user, token = server.new_user()
    server.switches.cut_after_commit = 1
    async with IdlingClient(url, token=token, transports=(transport,)) as client:
        verdict = await patiently(client, "preferences.set", {"values": {"theme": "dark"}})
        assert verdict.confirmed
        assert client.state["preferences"] == {"theme": "dark", "version": 2}
    assert len(server.users[user].entries) == 1


@pytest.mark.parametrize("transport", ["ws", "sse"])
async def test_lost_and_repeated_entries_do_no_harm(server: MemoryServer, transport: str) -> None:
    """The gap is resumed, the double is dropped."""
    (url,) = await server.start()
    user, token = server.new_user()
    server.switches.drop_seqs = {2, 5}
    server.switches.repeat_seqs = {3, 4}
    async with (
        IdlingClient(url, token=token, transports=("poll",)) as writer,
        IdlingClient(url, token=token, transports=(transport,)) as reader,
    ):
        for number in range(8):
            await patiently(writer, "profile.update", {"bio": f"{number}"})
        await reader.reach(str(writer.cursor), timeout_s=PATIENCE_S)
        assert reader.confirmed_state == server.users[user].state


async def test_a_cut_client_comes_back_to_the_next_instance_and_misses_nothing(
    server: MemoryServer,
) -> None:
    """The cursor continues elsewhere; what was queued meanwhile goes out."""
    urls = await server.start(2)
    user, token = server.new_user()
    log = Log()
    async with (
        IdlingClient(urls[0], token=token) as other,
        IdlingClient(urls, token=token, hooks=log) as client,
    ):
        client.cut()
        await client.until(lambda: len(log.endings) == 1, timeout_s=PATIENCE_S)
        await patiently(other, "session.start", {"activity": "tea"})
        queued = client.submit("profile.update", {"bio": "offline"})
        assert client.state["profile"]["bio"] == "offline"
        assert queued.status == "queued"
        client.plug_in()
        await client.until(lambda: queued.settled and client.live, timeout_s=PATIENCE_S)
        assert client.url == urls[1]
        assert client.confirmed_state == server.users[user].state
    assert [welcome.resumed for welcome in log.welcomes] == [False, True]
    assert log.endings[0].code == 1006


async def test_a_frozen_client_catches_up_when_it_thaws(server: MemoryServer) -> None:
    """Nothing was read meanwhile, and nothing is lost."""
    (url,) = await server.start()
    _, token = server.new_user()
    async with IdlingClient(url, token=token) as writer, IdlingClient(url, token=token) as sleeper:
        sleeper.freeze()
        for number in range(5):
            await patiently(writer, "profile.update", {"bio": f"{number}"})
        sleeper.thaw()
        await sleeper.reach(str(writer.cursor), timeout_s=PATIENCE_S)
        assert sleeper.state == writer.state


async def test_without_sockets_it_falls_back_step_by_step(server: MemoryServer) -> None:
    """A proxy that lets neither sockets nor streams through still leaves polling."""
    (url,) = await server.start()
    _, token = server.new_user()
    server.switches.refuse_sockets = 1000
    server.switches.refuse_streams = 1000
    log = Log()
    async with IdlingClient(url, token=token, hooks=log) as client:
        verdict = await patiently(client, "session.start", {"activity": "tea"})
        assert verdict.confirmed
    assert log.transports == ["poll"]


async def test_a_void_cursor_starts_afresh_and_says_so(server: MemoryServer) -> None:
    """No silent partial recovery."""
    (url,) = await server.start()
    user, token = server.new_user()
    server.switches.void_cursors = True
    log = Log()
    resume_from = ("memory01.7.0", {"stale": True})
    for transport in TRANSPORTS:
        async with IdlingClient(
            url, token=token, transports=(transport,), hooks=log, resume_from=resume_from
        ) as client:
            await client.until(lambda: "stale" not in client.state, timeout_s=PATIENCE_S)
            assert client.state == server.users[user].state
            server.switches.void_cursors = transport != "ws"


async def test_a_kept_cursor_is_resumed(server: MemoryServer) -> None:
    """Coming back after a reload with cursor and state costs no snapshot."""
    (url,) = await server.start()
    user, token = server.new_user()
    async with IdlingClient(url, token=token) as first:
        await patiently(first, "session.start", {"activity": "tea"})
        kept = (str(first.cursor), first.confirmed_state)
        await patiently(first, "profile.update", {"bio": "later"})
    log = Log()
    async with IdlingClient(url, token=token, hooks=log, resume_from=kept) as again:
        assert again.state == server.users[user].state
    assert [welcome.resumed for welcome in log.welcomes] == [True]


async def test_an_invalid_token_ends_the_attempts(server: MemoryServer) -> None:
    """4001 and 401 forbid coming back unchanged, and everybody who waits is told."""
    (url,) = await server.start()
    for transport in TRANSPORTS:
        with pytest.raises(GivenUpError):
            async with IdlingClient(url, token="nonsense", transports=(transport,)):
                pass


async def test_a_token_that_ran_out_is_fetched_anew(server: MemoryServer) -> None:
    """With a source of tokens, a refused one is replaced once."""
    (url,) = await server.start()
    _, good = server.new_user()
    tokens = iter(["stale", good])

    async def fetch() -> str:
        return next(tokens)

    server.switches.tokens["stale"] = server.switches.tokens[good]
    async with IdlingClient(url, token=fetch) as client:
        del server.switches.tokens["stale"]
        client.cut()
        client.plug_in()
        assert (await patiently(client, "session.start", {"activity": "tea"})).confirmed


async def test_the_token_can_travel_in_hello(server: MemoryServer) -> None:
    """For clients that cannot set headers."""
    (url,) = await server.start()
    _, token = server.new_user()
    async with IdlingClient(url, token=token, token_in_hello=True):
        assert server.hellos[0]["token"] == token


async def test_closing_tells_everybody_who_waits(server: MemoryServer) -> None:
    """No future hangs for ever."""
    (url,) = await server.start()
    _, token = server.new_user()
    async with IdlingClient(url, token=token) as client:
        client.cut()
        waiting = asyncio.create_task(client.mutate("session.start", {"activity": "tea"}))
        # One turn of the loop, in which the task comes to its wait.
        await asyncio.sleep(0)
    with pytest.raises(ClosedError):
        await waiting


async def test_many_mutations_need_no_tasks(server: MemoryServer) -> None:
    """Cheap enough for hundreds of clients: a pending mutation is no task."""
    (url,) = await server.start()
    _, token = server.new_user()
    async with IdlingClient(url, token=token) as client:
        before = len(asyncio.all_tasks())
        mutations = [client.submit("profile.update", {"bio": f"{n}"}) for n in range(200)]
        assert len(asyncio.all_tasks()) == before
        await client.until(lambda: all(mutation.settled for mutation in mutations), timeout_s=PATIENCE_S)
        assert client.state["profile"]["bio"] == "199"
        assert client.state["profile"]["version"] == 201


async def test_rest_calls_raise_what_the_server_refused(server: MemoryServer) -> None:
    """With the status and the stable code."""
    (url,) = await server.start()
    async with aiohttp.ClientSession() as http:
        with pytest.raises(RefusedError) as caught:
            await RestCalls(http, url, "nonsense").snapshot()
    assert (caught.value.status, caught.value.code) == (401, "unauthenticated")


async def test_a_repeat_over_another_transport_gets_the_same_verdict(server: MemoryServer) -> None:
    """Sent by socket, by stream and by REST: one effect, three equal verdicts."""
    (url,) = await server.start()
    user, token = server.new_user()
    async with (
        IdlingClient(url, token=token, transports=("ws",)) as socket,
        IdlingClient(url, token=token, transports=("sse",)) as stream,
    ):
        args = {"activity": "tea"}
        wire = {"mid": "m1", "name": "session.start", "args": args}
        verdicts = await asyncio.gather(
            patiently(socket, "session.start", args, mid="m1"),
            patiently(stream, "session.start", args, mid="m1"),
            socket.rest.mutations([wire]),
        )
    assert len(server.users[user].entries) == 1
    assert {verdicts[0].status, verdicts[1].status, verdicts[2][0]["status"]} == {"confirmed"}


async def test_a_token_that_was_renewed_on_the_socket_serves_beside_it(server: MemoryServer) -> None:
    """The first one runs out while the socket stays: what goes over REST then must not carry it."""
    (url,) = await server.start()
    user, token = server.new_user()
    tokens = iter([token, "renewed"])

    async def fetch() -> str:
        return next(tokens)

    server.switches.token_expires_in_s = 0.5
    async with IdlingClient(url, token=fetch, transports=("ws",)) as client:
        async with asyncio.timeout(PATIENCE_S):
            while {"type": "refresh", "token": "renewed"} not in server.frames:
                await server.seen.wait()
        server.switches.tokens = {"renewed": user}
        wire = {"mid": "m1", "name": "session.start", "args": {"activity": "tea"}}
        assert [verdict["status"] for verdict in await client.rest.mutations([wire])] == ["confirmed"]
