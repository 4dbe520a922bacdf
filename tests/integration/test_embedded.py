"""The embedded servers live as long as we do: no shorter, no longer, whatever kills whom."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from pathlib import Path

import psycopg2
import pytest
import uvloop

from idling_ws.embedded import EmbeddedServers, child, running_endpoints
from tests.support.embedded_folders import connect_redis, data_dir, eventually, made_folder, servers
from tests.support.hosts import Host, all_ended, hosting, wait_until_all_ended
from tests.support.rows import run_sql

__all__ = ["data_dir", "made_folder", "servers"]  # fixtures


async def test_a_first_start_makes_everything(tmp_path: Path) -> None:
    """An empty place becomes a private folder with both servers, durable and off the network."""
    folder = tmp_path / "new" / "data"
    servers = EmbeddedServers(folder)
    endpoints = await servers.start()
    try:
        for path in (folder, folder / "postgres", folder / "redis", folder / "run"):
            assert path.stat().st_mode & 0o777 == 0o700, path
        settings = {
            "fsync": "on",
            "synchronous_commit": "on",
            "max_connections": "100",
            "shared_buffers": "128MB",
            "listen_addresses": "",
            "data_checksums": "on",
            "server_encoding": "UTF8",
        }
        shown = {name: run_sql(endpoints.database_url, f"SHOW {name}")[0][0] for name in settings}
        assert shown == settings
        database = "FROM pg_database WHERE datname = current_database()"
        assert run_sql(endpoints.database_url, f"SELECT datname, datcollate {database}") == [("idling", "C")]
        role = "FROM pg_roles WHERE rolname = current_user"
        assert run_sql(endpoints.database_url, f"SELECT rolname, rolsuper {role}") == [("idling", False)]
        run_sql(endpoints.database_url, "CREATE TABLE mine (id int)")
        with connect_redis(endpoints) as client:
            config = client.config_get()
            assert (config["port"], config["appendonly"]) == ("0", "yes")
    finally:
        await servers.stop()
    assert all_ended(folder)
    assert not list(folder.glob("postgres.new*"))


async def test_what_was_written_is_there_after_a_restart(servers: EmbeddedServers, data_dir: Path) -> None:
    """Stop and start: rows and keys are kept, the addresses are the same."""
    before = await servers.start()
    run_sql(before.database_url, "INSERT INTO kept VALUES (1)")
    with connect_redis(before) as client:
        client.set("key", "value")
    await servers.stop()
    assert all_ended(data_dir)
    after = await servers.start()
    assert after == before
    assert run_sql(after.database_url, "SELECT id FROM kept") == [(1,)]
    with connect_redis(after) as client:
        assert client.get("key") == b"value"


async def test_stopping_twice_and_without_a_start_is_fine(servers: EmbeddedServers) -> None:
    """`stop` says what is true afterwards, and it is true already."""
    await servers.stop()
    await servers.start()
    await servers.stop()
    await servers.stop()
    assert (servers.postgres_pid, servers.redis_pid) == (None, None)


async def test_a_killed_postgres_comes_back(servers: EmbeddedServers) -> None:
    """SIGKILL while a session of it hangs: the same address answers again, commits are there."""
    endpoints = await servers.start()
    run_sql(endpoints.database_url, "INSERT INTO kept VALUES (2)")
    hanging = psycopg2.connect(endpoints.database_url)
    # It would keep the memory of the old life in use, and so the new one from starting.
    os.kill(hanging.get_backend_pid(), signal.SIGSTOP)
    first_pid = servers.postgres_pid
    assert first_pid is not None
    os.kill(first_pid, signal.SIGKILL)
    assert await eventually(lambda: run_sql(endpoints.database_url, "SELECT id FROM kept")) == [(2,)]
    assert servers.postgres_pid not in (first_pid, None)
    hanging.close()


async def test_a_killed_redis_comes_back(servers: EmbeddedServers) -> None:
    """SIGKILL: the same address answers again, and the append-only file has the keys."""
    endpoints = await servers.start()
    first_pid = servers.redis_pid
    assert first_pid is not None
    with connect_redis(endpoints) as client:
        client.set("key", "value")
        os.kill(first_pid, signal.SIGKILL)
        assert await eventually(lambda: client.get("key")) == b"value"
    assert servers.redis_pid not in (first_pid, None)


async def test_it_comes_back_however_often_it_is_killed(servers: EmbeddedServers) -> None:
    """Each life is watched like the first."""
    endpoints = await servers.start()
    with connect_redis(endpoints) as client:
        for _ in range(3):
            pid = await eventually(lambda: client.info("server")["process_id"])
            os.kill(pid, signal.SIGKILL)
        assert await eventually(client.ping)


async def test_a_cancelled_start_leaves_nothing_running(tmp_path: Path) -> None:
    """Ctrl-C while the cluster is being made: no process, no lock, and the next start works."""
    for attempt in range(5):
        folder = tmp_path / f"data{attempt}"
        servers = EmbeddedServers(folder)
        starting = asyncio.create_task(servers.start())
        while not list(folder.glob("postgres.new*/base")) and not starting.done():
            await asyncio.sleep(0.005)
        if starting.cancel():
            break
        await servers.stop()  # the moment was missed: on a busy machine it may be
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert all_ended(folder)
    endpoints = await servers.start()
    assert run_sql(endpoints.database_url, "SELECT 1") == [(1,)]
    await servers.stop()


def test_it_runs_on_uvloop_too(data_dir: Path) -> None:
    """The loop that the server uses where it can."""

    async def live() -> None:
        servers = EmbeddedServers(data_dir)
        endpoints = await servers.start()
        pid = servers.postgres_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert await eventually(lambda: run_sql(endpoints.database_url, "SELECT 1")) == [(1,)]
        await servers.stop()

    uvloop.run(live())
    assert all_ended(data_dir)


def test_they_end_when_we_are_killed(data_dir: Path) -> None:
    """`kill -9` of us: both end by themselves, and the next start has everything."""
    with hosting(data_dir) as host:
        run_sql(host.said["database_url"], "INSERT INTO kept VALUES (3)")
        host.kill()
    wait_until_all_ended(data_dir)
    with hosting(data_dir) as host:
        assert run_sql(host.said["database_url"], "SELECT id FROM kept") == [(3,)]


def test_a_start_right_after_we_were_killed(data_dir: Path) -> None:
    """The next start does not wait for anybody to tidy up first."""
    for _ in range(3):
        with hosting(data_dir) as host:
            assert run_sql(host.said["database_url"], "SELECT 1") == [(1,)]
            host.kill()


def test_frozen_servers_of_an_earlier_life_are_ended(data_dir: Path) -> None:
    """They could not hear that we died; the next start ends them and takes their place."""
    with hosting(data_dir) as host:
        run_sql(host.said["database_url"], "INSERT INTO kept VALUES (4)")
        for name in ("postgres_pid", "redis_pid"):
            os.kill(host.said[name], signal.SIGSTOP)
        host.kill()
    assert not all_ended(data_dir)
    with hosting(data_dir) as second:
        assert second.said["postgres_pid"] != host.said["postgres_pid"]
        assert run_sql(second.said["database_url"], "SELECT id FROM kept") == [(4,)]


def test_everything_killed_at_once(data_dir: Path) -> None:
    """A power cut, and the number in the stale pid files is now somebody else's: no matter."""
    with hosting(data_dir) as host:
        run_sql(host.said["database_url"], "INSERT INTO kept VALUES (5)")
        # Frozen first, they cannot end in order when we go.
        for name in ("postgres_pid", "redis_pid"):
            os.kill(host.said[name], signal.SIGSTOP)
        host.kill()
        for name in ("postgres_pid", "redis_pid"):
            os.kill(host.said[name], signal.SIGKILL)
    wait_until_all_ended(data_dir)
    for stale in (data_dir / "postgres" / "postmaster.pid", data_dir / "run" / ".s.PGSQL.5432.lock"):
        lines = stale.read_text().splitlines(keepends=True)
        stale.write_text("".join([f"{os.getpid()}\n", *lines[1:]]))
    with hosting(data_dir) as second:
        assert run_sql(second.said["database_url"], "SELECT id FROM kept") == [(5,)]


