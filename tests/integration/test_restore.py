"""Backup and restore: what was saved comes back, and no cursor of the time since is taken for one of now."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from idling_ws.store.migrate import migrate
from tests.support.binaries import find_postgres_bin
from tests.support.instances import Instance, running_instances
from tests.support.rows import run_sql
from tests.support.servers import PostgresServer
from tests.support.wire_client import Login, connect, sign_in

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
EPOCH = "SELECT epoch FROM log_epoch"


async def run_script(name: str, dump: Path, instance: Instance, database_url: str) -> None:
    """Run a script of ``deploy`` as an operator does."""
    commands = dump.parent / "idling-ws"
    commands.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m idling_ws "$@"\n')
    commands.chmod(0o755)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("IDLING_")}
    environ |= {f"IDLING_{key}": value for key, value in instance.settings.items()}
    environ |= {
        "IDLING_DATABASE_URL": database_url,
        "PATH": f"{dump.parent}:{find_postgres_bin()}:{os.environ['PATH']}",
    }
    process = await asyncio.create_subprocess_exec(
        str(DEPLOY / name), str(dump), env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


@pytest.fixture
def another_url(postgres: PostgresServer) -> Iterator[str]:
    """An empty database."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture(params=["into an empty database", "over what is there"])
def target_url(request: pytest.FixtureRequest, migrated_url: str, another_url: str) -> str:
    """Where the dump goes."""
    return another_url if request.param == "into an empty database" else migrated_url


async def test_a_restored_place_gives_devices_a_fresh_state(
    migrated_url: str, target_url: str, redis_url: str, tmp_path: Path
) -> None:
    """Confirmed after the backup is gone, and nobody believes to have seen what comes in its place."""
    dump = tmp_path / "place.dump"
    migrate(migrated_url)
    with running_instances(migrated_url, redis_url, 1) as (before,):
        login: Login = await sign_in(before.url)
        async with await connect(before.url, login.token) as device:
            await device.mutate("profile.update", {"bio": "saved"})
            saved = device.state
            await run_script("backup.sh", dump, before, migrated_url)
            for n in range(3):
                await device.mutate("profile.update", {"bio": f"lost {n}"})
            cursor, state = device.cursor, device.state
    [(old_epoch,)] = run_sql(migrated_url, EPOCH)
    await run_script("restore.sh", dump, before, target_url)
    assert run_sql(target_url, EPOCH) != [(old_epoch,)]
    with running_instances(target_url, redis_url, 1, PUBLIC_URL=before.url) as (after,):
        async with await connect(after.url, login.token, cursor, state=state) as device:
            assert (device.welcome["resumed"], device.welcome["reason"]) == (False, "epoch_changed")
            assert device.state == saved
            # As many as were lost: numbers that the device has seen before, with other things in them.
            for n in range(3):
                assert (await device.mutate("profile.update", {"bio": f"new {n}"}))["status"] == "confirmed"
            assert device.state["profile"]["bio"] == "new 2"


def test_the_epoch_stays_while_nothing_was_restored(migrated_url: str) -> None:
    """However often it is migrated, and whatever cleans up the tables."""
    migrate(migrated_url)
    [(epoch,)] = run_sql(migrated_url, EPOCH)
    with closing(psycopg2.connect(migrated_url)) as connection:
        connection.autocommit = True
        connection.cursor().execute("VACUUM (FULL, FREEZE) log_epoch")
    for _ in range(2):
        migrate(migrated_url)
    assert run_sql(migrated_url, EPOCH) == [(epoch,)]


def test_rows_that_were_put_back_are_known(migrated_url: str) -> None:
    """Into the very same table: the row says who wrote it, and it was somebody else."""
    migrate(migrated_url)
    [(epoch, lineage, written_by)] = run_sql(migrated_url, "SELECT epoch, lineage, written_by FROM log_epoch")
    run_sql(migrated_url, "DELETE FROM log_epoch")
    run_sql(
        migrated_url,
        "INSERT INTO log_epoch (epoch, lineage, written_by) VALUES (%s, %s, %s)",
        epoch,
        lineage,
        written_by,
    )
    migrate(migrated_url)
    [(renewed,)] = run_sql(migrated_url, EPOCH)
    assert renewed != epoch
    migrate(migrated_url)
    assert run_sql(migrated_url, EPOCH) == [(renewed,)]


def test_a_copied_database_is_another(postgres: PostgresServer, migrated_url: str) -> None:
    """A file copy keeps every row as it was, but not the name of its folder."""
    migrate(migrated_url)
    copy = postgres.create_database(migrated_url.rpartition("/")[2])
    try:
        migrate(copy)
        assert run_sql(copy, EPOCH) != run_sql(migrated_url, EPOCH)
    finally:
        postgres.drop_database(copy)
