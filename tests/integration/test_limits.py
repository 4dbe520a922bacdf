"""Limits: so many requests and mutations a minute for a user on all instances, so many connections of an address."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

import pytest

from tests.support.event_stream import listen
from tests.support.instances import Instance, running_instances
from tests.support.rows import run_sql
from tests.support.servers import RedisServer
from tests.support.shapes import is_error
from tests.support.wire_client import Answer, Device, Login, RefusedError, call, connect, metric, sign_in

RATE = 50
PER_ADDRESS = RATE // 5


def check_refusal(answer: Answer) -> None:
    """Hold a 429 against the contract."""
    assert answer.status == 429
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.json["code"] == "rate_limited"
    assert answer.json["class"] == "rate_limit"
    assert answer.json["retryable"] is True


# An instance that a busy machine keeps from hearing Redis in time lets requests in unchecked, for two seconds. What
# is asserted of the limits holds where it does not: else it is tried again, with somebody new.
ATTEMPTS = 10


async def checked(instances: Sequence[Instance], attempt: Callable[[int], Awaitable[None]]) -> None:
    """Make an attempt during which nothing was let in unchecked."""

    async def unchecked() -> float:
        return sum([await metric(instance.url, "idling_limits_unchecked_total ") for instance in instances])

    for number in range(ATTEMPTS):
        before = await unchecked()
        try:
            await attempt(number)
        except AssertionError:
            if await unchecked() == before:
                raise
        else:
            return
    raise AssertionError("Redis never answered in time")


async def test_a_user_has_one_quota_over_all_instances(migrated_url: str, redis_server: RedisServer) -> None:
    """What was spent on one instance is spent on the other; other users and the page are not concerned."""
    redis_server.flush()
    with running_instances(migrated_url, redis_server.url, 2, HTTP_RATE_PER_MIN=RATE, TRUSTED_PROXIES="127.0.0.1") as (
        a,
        b,
    ):

        async def attempt(number: int) -> None:
            login, other = await come_in(a, number), await come_in(b, number)
            for n in range(RATE):
                assert (await call((a, b)[n % 2].url, "GET", "/api/profile", token=login.token)).status == 200
            for instance in (a, b):
                check_refusal(await call(instance.url, "GET", "/api/profile", token=login.token))
            assert (await call(a.url, "GET", "/api/profile", token=other.token)).status == 200
            assert (await call(a.url, "GET", "/", token=login.token)).status == 200
            assert (await call(a.url, "GET", "/healthz")).status == 200

        await checked((a, b), attempt)


async def come_in(instance: Instance, number: int) -> Login:
    """Sign in from another address for each attempt: signing in counts for it."""
    headers = {"X-Forwarded-For": f"198.51.100.{number}"}
    answer = await call(instance.url, "POST", "/auth/guest", json={}, headers=headers)
    assert answer.status == 201, answer.body
    body, cookie = answer.json, answer.headers["Set-Cookie"].partition(";")[0]
    return Login(body["user"]["id"], body["user"]["name"], body["access_token"], body["refresh_token"], cookie)


async def test_an_address_without_a_user_has_a_fifth(migrated_url: str, redis_server: RedisServer) -> None:
    """Made-up tokens and cookies count for their address; a cookie that was good once counts for its user."""
    redis_server.flush()
    with running_instances(migrated_url, redis_server.url, 1, HTTP_RATE_PER_MIN=RATE, TRUSTED_PROXIES="127.0.0.1") as (
        instance,
    ):

        async def attempt(number: int) -> None:
            login = await come_in(instance, number)
            here = {"X-Forwarded-For": f"192.0.2.{2 * number}"}
            known = {"Cookie": login.cookie, **here}
            assert (await call(instance.url, "GET", "/api/profile", headers=known)).status == 200
            name = login.cookie.partition("=")[0]
            for n in range(PER_ADDRESS - 1):
                made_up = {"Cookie": f"{name}=made-up-{n}", **here}
                made_up |= {"Authorization": f"Bearer a.b.{n}"} if n % 2 else {}
                assert (await call(instance.url, "GET", "/api/profile", headers=made_up)).status == 401
            made_up = {"Cookie": f"{name}=made-up", **here}
            check_refusal(await call(instance.url, "GET", "/api/profile", headers=made_up))
            assert (await call(instance.url, "GET", "/api/profile", headers=known)).status == 200
            elsewhere = {"X-Forwarded-For": f"192.0.2.{2 * number + 1}"}
            assert (await call(instance.url, "GET", "/api/profile", headers=elsewhere)).status == 401

        await checked((instance,), attempt)


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis to be frozen: nobody else's instances are over it."""
    with RedisServer() as server:
        yield server


async def test_without_redis_everything_passes_and_is_counted(migrated_url: str, own_redis: RedisServer) -> None:
    """A frozen Redis holds nobody up and nobody off."""
    with running_instances(migrated_url, own_redis.url, 1, HTTP_RATE_PER_MIN=RATE) as (instance,):
        login = await sign_in(instance.url)
        own_redis.stop()
        for _ in range(RATE + 10):
            assert (await call(instance.url, "GET", "/api/profile", token=login.token)).status == 200
        assert await metric(instance.url, "idling_limits_unchecked_total ") > RATE


PER_MINUTE = 40


async def flood(device: Device, count: int, *, until_refused: bool = False) -> tuple[list[str], list[dict[str, Any]]]:
    """Ask for ``count`` changes, one after the other; return the mids confirmed, and the errors.

    ``until_refused``: and on, until one was too many.
    """
    confirmed: list[str] = []
    errors: list[dict[str, Any]] = []
    while len(confirmed) + len(errors) < count or (until_refused and not errors):
        mid = uuid4().hex
        verdict = await device.mutate("emoji.use", {"emoji": "1F600", "count": 1}, mid=mid)
        if verdict["status"] == "confirmed":
            confirmed.append(mid)
        else:
            assert verdict["mid"] == mid
            errors.append(verdict["error"])
    return confirmed, errors