def test_killed_while_the_cluster_is_made(tmp_path: Path) -> None:
    """What is half made is never taken for a cluster: the next start begins anew."""
    for attempt in range(5):
        folder = tmp_path / f"data{attempt}"
        with hosting(folder, wait=False) as host:
            while not list(folder.glob("postgres.new*/base")) and not (folder / "postgres").exists():
                assert host.process.poll() is None
                time.sleep(0.005)
            host.kill()
        if not (folder / "postgres").exists():
            break  # else the moment was missed: on a busy machine it may be
    assert not (folder / "postgres").exists()
    with hosting(folder) as host:
        assert run_sql(host.said["database_url"], "SELECT 1") == [(1,)]
    assert not list(folder.glob("postgres.new*"))


def test_ctrl_c_leaves_no_process(data_dir: Path) -> None:
    """SIGINT to the whole group, as a terminal sends it: in order, nothing to recover next time."""
    with hosting(data_dir) as host:
        for name in ("postgres_pid", "redis_pid"):
            assert os.getsid(host.said[name]) == host.said[name], "the terminal's Ctrl-C would reach it too"
        assert host.interrupt() == 0
    assert all_ended(data_dir)
    with hosting(data_dir):
        pass
    said = "".join(log.read_text() for log in (data_dir / "postgres" / "log").iterdir())
    assert "database system is shut down" in said
    assert "not properly shut down" not in said


