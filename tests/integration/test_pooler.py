"""PgBouncer in between, lending each connection by the transaction: nothing may rest on a session."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg2
import pytest

from idling_ws.store.migrate import migrate
from tests.support.crowd import Roamer, check_against_log, gathered, issue_guests
from tests.support.instances import Instance, running_instances
from tests.support.pooler import LENT, PGBOUNCER, Pooler
from tests.support.rows import run_sql
from tests.support.servers import PostgresServer, RedisServer
from tests.support.steady import Steady, settled
from tests.support.wire_client import call, connect, sign_in

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed: apt-get install pgbouncer")

PATIENCE_S = 60.0
LENT_OUT = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'idling-ws'"
LOCKED = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted"


@dataclass(frozen=True, slots=True)
class Place:
    """Two instances whose every connection leads through ``pooler``, and the direct way to their database."""

    pooler: Pooler
    direct_url: str
    pair: list[Instance]


@pytest.fixture(scope="module")
def place(postgres: PostgresServer, redis_server: RedisServer) -> Iterator[Place]:
    """The migrations came through it as well."""
    url = postgres.create_database()
    with Pooler(postgres) as pooler:
        through = pooler.url_of(url)
        assert migrate(through)
        assert migrate(through) == []
        with running_instances(through, redis_server.url, MESSAGES_PER_S=10000) as pair:
            yield Place(pooler, url, pair)
    postgres.drop_database(url)


async def test_a_crowd_is_served_over_a_few_connections(place: Place) -> None:
    """Changes at both instances, and reads: all confirmed and delivered, and PostgreSQL sees no more than are lent."""
    guests = issue_guests(place.pair[0], 12)
    devices = [Roamer(guest, [instance.url], seed=n) for n, guest in enumerate(guests) for instance in place.pair]
    async with gathered(devices):
        async with Steady(devices=devices, every_s=0.1) as work:
            await asyncio.sleep(1)
            for guest in guests:
                assert (await call(place.pair[1].url, "GET", "/api/snapshot", token=guest.token)).status == 200
        await settled(devices, place.direct_url)
        assert work.statuses() == {"confirmed"}
        assert check_against_log(devices, place.direct_url) >= 2 * len(work.answered)
    assert 1 <= len(run_sql(place.direct_url, LENT_OUT)) <= LENT


async def test_no_session_keeps_what_we_said(place: Place) -> None:
    """Whoever is lent a connection after us finds it as PostgreSQL made it, and no lock is left behind."""
    login = await sign_in(place.pair[0].url)
    assert (await call(place.pair[0].url, "GET", "/api/sessions", token=login.token)).status == 200
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "jit")
    asked = ", ".join(f"current_setting('{name}')" for name in names)
    fresh = run_sql(place.direct_url, f"SELECT {asked}")
    with contextlib.ExitStack() as held:
        # As many at once as there are, each in a transaction, so that it is every one of them.
        for _ in range(LENT):
            connection = held.enter_context(
                contextlib.closing(psycopg2.connect(place.pooler.url_of(place.direct_url), connect_timeout=30))
            )
            cursor = held.enter_context(connection.cursor())
            cursor.execute(f"SELECT {asked}")
            assert cursor.fetchall() == fresh
            # Only while all are held nobody else can have one; so not for longer than this takes.
    async with asyncio.timeout(PATIENCE_S):  # an instance may be in the middle of something
        while run_sql(place.direct_url, LOCKED):
            await asyncio.sleep(0.05)


async def test_a_row_that_somebody_holds_delays_nobody_for_long(place: Place) -> None:
    """The time-outs hold through it: the change is refused as one to send again, and goes through once it can."""
    login = await sign_in(place.pair[0].url)
    async with await connect(place.pair[0].url, login.token) as device:
        with (
            contextlib.closing(psycopg2.connect(place.direct_url)) as holder,
            holder.cursor() as cursor,
        ):
            cursor.execute("SELECT FROM streams WHERE user_id = %s FOR UPDATE", (login.user_id,))
            async with asyncio.timeout(PATIENCE_S):
                refused = await device.verdict(device.ask("profile.update", {"bio": "later"}, mid="m1"))
            assert refused["status"] == "error"
            assert refused["error"]["retryable"]
        async with asyncio.timeout(PATIENCE_S):
            while (verdict := await device.mutate("profile.update", {"bio": "later"}, mid="m1"))["status"] == "error":
                assert verdict["error"]["retryable"]
        assert verdict["status"] == "confirmed"


async def test_it_may_be_restarted(place: Place) -> None:
    """Every connection breaks; what was asked meanwhile is answered or asked again, and all goes on."""
    guests = issue_guests(place.pair[0], 4)
    devices = [Roamer(guest, [instance.url], seed=n) for n, guest in enumerate(guests) for instance in place.pair]
    async with gathered(devices):
        async with Steady(devices=devices, every_s=0.1) as work:
            await asyncio.sleep(0.3)
            await asyncio.to_thread(place.pooler.kill)
            await asyncio.to_thread(place.pooler.start)
            await asyncio.sleep(0.3)
        await settled(devices, place.direct_url)
        assert work.statuses() == {"confirmed"}
        check_against_log(devices, place.direct_url, repeats=True)
