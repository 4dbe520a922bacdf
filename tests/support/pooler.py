"""A PgBouncer of a test's own: transaction pooling over few connections, so that every one is lent about."""

from __future__ import annotations

import contextlib
import shutil
import signal

import psycopg2

from tests.support.binaries import unprivileged_prefix
from tests.support.servers import PostgresServer, Server

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
LENT = 3
"""Connections to PostgreSQL for each database: fewer than any instance holds of its own."""


class Pooler(Server):
    """One PgBouncer with the usual settings, but for the mode, the number, and whom it trusts."""

    def __init__(self, postgres: PostgresServer) -> None:
        super().__init__()
        self._postgres = postgres

    @property
    def url(self) -> str:
        """The maintenance database, through it."""
        return self.url_of(self._postgres.url)

    def url_of(self, database_url: str) -> str:
        """Return the way to a database of its PostgreSQL that leads through it."""
        return database_url.replace(f":{self._postgres.port}/", f":{self.port}/")

    def _command(self) -> list[str]:
        assert PGBOUNCER is not None
        users, settings = self.folder / "users.txt", self.folder / "pgbouncer.ini"
        users.write_text(f'"{self._postgres.user}" ""\n')
        settings.write_text(
            f"[databases]\n* = host=127.0.0.1 port={self._postgres.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {users}\n"
            f"pool_mode = transaction\ndefault_pool_size = {LENT}\nmax_client_conn = 500\n"
        )
        # Both are made by whoever runs the tests, and read by whom it runs as.
        prefix = unprivileged_prefix(self.folder)
        for path in (users, settings):
            path.chmod(0o644)
        return [*prefix, PGBOUNCER, str(settings)]

    def _is_ready(self) -> bool:
        with contextlib.suppress(psycopg2.OperationalError):
            psycopg2.connect(self.url, connect_timeout=5).close()
            return True
        return False

    def _shutdown_signal(self) -> signal.Signals:
        return signal.SIGINT