async def test_a_frozen_server_cannot_keep_us_from_ending(
    servers: EmbeddedServers, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are asked; then, when their time is up, made to."""
    monkeypatch.setattr(child, "GENTLE_S", 0.2)
    await servers.start()
    for pid in (servers.postgres_pid, servers.redis_pid):
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
    await servers.stop()
    assert all_ended(data_dir)


def test_of_two_at_once_the_second_is_told_what_to_do(data_dir: Path) -> None:
    """The first is not disturbed, and once it has ended the folder is free."""
    with hosting(data_dir) as first:
        with hosting(data_dir) as second:
            said = second.said["error"]
        assert f"in use by another idling-ws (process {first.process.pid})" in said
        assert "IDLING_DATA_DIR" in said
        assert run_sql(first.said["database_url"], "SELECT 1") == [(1,)]
    with hosting(data_dir) as third:
        assert "error" not in third.said


def test_of_many_at_once_exactly_one_gets_the_folder(tmp_path: Path) -> None:
    """Also when nothing has been made yet."""
    folder = tmp_path / "data"
    hosts = [Host(folder, wait=False) for _ in range(4)]
    said = [host.listen() for host in hosts]
    for host in hosts:
        host.close()
    assert sum("error" in words for words in said) == 3
    assert all_ended(folder)


def test_a_command_beside_a_running_server_finds_its_servers(data_dir: Path) -> None:
    """As long as it runs; neither before, nor after, nor when it was killed."""
    assert running_endpoints(data_dir) is None
    with hosting(data_dir) as host:
        running = running_endpoints(data_dir)
        assert running is not None
        assert (running.database_url, running.redis_url) == (host.said["database_url"], host.said["redis_url"])
        assert run_sql(running.database_url, "SELECT 1") == [(1,)]
    assert running_endpoints(data_dir) is None
    with hosting(data_dir) as host:
        host.kill()
    wait_until_all_ended(data_dir)
    assert running_endpoints(data_dir) is None


async def test_an_unreadable_redis_file_is_put_aside(data_dir: Path) -> None:
    """Redis is disposable: it starts empty, and what it could not read is kept beside."""
    shutil.rmtree(data_dir / "redis")
    (data_dir / "redis").mkdir(mode=0o700)
    broken = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\nthis is no command\r\n" * 20
    (data_dir / "redis" / "appendonly.aof").write_bytes(broken)
    servers = EmbeddedServers(data_dir)
    endpoints = await servers.start()
    with connect_redis(endpoints) as client:
        assert client.dbsize() == 0
    await servers.stop()
    assert (data_dir / "redis.unreadable" / "appendonly.aof").read_bytes() == broken