async def test_a_user_has_one_allowance_of_mutations_over_instances_and_transports(
    migrated_url: str, redis_server: RedisServer
) -> None:
    """Sockets on two instances and REST spend the same; what was too much is not consumed; others go on."""
    redis_server.flush()
    with running_instances(migrated_url, redis_server.url, 2, MUTATIONS_PER_MIN=PER_MINUTE, MESSAGES_PER_S=1000) as (
        a,
        b,
    ):

        async def attempt(_: int) -> None:
            login, other = await sign_in(a.url), await sign_in(b.url)
            async with await connect(a.url, login.token) as here, await connect(b.url, login.token) as there:
                done = await asyncio.gather(
                    *[flood(device, PER_MINUTE, until_refused=True) for device in (here, there)]
                )
                confirmed = [mid for mids, _ in done for mid in mids]
                errors = [error for _, refused in done for error in refused]
                # Each instance may be over by what it lets in while one settlement is under way.
                assert PER_MINUTE / 2 <= len(confirmed) < 2 * PER_MINUTE
                for error in errors:
                    assert is_error(error, "rate_limited")
                    assert error["retryable"] is True
                    assert 0 < error["retry_after_ms"] <= 60_000
            for instance in (a, b):
                check_refusal(
                    await call(instance.url, "PATCH", "/api/profile", token=login.token, json={"bio": "one more"})
                )
            mutations = [{"mid": f"more-{n}", "name": "profile.update", "args": {"bio": "more"}} for n in range(2)]
            listed = await call(a.url, "POST", "/api/mutations", token=login.token, json={"mutations": mutations})
            assert [verdict["status"] for verdict in listed.json["verdicts"]] == ["error", "not_run"]
            assert is_error(listed.json["verdicts"][0]["error"], "rate_limited")
            stored = run_sql(migrated_url, "SELECT mid FROM entries WHERE user_id = %s", login.user_id)
            assert sorted(mid for (mid,) in stored) == sorted(confirmed)
            assert await metric(a.url, "idling_limits_refused_mutations_total ") > 0
            async with await connect(a.url, other.token) as device:
                assert len((await flood(device, 3))[0]) == 3

        await checked((a, b), attempt)


async def test_without_redis_mutations_pass_and_are_counted(migrated_url: str, own_redis: RedisServer) -> None:
    """A limit that cannot be looked up holds nobody off."""
    with running_instances(migrated_url, own_redis.url, 1, MUTATIONS_PER_MIN=PER_MINUTE, MESSAGES_PER_S=1000) as (
        instance,
    ):
        login = await sign_in(instance.url)
        async with await connect(instance.url, login.token) as device:
            own_redis.stop()
            confirmed, errors = await flood(device, 2 * PER_MINUTE)
            assert (len(confirmed), errors) == (2 * PER_MINUTE, [])
            # Settled behind the mutations' backs: the first answer that Redis fails to give may still be awaited.
            while await metric(instance.url, "idling_limits_unchecked_total ") == 0:
                await asyncio.sleep(0.05)


PER_PLACE = 3


@pytest.mark.parametrize(
    ("same", "another"),
    [(["192.0.2.1"], "192.0.2.2"), (["2001:db8::1", "2001:db8::2", "2001:db8:0:0:9::"], "2001:db8:0:1::1")],
    ids=["IPv4", "IPv6, all of a /64"],
)
async def test_an_address_has_so_many_connections(
    migrated_url: str, redis_server: RedisServer, same: list[str], another: str
) -> None:
    """Sockets and event streams, whoever they are of; one more is told when to come again. This machine is free."""
    settings = {"MAX_CONNECTIONS_PER_ADDRESS": PER_PLACE, "TRUSTED_PROXIES": "127.0.0.1"}
    with running_instances(migrated_url, redis_server.url, 1, **settings) as (instance,):
        url = instance.url
        logins = [await sign_in(url) for _ in range(PER_PLACE)]

        def come_from(n: int) -> dict[str, str]:
            return {"X-Forwarded-For": same[n % len(same)]}

        async with contextlib.AsyncExitStack() as stack:
            devices = [
                await stack.enter_async_context(await connect(url, login.token, headers=come_from(n)))
                for n, login in enumerate(logins[:-1])
            ]
            bearer = {"Authorization": f"Bearer {logins[-1].token}"}
            await stack.enter_async_context(listen(url, {**bearer, **come_from(2)}))
            with pytest.raises(RefusedError) as refused:
                await connect(url, logins[0].token, headers=come_from(0))
            assert refused.value.status == 429
            assert 1 <= int(refused.value.headers["retry-after"]) <= 60
            stream = {**bearer, **come_from(1), "Accept": "text/event-stream"}
            check_refusal(await call(url, "GET", "/api/events", headers=stream))
            for elsewhere in ({"X-Forwarded-For": another}, {}):
                for _ in range(PER_PLACE + 1 if not elsewhere else 1):
                    await stack.enter_async_context(await connect(url, logins[0].token, headers=elsewhere))
            assert await metric(url, "idling_limits_refused_connections_total ") == 2
            await devices[0].close()
            while True:  # the place is free once the server has heard of the end
                with contextlib.suppress(RefusedError):
                    await stack.enter_async_context(await connect(url, logins[0].token, headers=come_from(0)))
                    break
