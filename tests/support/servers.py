"""Throw-away PostgreSQL and Redis servers that a test may kill, freeze and flush.

Each is a real server in a child process with its own temporary folder and its own
loopback TCP port, kept over restarts so that clients find it again. Durability is
off: a killed process loses nothing that the kernel already holds, and the data
dies with the test run anyway.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self
from uuid import uuid4

import psycopg2
import redis

from tests.support.binaries import find_postgres_bin, find_redis_server, unprivileged_prefix
from tests.support.ports import free_port

__all__ = [
    "EXIT_TIMEOUT_S",
    "START_TIMEOUT_S",
    "PostgresServer",
    "RedisServer",
    "Server",
    "ServerStartError",
    "free_port",
]

# A busy machine takes its time; whoever tests how long something takes measures it.
START_TIMEOUT_S = 100.0
EXIT_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 30.0

# Linux ends a child when the *thread* that started it ends. So that servers die
# with the test process, and no sooner, they are all started by this one thread.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="server-spawner")


class ServerStartError(RuntimeError):
    """A throw-away server did not come up; the message ends with its log."""


class Server(ABC):
    """One child process: started, killed, frozen and ended by signals."""

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="idling-test-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect; the same after every restart."""

    @abstractmethod
    def _command(self) -> list[str]: ...

    @abstractmethod
    def _is_ready(self) -> bool: ...

    @abstractmethod
    def _shutdown_signal(self) -> signal.Signals: ...

    def _clear_stale_files(self) -> None:  # noqa: B027 - a server that leaves nothing need not say so
        """Remove what a killed life left behind and a new one would stumble over."""

    @property
    def log_path(self) -> Path:
        """Everything the server said, over all its lives."""
        return self.folder / "server.log"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        return self._running().pid

    def start(self) -> Self:
        """Start the server and return once it answers.

        Raises:
            ServerStartError: it ended or stayed silent; with the end of its log.
        """
        if self._process is not None:
            raise ServerStartError("already running")
        self._clear_stale_files()
        with self.log_path.open("ab") as log:
            command = self._command()
            self._process = _spawner.submit(
                lambda: subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
            ).result()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self.log_path.read_text(errors="replace")[-2000:]
                if self._process.poll() is None:
                    self.kill()
                self._process = None
                raise ServerStartError(f"{command[-1]} did not start:\n{said}")
            time.sleep(0.01)
        return self

    def kill(self) -> None:
        """End every process of the server at once, as a power cut would (SIGKILL)."""
        process = self._running()
        pids = self._signal_all(signal.SIGKILL)
        process.wait(EXIT_TIMEOUT_S)
        deadline = time.monotonic() + EXIT_TIMEOUT_S
        while any(_is_alive(pid) for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.005)
        self._process = None

    def stop(self) -> None:
        """Freeze it (SIGSTOP): sockets stay open, the kernel accepts, nobody answers."""
        self._signal_all(signal.SIGSTOP)

    def cont(self) -> None:
        """Let a frozen server go on (SIGCONT)."""
        self._signal_all(signal.SIGCONT)

    def shutdown(self) -> None:
        """End it in order; `start` brings it back on the same port with the same data."""
        process = self._running()
        process.send_signal(self._shutdown_signal())
        process.wait(EXIT_TIMEOUT_S)
        self._process = None

    def restart(self) -> None:
        """End it in order and start it again."""
        self.shutdown()
        self.start()

    def close(self) -> None:
        """End it for good, in whatever state it is, and remove its folder."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ServerStartError("not running")
        return self._process

    def _signal_all(self, number: signal.Signals) -> list[int]:
        # Frozen first, the parent starts no further children while they are listed.
        parent = self._running().pid
        os.kill(parent, signal.SIGSTOP)
        pids = [parent, *_children_of(parent)]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return pids


def _children_of(pid: int) -> list[int]:
    """The direct children of a living process: PostgreSQL's backends, Redis's savers."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_alive(pid: int) -> bool:
    """Whether a process still runs; a dead one that nobody has waited for does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


class PostgresServer(Server):
    """A PostgreSQL of its own: one user, trusted on loopback, a database for each test."""

    user = "idling"

    def __init__(self) -> None:
        super().__init__()
        self._bin = find_postgres_bin()
        self._prefix = unprivileged_prefix(self.folder)
        self._data = self.folder / "data"
        subprocess.run(
            [
                *self._prefix,
                str(self._bin / "initdb"),
                *("-D", str(self._data), "-U", self.user, "-E", "UTF8", "--locale=C"),
                *("--auth=trust", "--no-sync", "--no-instructions"),
            ],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    @property
    def url(self) -> str:
        """The maintenance database; tests take one of their own from `create_database`."""
        return self._url_of("postgres")

    def create_database(self, template: str = "template1") -> str:
        """Create a fresh database, a copy of `template`, and return its libpq URL."""
        name = f"test_{uuid4().hex[:12]}"
        with self._connect() as connection, connection.cursor() as cursor:
            # The other strategy, the only one before 15, writes every page to the log: three times the work.
            how = " STRATEGY file_copy" if connection.server_version >= 150000 else ""
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"{how}')
        return self._url_of(name)

    def create_template(self, name: str, fill: Callable[[str], None]) -> str:
        """Create a database once, let `fill(url)` make its tables, and return its name.

        `fill` must leave no connection open: PostgreSQL copies only a quiet database.
        """
        self._run_sql(f'CREATE DATABASE "{name}"')
        fill(self._url_of(name))
        return name

    def drop_database(self, url: str) -> None:
        """Drop a database made by `create_database`, whoever is still connected."""
        self._run_sql(f'DROP DATABASE IF EXISTS "{url.rpartition("/")[2]}" WITH (FORCE)')

    def flush(self) -> None:
        """Drop every database that `create_database` made."""
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE 'test\\_%'")
            names = [str(row[0]) for row in cursor.fetchall()]
        for name in names:
            self.drop_database(self._url_of(name))

    def _url_of(self, database: str) -> str:
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/{database}"

    @contextlib.contextmanager
    def _connect(self) -> Iterator[psycopg2.extensions.connection]:
        connection = psycopg2.connect(self.url, connect_timeout=int(ANSWER_TIMEOUT_S))
        try:
            connection.autocommit = True
            yield connection
        finally:
            connection.close()

    def _run_sql(self, statement: str) -> None:
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def _command(self) -> list[str]:
        # synchronous_commit stays on: without it a killed server forgets what it confirmed.
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": "64MB",
            "fsync": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
            # It may all lie in memory; and what a killed server leaves behind goes with its folder.
            "min_wal_size": "32MB",
            "max_wal_size": "64MB",
            "dynamic_shared_memory_type": "mmap",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [
            *self._prefix,
            str(self._bin / "postgres"),
            "-D",
            str(self._data),
            "-p",
            str(self.port),
            *options,
        ]

    def _is_ready(self) -> bool:
        with contextlib.suppress(psycopg2.OperationalError), self._connect():
            return True
        return False

    def _shutdown_signal(self) -> signal.Signals:
        return signal.SIGINT  # "fast": ends sessions, then writes a checkpoint

    def _clear_stale_files(self) -> None:
        # The number in it may meanwhile be somebody else's process.
        (self._data / "postmaster.pid").unlink(missing_ok=True)


class RedisServer(Server):
    """A Redis of its own, in memory only, as disposable as the product takes it to be."""

    def __init__(self) -> None:
        super().__init__()
        self._binary = find_redis_server()

    @property
    def url(self) -> str:
        """The redis:// URL of database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def flush(self) -> None:
        """Forget everything (FLUSHALL)."""
        with self._connect() as client:
            client.flushall()

    def cut_subscribers(self) -> None:
        """Cut every connection that is subscribed to something (CLIENT KILL TYPE pubsub)."""
        with self._connect() as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    def calls(self, command: str) -> int:
        """Return how often a command was sent to it."""
        with self._connect() as client:
            return int(client.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0))

    def _connect(self) -> redis.Redis:
        return redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=ANSWER_TIMEOUT_S)

    def _command(self) -> list[str]:
        return [
            *unprivileged_prefix(self.folder),
            str(self._binary),
            *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)),
            *("--save", "", "--appendonly", "no"),
        ]

    def _is_ready(self) -> bool:
        with contextlib.suppress(redis.RedisError), self._connect() as client:
            return bool(client.ping())
        return False

    def _shutdown_signal(self) -> signal.Signals:
        return signal.SIGTERM
