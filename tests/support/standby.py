"""A streaming replica of a throw-away PostgreSQL: a real one, copied by pg_basebackup, paused by its own function."""

from __future__ import annotations

import subprocess
import time

from tests.support.binaries import find_postgres_bin, unprivileged_prefix
from tests.support.servers import START_TIMEOUT_S, PostgresServer, Server, ServerStartError

CATCH_UP_S = 60.0


def can_copy() -> bool:
    """Whether the PostgreSQL that the tests run can copy itself; the one from the wheel cannot."""
    return (find_postgres_bin() / "pg_basebackup").exists()


class StandbyServer(PostgresServer):
    """One server that follows ``primary``, which has to run when this is made."""

    def __init__(self, primary: PostgresServer) -> None:
        Server.__init__(self)  # not its parent's, which would make a database of its own
        self.primary = primary
        self._bin = find_postgres_bin()
        self._prefix = unprivileged_prefix(self.folder)
        self._data = self.folder / "data"
        subprocess.run(
            [
                *self._prefix,
                str(self._bin / "pg_basebackup"),
                *("-h", "127.0.0.1", "-p", str(primary.port), "-U", self.user),
                *("-D", str(self._data), "--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
            ],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=START_TIMEOUT_S,
        )

    def url_of(self, primary_url: str) -> str:
        """Return where a database of the primary is here."""
        return self._url_of(primary_url.rpartition("/")[2])

    def pause(self) -> None:
        """Replay no more; what comes is kept for later."""
        self._run_sql("SELECT pg_wal_replay_pause()")
        self._wait_for("SELECT pg_get_wal_replay_pause_state() = 'paused'")

    def lag(self, milliseconds: int) -> None:
        """Replay each commit so much after it was made, from now on."""
        self._run_sql(f"ALTER SYSTEM SET recovery_min_apply_delay = {milliseconds}")
        self._run_sql("SELECT pg_reload_conf()")
        self._wait_for(f"SELECT setting = '{milliseconds}' FROM pg_settings WHERE name = 'recovery_min_apply_delay'")

    def resume(self) -> None:
        """Replay on."""
        self._run_sql("SELECT pg_wal_replay_resume()")

    def catch_up(self) -> None:
        """Wait until everything is replayed that the primary has now."""
        with self.primary._connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_lsn()")
            row = cursor.fetchone()
        assert row is not None
        self._wait_for(f"SELECT pg_last_wal_replay_lsn() >= '{row[0]}'")

    def _wait_for(self, sql: str) -> None:
        deadline = time.monotonic() + CATCH_UP_S
        while time.monotonic() < deadline:
            with self._connect() as connection, connection.cursor() as cursor:
                cursor.execute(sql)
                if cursor.fetchone() == (True,):
                    return
            time.sleep(0.02)
        raise ServerStartError(f"never true of the replica: {sql}")
