"""The doctor: what it finds in a place that is well, and in ones that are not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.integration.test_operating import idling
from tests.support.instances import Instance
from tests.support.rows import run_sql
from tests.support.servers import PostgresServer, RedisServer, free_port

Pair = tuple[Instance, Instance]


async def test_a_place_that_is_well(pair: Pair) -> None:
    """Every part is looked at and nothing stays behind. The test's own PostgreSQL does not wait for the disk: found."""
    before = _files(pair[0])
    for _ in range(5):
        _, said = await idling(pair[0], "doctor", HOST="127.0.0.1", PORT=str(pair[0].port))
        if said.splitlines()[-1] == "1 to mend, 1 to think about.":
            break  # else a busy machine kept a part from answering in time, and the doctor is right to say so
    for part in (
        "address: people come to", "open files:", "data folder:", "postgres: PostgreSQL", "migrations: up to date",
        "secret: opens", "redis: Redis", "files: files at", f"instance: the one at port {pair[0].port} is ready",
    ):  # fmt: skip
        assert f"ok    {part}" in said, said
    assert [line for line in said.splitlines() if line.startswith("FAIL")] == [
        "FAIL  postgres: fsync and full_page_writes off"
    ]
    assert "warn  audit trail:" in said
    assert said.splitlines()[-1] == "1 to mend, 1 to think about."
    assert _files(pair[0]) == before


def _files(instance: Instance) -> set[Path]:
    """Return what lies in its file store."""
    return {path for path in (Path(instance.settings["DATA_DIR"]) / "files").rglob("*") if path.is_file()}


async def test_servers_that_are_away_do_not_hide_what_else_is_wrong(pair: Pair) -> None:
    """Both are named with their setting, and the rest is still looked at."""
    nowhere = free_port()
    status, said = await idling(
        pair[0], "doctor", DATABASE_URL=f"postgresql://somebody@127.0.0.1:{nowhere}/place",
        REDIS_URL=f"redis://127.0.0.1:{nowhere}/0", TRUSTED_PROXIES="10.0.0.0/8", PUBLIC_URL="", HEARTBEATS="3",
    )  # fmt: skip
    assert status == 1
    for words in (
        "FAIL  postgres:", "IDLING_DATABASE_URL", "FAIL  redis:", "IDLING_REDIS_URL", "FAIL  address:",
        "IDLING_HEARTBEATS is not a setting", "ok    files:", "3 to mend, 1 to think about.",
    ):  # fmt: skip
        assert words in said, said
    assert "Traceback" not in said


async def test_what_a_database_may_lack(pair: Pair, postgres: PostgresServer, migrated_url: str) -> None:
    """No migrations; a commit that does not wait for the disk; another secret; migrations of a newer version."""
    empty = postgres.create_database()
    try:
        status, said = await idling(pair[0], "doctor", DATABASE_URL=empty)
        assert (status, "Run `idling-ws migrate`." in said) == (1, True), said
    finally:
        postgres.drop_database(empty)
    name = migrated_url.rpartition("/")[2]
    run_sql(migrated_url, f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    run_sql(migrated_url, "DELETE FROM emojis")
    status, said = await idling(pair[0], "doctor", DATABASE_URL=migrated_url)
    assert (status, "synchronous_commit off" in said, "emoji import" in said) == (1, True, True), said
    status, said = await idling(pair[0], "doctor", DATABASE_URL=pair[0].settings["DATABASE_URL"], SECRET_KEY="x" * 40)
    assert (status, "FAIL  secret:" in said, "idling-ws keys rotate" in said) == (1, True, True), said
    run_sql(migrated_url, "INSERT INTO schema_migrations (migration_hash, migration_id) VALUES ('x', '9999-later')")
    status, said = await idling(pair[0], "doctor", DATABASE_URL=migrated_url)
    assert (status, "a newer version was here: 9999-later" in said) == (1, True), said


@pytest.mark.parametrize("url", ["file:///proc/nothing", "s3://bucket-that-is-not-there?endpoint=http://127.0.0.1:1"])
async def test_files_that_cannot_be_put(pair: Pair, url: str) -> None:
    """It is said with its setting."""
    status, said = await idling(pair[0], "doctor", FILES_URL=url)
    assert (status, "FAIL  files:" in said, "IDLING_FILES_URL" in said) == (1, True, True), said


async def test_a_redis_that_keeps_what_it_is_told(pair: Pair) -> None:
    """One that does not bring back what is published, and one that will refuse to write when it is full."""
    server = RedisServer()
    await asyncio.to_thread(server.start)
    try:
        async with Redis.from_url(server.url) as redis:
            await redis.config_set("maxmemory", "100mb")
            await redis.acl_setuser("default", enabled=True, nopass=True, commands=["-publish"])
            status, said = await idling(pair[0], "doctor", REDIS_URL=server.url)
            await redis.replicaof("127.0.0.1", free_port())
            _, of_a_replica = await idling(pair[0], "doctor", REDIS_URL=server.url)
    finally:
        await asyncio.to_thread(server.close)
    assert status == 1
    assert "what is published does not come back" in said
    assert "allkeys-lru" in said
    assert "it keeps nothing" not in said
    assert "it keeps nothing: You can't write against a read only replica." in of_a_replica
