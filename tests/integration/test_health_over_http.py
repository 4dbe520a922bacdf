"""What does not work just now, told to who comes by long-poll or event stream: as a socket hears it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from idling_ws.client import Hooks, IdlingClient
from tests.support.event_source import listen
from tests.support.instances import Instance, running_instances
from tests.support.servers import RedisServer
from tests.support.stream_calls import head_of, poll
from tests.support.wire_client import Login, call, metric, sign_in

WAIT_S = 60.0
LACKS = "Idling-Lacks"


class Listening(Hooks):
    """Keeps what a client is told of health."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def notice(self, topic: str, data: dict[str, Any]) -> None:
        assert topic == "health"
        self.told.put_nowait(data)


async def until_it_lacks(instance: Instance, login: Login, cursor: str, lacks: str | None) -> None:
    """Poll until an answer says so."""
    async with asyncio.timeout(WAIT_S):
        while (await poll(instance, login, cursor, wait_s=0.2)).headers.get(LACKS) != lacks:
            pass


async def test_a_long_poll_says_what_does_not_work(migrated_url: str) -> None:
    """At once to who waits, in the head of the answer, which is else as it always is; and when it works again."""
    with RedisServer() as redis, running_instances(migrated_url, redis.url, 1) as (instance,):
        login = await sign_in(instance.url)
        cursor = await head_of(instance, login)
        await until_it_lacks(instance, login, cursor, None)
        waiting = asyncio.create_task(poll(instance, login, cursor, wait_s=WAIT_S))
        async with asyncio.timeout(WAIT_S):
            while await metric(instance.url, "idling_recipients") < 1:
                await asyncio.sleep(0.05)
        redis.stop()
        try:
            answer = await waiting
            assert (answer.status, answer.body, answer.headers.get(LACKS)) == (204, b"", "prompt")
            state = await call(instance.url, "GET", "/api/snapshot", token=login.token)
            assert state.headers.get(LACKS) == "prompt"
            assert LACKS not in (await call(instance.url, "GET", "/api/profile", token=login.token)).headers
            async with await listen(instance.url, login.token) as source:
                assert (await source.next_any()).kind == "welcome"
                notice = await source.next_any()
                assert notice.data["data"] == {"saving": True, "uploads": True, "prompt": False}
        finally:
            redis.cont()
        await until_it_lacks(instance, login, cursor, None)


@pytest.mark.parametrize("transport", ["sse", "poll"])
async def test_the_python_client_hears_of_it_over_http(migrated_url: str, transport: str) -> None:
    """Each change once, as the notice that it would be on a socket."""
    with RedisServer() as redis, running_instances(migrated_url, redis.url, 1) as (instance,):
        login = await sign_in(instance.url)
        await until_it_lacks(instance, login, await head_of(instance, login), None)
        listening = Listening()
        async with IdlingClient(instance.url, token=login.token, transports=(transport,), hooks=listening) as client:
            async with asyncio.timeout(WAIT_S):
                await client.until(lambda: client.live)
                while await metric(instance.url, "idling_recipients") < 1:
                    await asyncio.sleep(0.05)
                redis.stop()
                try:
                    assert await listening.told.get() == {"saving": True, "uploads": True, "prompt": False}
                finally:
                    redis.cont()
                assert await listening.told.get() == {"saving": True, "uploads": True, "prompt": True}
            assert listening.told.empty()
