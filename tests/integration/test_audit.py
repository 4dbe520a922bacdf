"""The audit trail: a row for everything that was done or refused, and no way to change one unseen."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC
from pathlib import Path

import psycopg2
import pytest

from idling_ws.domain.clock import SystemClock
from idling_ws.store.audit import AuditRow, link
from idling_ws.store.audit_check import Tally, check_trail
from idling_ws.store.audit_trail import REFUSED, AuditTrail, Event
from idling_ws.store.postgres import Database
from idling_ws.store.retention import Retention
from tests.support.instances import running_instances
from tests.support.rows import run_sql
from tests.support.servers import RedisServer
from tests.support.wire_client import Device, call, connect, sign_in

CHAINS = 5
ROWS_EACH = 12


def tamper(database_url: str, *statements: str) -> None:
    """Run statements as somebody who may switch the triggers off."""
    with contextlib.closing(psycopg2.connect(database_url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement)
            assert cursor.rowcount != 0, f"nothing was tampered with: {statement}"


def findings(database_url: str) -> list[tuple[int, str]]:
    """Return user and kind of each finding."""
    return [(finding.user_id, finding.kind) for finding in check_trail(database_url, Tally())]


@contextlib.asynccontextmanager
async def a_trail(database_url: str) -> AsyncIterator[AuditTrail]:
    """Give a running trail over the database."""
    database = Database(database_url)
    await database.open()
    trail = AuditTrail(database, SystemClock())
    trail.start()
    try:
        yield trail
    finally:
        await trail.stop()
        await database.close()


async def fill(database_url: str) -> None:
    """Give ``CHAINS`` users ``ROWS_EACH`` rows each."""
    run_sql(database_url, "INSERT INTO streams (user_id) SELECT generate_series(1, %s)", CHAINS)
    async with a_trail(database_url) as trail:
        await asyncio.gather(
            *[
                trail.record(Event(f"thing.{n}", user_id=user, actor=f"user:{user}", after={"n": n}))
                for n in range(ROWS_EACH)
                for user in range(1, CHAINS + 1)
            ]
        )


@pytest.fixture
async def filled_url(migrated_url: str) -> str:
    """A database with chains in it."""
    await fill(migrated_url)
    return migrated_url


_COPY = "INSERT INTO audit_log SELECT {columns} FROM audit_log WHERE user_id = {user} AND n = {n}"
_ALL = "user_id, n, at, actor, action, outcome, mid, seq, trace_id, address, before, after, prev_hash, hash"


def _copy(user: int, number: int, **changed: str) -> str:
    columns = ", ".join(changed.get(name, name) for name in _ALL.split(", "))
    return _COPY.format(columns=columns, user=user, n=number)


def _set(what: str, user: int, n: int) -> str:
    return f"UPDATE audit_log SET {what} WHERE user_id = {user} AND n = {n}"


TAMPERINGS: dict[str, tuple[str, ...]] = {
    "actor altered": (_set("actor = 'user:9'", 1, 3),),
    "action altered": (_set("action = 'nothing'", 1, 1),),
    "outcome altered": (_set("outcome = 'rolled_back'", 2, 5),),
    "after altered": (_set("after = '{}'", 2, 6),),
    "before added": (_set("before = '{}'", 2, 7),),
    "address added": (_set("address = '10.0.0.1'", 3, 2),),
    "time moved": (_set("at = at + interval '1 microsecond'", 3, 4),),
    "mid added": (_set("mid = 'm'", 3, 5),),
    "last row altered": (_set("actor = 'x'", 4, ROWS_EACH),),
    "altered and hashed anew": (_set("actor = 'x', hash = sha256('x')", 4, 4),),
    "last row altered and hashed anew": (_set("actor = 'x', hash = sha256('x')", 4, ROWS_EACH),),
    "predecessor's hash altered": (_set("prev_hash = sha256('x')", 5, 6),),
    "first row deleted": ("DELETE FROM audit_log WHERE user_id = 1 AND n = 1",),
    "middle row deleted": ("DELETE FROM audit_log WHERE user_id = 2 AND n = 6",),
    "deleted and numbered anew": (
        "DELETE FROM audit_log WHERE user_id = 2 AND n = 6",
        "UPDATE audit_log SET n = n - 1 WHERE user_id = 2 AND n > 6",
    ),
    "last rows cut off": (f"DELETE FROM audit_log WHERE user_id = 3 AND n > {ROWS_EACH - 3}",),
    "whole chain deleted": ("DELETE FROM audit_log WHERE user_id = 5",),
    "row inserted at the end": (_copy(1, ROWS_EACH, n="n + 1", prev_hash="hash"),),
    "row inserted beside another": (_copy(1, 4, at="at + interval '1 second'"),),
    "row moved to another chain": ("UPDATE audit_log SET user_id = 77 WHERE user_id = 4 AND n = 6",),
    "two rows swapped": (_set("n = 1000", 3, 4), _set("n = 4", 3, 5), _set("n = 5", 3, 1000)),
    "end in streams altered": ("UPDATE streams SET audit_hash = sha256('x') WHERE user_id = 1",),
}


@pytest.mark.parametrize("how", TAMPERINGS)
async def test_finds_every_tampering(filled_url: str, how: str) -> None:
    """Whatever is done to a row by who may switch the triggers off, the chain shows it."""
    assert findings(filled_url) == []
    tamper(filled_url, *TAMPERINGS[how])
    assert findings(filled_url) != []


async def test_verify_exits_1_with_the_findings(filled_url: str, tmp_path: Path) -> None:
    """The command says what is wrong and fails; on a whole trail it succeeds."""
    environment = {
        "IDLING_DATABASE_URL": filled_url,
        "IDLING_REDIS_URL": "redis://127.0.0.1:1/0",
        "IDLING_SECRET_KEY": "a secret of at least thirty-two characters",
        "IDLING_DATA_DIR": str(tmp_path),
    }

    def verify() -> tuple[int, str]:
        words = [sys.executable, "-m", "idling_ws", "audit", "verify"]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    assert verify() == (0, f"{CHAINS * ROWS_EACH} rows in {CHAINS + 1} chains, 0 findings.\n")
    tamper(filled_url, *TAMPERINGS["middle row deleted"])
    status, said = verify()
    assert status == 1
    assert "user 2, row 6: deleted" in said


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET actor = 'x'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "TRUNCATE audit_log_rest",
        "DO $$ BEGIN EXECUTE 'UPDATE audit_log_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM') ||"
        " ' SET actor = ''x'''; END $$",
        "DO $$ BEGIN EXECUTE 'TRUNCATE audit_log_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM'); END $$",
    ],
)
async def test_rows_cannot_be_changed(filled_url: str, statement: str) -> None:
    """The database itself refuses, in the parent table and in each partition."""
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="append-only"):
        run_sql(filled_url, statement)


async def clean_up(url: str, *, audit_days: int) -> None:
    """Run the retention once."""
    database = Database(url)
    await database.open()
    try:
        await Retention(database, entries_s=86400.0, audit_days=audit_days).run()
    finally:
        await database.close()


async def test_old_months_go_whole_and_chains_still_hold(filled_url: str) -> None:
    """What retention drops is remembered as an anchor: the rest verifies, and a cut behind it is found."""
    month = "date_trunc('month', now() - interval '90 days')"
    run_sql(
        filled_url,
        f"DO $$ BEGIN EXECUTE format('CREATE TABLE %I PARTITION OF audit_log FOR VALUES FROM (%L) TO (%L)',"
        f" 'audit_log_' || to_char({month}, 'YYYY_MM'), {month}, {month} + interval '1 month'); END $$",
    )
    run_sql(filled_url, "INSERT INTO streams (user_id) VALUES (50)")
    [(at,)] = run_sql(filled_url, f"SELECT {month} + interval '1 day'")
    # A row of that age, chained as it was.
    digest = link(b"", AuditRow(50, 1, at.astimezone(UTC), "user:50", "old", "confirmed"))
    run_sql(
        filled_url,
        "INSERT INTO audit_log (user_id, n, at, actor, action, outcome, prev_hash, hash)"
        " VALUES (50, 1, %s, 'user:50', 'old', 'confirmed', '', %s)",
        at,
        digest,
    )
    run_sql(filled_url, "UPDATE streams SET audit_n = 1, audit_hash = %s WHERE user_id = 50", digest)
    async with a_trail(filled_url) as trail:
        await trail.record(Event("new", user_id=50))
    assert findings(filled_url) == []
    for days, months in ((365, 1), (31, 0)):
        await clean_up(filled_url, audit_days=days)
        assert run_sql(filled_url, "SELECT count(*) FROM audit_log WHERE user_id = 50 AND n = 1") == [(months,)]
    assert findings(filled_url) == []
    tamper(filled_url, "UPDATE audit_anchors SET hash = sha256('x') WHERE user_id = 50")
    assert findings(filled_url) == [(50, "altered")]


async def test_the_latest_month_cannot_be_dropped(migrated_url: str) -> None:
    """Retention does not reach into the last thirty days."""
    with pytest.raises(psycopg2.errors.RaiseException, match="30 days"):
        run_sql(migrated_url, "SELECT audit_log_drop_before(now())")


async def test_a_flood_of_refusals_is_bounded_and_counted(migrated_url: str) -> None:
    """Of one source only so many rows are written; the rest is one row with their number."""
    async with a_trail(migrated_url) as trail:
        for _ in range(1000):
            trail.note(Event("login", REFUSED, address="192.0.2.1"))
        trail.note(Event("login", REFUSED, address="192.0.2.2"))
    rows = run_sql(migrated_url, "SELECT address, after FROM audit_log ORDER BY n")
    assert len(rows) == 300 + 1 + 1
    assert rows[-1] == ("192.0.2.1", '{"unlisted":700}')
    assert findings(migrated_url) == []


async def test_what_a_client_wrote_fits_into_a_row(migrated_url: str) -> None:
    """Line breaks, NUL and halves of surrogate pairs become question marks; unknown users go to chain 0."""
    async with a_trail(migrated_url) as trail:
        await trail.record(Event("login", user_id=123456, actor="a\r\nb\x00\ud800", address="x" * 1000))
    assert run_sql(migrated_url, "SELECT user_id, actor, length(address) FROM audit_log") == [(0, "a??b??", 200)]
    assert findings(migrated_url) == []


# -- over the product ----------------------------------------------------------------


async def test_a_thousand_mutations_are_a_thousand_rows(migrated_url: str, redis_server: RedisServer) -> None:
    """Each change leaves one row, whoever of two instances made it, and every chain holds."""
    with running_instances(migrated_url, redis_server.url, 2, MESSAGES_PER_S=10000) as instances:
        logins = [await sign_in(instance.url) for instance in instances for _ in range(2)]
        devices = [
            await connect(instance.url, login.token)
            for instance, login in zip([instances[0]] * 2 + [instances[1]] * 2, logins, strict=True)
        ]

        async def work(device: Device) -> None:
            for start in range(0, 250, 50):
                mids = [device.ask("preferences.set", {"values": {"theme": "dark"}}) for _ in range(start, start + 50)]
                for mid in mids:
                    assert (await device.verdict(mid))["status"] == "confirmed"

        await asyncio.gather(*[work(device) for device in devices])
        for device in devices:
            await device.close()
    where = "action = 'preferences.set' AND outcome = 'confirmed' AND actor = 'user:' || user_id"
    assert run_sql(migrated_url, f"SELECT count(*), count(DISTINCT mid) FROM audit_log WHERE {where}") == [(1000, 1000)]
    assert findings(migrated_url) == []


async def test_no_secret_is_in_audit_or_log(migrated_url: str, redis_server: RedisServer) -> None:
    """Tokens, cookies and bodies of a whole visit, good and bad, are found nowhere afterwards."""
    with running_instances(migrated_url, redis_server.url, 1, LOG_LEVEL="debug") as (instance,):
        url = instance.url
        login = await sign_in(url)
        pair_of_tokens = await call(url, "POST", "/auth/refresh", json={"refresh_token": login.refresh_token})
        await call(url, "POST", "/auth/refresh", json={"refresh_token": "made-up-refresh-token"})
        await call(url, "GET", "/api/snapshot", token="made.up.token")
        await call(url, "POST", "/auth/guest", data=b'{"broken-body', headers={"Content-Type": "application/json"})
        device = await connect(url, pair_of_tokens.json["access_token"])
        await device.close()
        await call(url, "POST", "/auth/logout", headers={"Cookie": login.cookie, "Origin": url})
        secrets = [login.token, login.refresh_token, login.cookie.partition("=")[2], "made-up-refresh-token"]
        secrets += [pair_of_tokens.json["access_token"], pair_of_tokens.json["refresh_token"], "made.up.token"]
        secrets += ["broken-body", instance.settings["SECRET_KEY"]]
        assert instance.terminate() == 0
        everything = instance.log_path.read_text(errors="replace")
    everything += "\n".join(str(row) for row in run_sql(migrated_url, "SELECT audit_log::text FROM audit_log"))
    assert "logout" in everything
    assert [secret for secret in secrets if secret in everything] == []


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_log_line_cannot_be_forged(log_format: str) -> None:
    """Line breaks of any kind in what a client sent stay inside their line, as text, value or traceback."""
    program = (
        "import logging, structlog\n"
        "from idling_ws.observe.logs import configure\n"
        f"configure({log_format!r}, 'info')\n"
        "bad = 'x\\r\\n2026-01-01 [info] forged\\x1b[31m\\u2028y\\x85z'\n"
        "logging.getLogger('a').warning('path %s failed', bad)\n"
        "structlog.get_logger('b').warning('said', value=bad)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    text = done.stderr.decode()
    assert len(text.splitlines()) == 2
    assert not any(line.startswith("2026-01-01 [info] forged") for line in text.splitlines())
    assert "\x1b[31m\u2028" not in text
