"""What leaves a row in the audit trail: coming in, going on, leaving, and being turned away at every door."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys

import aiohttp
import psycopg2
import pytest

from idling_ws.store.migrate import migrate
from idling_ws.store.server_role import ROLE
from tests.support.images import still
from tests.support.instances import Instance, running_instances
from tests.support.rows import rows_become, run_sql
from tests.support.servers import RedisServer
from tests.support.wire_client import ClosedError, call, connect, sign_in

Pair = tuple[Instance, Instance]


_CHAIN = "SELECT action, outcome FROM audit_log WHERE user_id = %s ORDER BY n"


async def reach_rows(database_url: str, where: str, count: int) -> list[tuple[object, ...]]:
    """Wait until ``count`` rows match ``where``; refusals are written soon, not at once."""
    async with asyncio.timeout(60):
        while True:
            rows = run_sql(
                database_url, f"SELECT user_id, actor, action, outcome, address, trace_id, after FROM audit_log {where}"
            )
            if len(rows) >= count:
                return rows
            await asyncio.sleep(0.05)


async def test_sign_ins_tokens_and_their_ends_are_rows(pair: Pair, pair_url: str) -> None:
    """Coming in, renewing, stealing and leaving: each is in the user's own chain, with address and trace."""
    url = pair[0].url
    login = await sign_in(url)
    assert (await call(url, "POST", "/auth/refresh", json={"refresh_token": login.refresh_token})).status == 200
    assert (await call(url, "POST", "/auth/refresh", json={"refresh_token": login.refresh_token})).status == 401
    other = await sign_in(url)
    left = await call(url, "POST", "/auth/logout", token=other.token)
    assert left.status == 200
    all_of_it = [
        ("login", "confirmed"),
        ("token.refresh", "confirmed"),
        ("token.reuse", "refused"),
        ("device.ended", "confirmed"),
    ]
    await rows_become(pair_url, all_of_it, _CHAIN, login.user_id)
    await rows_become(pair_url, [("login", "confirmed"), ("logout", "confirmed")], _CHAIN, other.user_id)
    where = f"WHERE user_id = {other.user_id} AND action = 'logout'"
    [row] = await reach_rows(pair_url, where, 1)
    assert row[4:6] == ("127.0.0.1", left.headers["X-Trace-Id"])


async def test_refusals_are_rows(pair: Pair, pair_url: str) -> None:
    """A bad token, a foreign page with a cookie, and a change that is not allowed: who, what, from where."""
    url = pair[0].url
    login = await sign_in(url)
    bad = await call(url, "GET", "/api/snapshot", token="not.a.token")
    forged = await call(url, "POST", "/auth/token", headers={"Cookie": login.cookie, "Origin": "http://evil.example"})
    assert (bad.status, forged.status) == (401, 403)
    device = await connect(url, login.token)
    denied = await device.mutate("announcement.publish", {"title": "x", "body": "y"}, mid="not-mine")
    assert denied["error"]["code"] == "forbidden"
    await device.close()
    for answer, action in ((bad, "GET /api/snapshot"), (forged, "POST /auth/token")):
        [row] = await reach_rows(pair_url, f"WHERE trace_id = '{answer.headers['X-Trace-Id']}'", 1)
        assert row[:5] == (0, "anonymous", action, "refused", "127.0.0.1")
    [row] = await reach_rows(pair_url, f"WHERE mid = 'not-mine' AND user_id = {login.user_id}", 1)
    assert row[:5] == (login.user_id, f"user:{login.user_id}", "announcement.publish", "refused", "127.0.0.1")


async def test_credentials_refused_on_a_socket_are_rows(pair: Pair, pair_url: str) -> None:
    """A bad token in ``hello``, one of an ended login, one of somebody suspended, and a bad one to go on with.

    Who comes with none only asks, as a page does before anybody has come in: nobody was turned away.
    """
    url = pair[0].url
    login, ended, suspended = await sign_in(url), await sign_in(url), await sign_in(url)
    assert (await call(url, "POST", "/auth/logout", token=ended.token)).status == 200
    run_sql(pair_url, "UPDATE users SET suspended_until = now() + interval '1 day' WHERE id = %s", suspended.user_id)
    before = run_sql(pair_url, "SELECT coalesce(max(n), 0) FROM audit_log WHERE user_id = 0")[0][0]
    for token, code in ((None, 4001), ("not.a.token", 4001), (ended.token, 4004), (suspended.token, 4003)):
        with pytest.raises(ClosedError) as closed:
            await connect(url, token)
        assert closed.value.code == code
    async with await connect(url, login.token) as device:
        device.send({"type": "refresh", "token": ended.token})
        await device.expect("error")
    strangers = await reach_rows(pair_url, f"WHERE action = 'hello' AND user_id = 0 AND n > {before}", 2)
    assert [row[1:5] for row in strangers] == [("anonymous", "hello", "refused", "127.0.0.1")] * 2
    for user_id, action in ((suspended.user_id, "hello"), (login.user_id, "refresh")):
        [row] = await reach_rows(pair_url, f"WHERE user_id = {user_id} AND action = '{action}'", 1)
        assert row[:5] == (user_id, f"user:{user_id}", action, "refused", "127.0.0.1")


