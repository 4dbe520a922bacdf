"""The embedded PostgreSQL: made once, whole or not at all, then run on a private socket.

`postgres` is its superuser and nobody's business; the server is handed the role
`idling`, which owns the database `idling` and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from pathlib import Path
from urllib.parse import quote

from idling_ws.embedded.binaries import PostgresBinaries, find_postgres
from idling_ws.embedded.child import Child
from idling_ws.embedded.errors import OWN_SERVERS, EmbeddedServersError, explained

# For a laptop: little memory, little disk, and every commit on the disk.
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    "jit": "off",
    "timezone": "UTC",
    # One file for each day of the week, written over a week later. Inside the cluster's
    # folder, whose owner is always the user that the server runs as.
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgres-%a.log",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
}

# What a fresh cluster gets, in single-user mode: one statement a line.
SUPERUSER = "postgres"
FIRST_STATEMENTS = """\
CREATE ROLE idling LOGIN
CREATE DATABASE idling OWNER idling
"""


def postgres_url(sockets: Path) -> str:
    """Return the libpq URL of the product's database."""
    return f"postgresql://idling@/idling?host={quote(str(sockets), safe='')}&port=5432"


class Postgres(Child):
    """PostgreSQL on a unix socket, trusting whoever may enter the socket's folder: us."""

    name = "postgres"
    gentle_signal = signal.SIGINT  # "fast": ends sessions, writes a checkpoint

    def __init__(self, data_dir: Path, sockets: Path) -> None:
        super().__init__(data_dir, sockets)
        self._binaries: PostgresBinaries | None = None

    async def start(self) -> None:
        """Make the cluster if there is none yet, then run it.

        Raises:
            EmbeddedServersError: no binaries, no room, no permission, or foreign data.
        """
        self._binaries = find_postgres(self._made_by())
        if not self.folder.exists():
            await self._make_cluster(self._binaries)
        await super().start()

    def command(self) -> list[str]:
        """Return the server and its settings: all on the command line, so no file of ours goes stale."""
        if self._binaries is None:
            raise EmbeddedServersError("PostgreSQL was not started")
        directory = str(self.sockets).replace('"', '""')
        settings = {
            **SETTINGS,
            "unix_socket_directories": f'"{directory}"',
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self._binaries.postgres), "-D", str(self.folder), *options]

    async def is_ready(self) -> bool:
        """Read the status line that the server keeps in its pid file, as `pg_ctl` does."""
        with contextlib.suppress(OSError, IndexError):
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
            return lines[0] == str(self.pid) and lines[7].strip() == "ready"
        return False

    async def ask_to_end(self, process: asyncio.subprocess.Process) -> None:
        """Ask for a fast shutdown."""
        process.send_signal(self.gentle_signal)

    def log_paths(self) -> list[Path]:
        """Return our file, which has its first words, and its own."""
        return [self.log_path, *sorted((self.folder / "log").glob("postgres-*.log"))]

    def stale_files(self) -> list[Path]:
        """Return the files with the pid of an earlier life: it may be another process by now."""
        socket = self.sockets / ".s.PGSQL.5432"
        return [self.folder / "postmaster.pid", socket, socket.with_name(f"{socket.name}.lock")]

    def _made_by(self) -> int | None:
        """Return the major version that made the cluster; None if there is no cluster."""
        if not self.folder.exists():
            return None
        with explained("read the PostgreSQL data", self.folder):
            version_file = self.folder / "PG_VERSION"
            if not version_file.exists():
                raise EmbeddedServersError(
                    f"{self.folder} is there but holds no PostgreSQL data: move it away, "
                    f"set IDLING_DATA_DIR to another folder, or {OWN_SERVERS}."
                )
            return int(version_file.read_text().split(".")[0])

    async def _make_cluster(self, binaries: PostgresBinaries) -> None:
        # In a folder beside, moved into place when all of it is on the disk: whatever
        # happens before that leaves nothing that could be taken for a cluster.
        for leftover in self.data_dir.glob("postgres.new*"):
            shutil.rmtree(leftover, ignore_errors=True)
        fresh = self.data_dir / f"postgres.new-{os.getpid()}"
        try:
            with explained("make a PostgreSQL cluster", fresh):
                fresh.mkdir(mode=0o700)
            await self.run_once(
                [
                    *(str(binaries.initdb), "-D", str(fresh), f"--username={SUPERUSER}", "--encoding=UTF8"),
                    *("--locale=C", "--data-checksums", "--auth-local=trust", "--auth-host=reject"),
                    "--no-instructions",
                ],
                fresh,
            )
            await self.run_once(
                [str(binaries.postgres), "--single", "-D", str(fresh), "-c", "exit_on_error=on", "template1"],
                fresh,
                FIRST_STATEMENTS,
            )
            with explained("make a PostgreSQL cluster", fresh):
                fresh.rename(self.folder)
                parent = os.open(self.data_dir, os.O_RDONLY)
                try:
                    os.fsync(parent)
                finally:
                    os.close(parent)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