async def test_an_upload_that_is_not_allowed_is_one_row(pair: Pair, pair_url: str) -> None:
    """In the chain of who tried, with the name of what they tried; nothing of the picture was taken."""
    url = pair[0].url
    login = await sign_in(url)
    run_sql(pair_url, "DELETE FROM roles WHERE user_id = %s", login.user_id)
    form = aiohttp.FormData()
    form.add_field("name", "a square")
    form.add_field("file", io.BytesIO(still()), filename="square.png", content_type="image/png")
    answer = await call(url, "POST", "/api/emojis/custom", token=login.token, data=form)
    assert (answer.status, answer.json["code"]) == (403, "forbidden")
    trace = answer.headers["X-Trace-Id"]
    [row] = await reach_rows(pair_url, f"WHERE trace_id = '{trace}'", 1)
    assert row[:5] == (login.user_id, f"user:{login.user_id}", "custom_emoji.create", "refused", "127.0.0.1")
    # Written in order: were there a second row of it, it would stand before this one.
    assert (await call(url, "GET", "/api/emojis/custom?status=pending", token=login.token)).status == 403
    await reach_rows(pair_url, f"WHERE user_id = {login.user_id} AND action LIKE 'GET %%'", 1)
    assert run_sql(pair_url, "SELECT count(*) FROM audit_log WHERE trace_id = %s", trace) == [(1,)]


@pytest.mark.parametrize("guests", [0, 3])
async def test_tokens_that_an_operator_issues_are_rows(pair: Pair, pair_url: str, guests: int) -> None:
    """For a user, or for new guests: each in its own chain, by the operator."""
    login = await sign_in(pair[0].url)
    whose = ["--guests", str(guests)] if guests else ["--user", str(login.user_id)]
    words = [sys.executable, "-m", "idling_ws", "token", "issue", *whose]
    environment = {f"IDLING_{name}": value for name, value in pair[0].settings.items()}
    count = (
        "SELECT count(*), count(DISTINCT user_id) FROM audit_log WHERE action = 'token.issue' AND actor = 'operator'"
    )
    before = run_sql(pair_url, count)[0]
    said = await asyncio.to_thread(
        subprocess.run, words, env={"PATH": "/usr/bin:/bin", **environment}, check=True, capture_output=True, text=True
    )
    issued = max(1, guests)
    assert len(said.stdout.splitlines()) == issued
    assert run_sql(pair_url, count)[0] == (before[0] + issued, before[1] + issued)


TAMPERINGS = [
    "UPDATE audit_log SET actor = 'x'",
    "DELETE FROM audit_log",
    "TRUNCATE audit_log",
    "UPDATE {month} SET actor = 'x'",
    "DELETE FROM {month}",
    "TRUNCATE {month}",
    "DROP TABLE {month}",
    "ALTER TABLE audit_log DETACH PARTITION {month}",
    "ALTER TABLE audit_log DISABLE TRIGGER ALL",
    "ALTER TABLE {month} DISABLE TRIGGER ALL",
    "DROP TRIGGER audit_log_append_only ON audit_log",
    "CREATE OR REPLACE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
    "SET session_replication_role = replica",
    "INSERT INTO audit_anchors VALUES (1, 1, '')",
    "UPDATE audit_anchors SET n = 1",
    "UPDATE schema_migrations SET migration_id = 'x'",
    "SET ROLE {owner}",
]


async def test_a_server_of_its_own_role_may_add_to_the_trail_and_no_more(
    migrated_url: str, redis_server: RedisServer
) -> None:
    """Everything goes on as ever; whatever would change, take away or hide a row is refused by the database."""
    run_sql(migrated_url, f"DROP ROLE IF EXISTS {ROLE}")
    run_sql(migrated_url, f"CREATE ROLE {ROLE} LOGIN")
    try:
        assert migrate(migrated_url) == []
        parts = psycopg2.extensions.parse_dsn(migrated_url)
        url = migrated_url.replace(f"{parts['user']}@", f"{ROLE}@", 1)
        assert run_sql(url, "SELECT current_user") == [(ROLE,)]
        with running_instances(url, redis_server.url, 1) as (instance,):
            login = await sign_in(instance.url)
            async with await connect(instance.url, login.token) as device:
                started = await device.mutate("session.start", {"activity": "reading"})
                assert started["status"] == "confirmed"
                assert (await device.mutate("preferences.set", {"values": {"theme": "dark"}}))["status"] == "confirmed"
            assert (await call(instance.url, "POST", "/auth/logout", token=login.token)).status == 200
        [(month,)] = run_sql(migrated_url, "SELECT tableoid::regclass::text FROM audit_log LIMIT 1")
        kept = run_sql(migrated_url, "SELECT * FROM audit_log ORDER BY user_id, n")
        assert len(kept) >= 4
        for statement in TAMPERINGS:
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                run_sql(url, statement.format(month=month, owner=parts["user"]))
        assert run_sql(migrated_url, "SELECT * FROM audit_log ORDER BY user_id, n") == kept
    finally:
        run_sql(migrated_url, f"DROP OWNED BY {ROLE}")
        run_sql(migrated_url, f"DROP ROLE {ROLE}")
