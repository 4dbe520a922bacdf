"""Migrations: plain SQL files, applied once each, by one instance at a time.

yoyo keeps the record. Its own lock row outlives a crash and would block every later
start, so an advisory lock, which dies with its connection, stands around it. It belongs to
a transaction and not to a session: a pooler may lend sessions to others.
"""

from __future__ import annotations

import logging
from contextlib import closing
from importlib.resources import as_file, files

import psycopg2

from idling_ws.domain.errors import UnavailableError
from idling_ws.store import lineage
from idling_ws.store.server_role import grant_rights

# Any constant will do; it only has to be the same in every instance.
_ADVISORY_LOCK = 4_941_002

log = logging.getLogger(__name__)


def migrate(url: str) -> list[str]:
    """Bring the database at ``url`` to the newest shape; return the names applied now.

    Blocks: call it from a thread. Raises ``UnavailableError`` when the database is out of reach.
    """
    try:
        guard = psycopg2.connect(url, connect_timeout=5)
    except psycopg2.OperationalError as exc:
        raise UnavailableError(message=f"The database cannot be reached: {exc}") from exc
    try:
        with guard.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_ADVISORY_LOCK,))
        names = _apply(url)
        with closing(psycopg2.connect(url, connect_timeout=5)) as connection:
            connection.autocommit = True
            grant_rights(connection)
        with closing(psycopg2.connect(url, connect_timeout=5)) as connection:
            if lineage.follow(connection):
                log.warning("the data was restored: cursors of before are void, and devices get a fresh state")
        return names
    finally:
        guard.close()  # and with it the lock


def renew_epoch(url: str) -> str:
    """Void every cursor: for a data folder that was copied back, which nothing in it shows. Return the new epoch.

    Instances that run must be started again. Blocks. Raises ``UnavailableError`` when the database is out of reach.
    """
    try:
        with closing(psycopg2.connect(url, connect_timeout=5)) as connection:
            return lineage.renew(connection)
    except psycopg2.OperationalError as exc:
        raise UnavailableError(message=f"The database cannot be reached: {exc}") from exc


def _apply(url: str) -> list[str]:
    # Here, so that a server over a database that is ready (each worker, most restarts) starts without.
    from yoyo import get_backend, read_migrations

    with as_file(files("idling_ws.store") / "migrations") as folder:
        backend = get_backend(url, migration_table="schema_migrations")
        with closing(backend.connection):
            migrations = read_migrations(str(folder))
            backend.break_lock()  # ours is the real lock: a row left by a crash means nothing
            with backend.lock():
                pending = backend.to_apply(migrations)
                names = [migration.id for migration in pending]
                backend.apply_migrations(pending)
    for name in names:
        log.info("migrated %s", name)
    return names


def packaged_migrations() -> list[str]:
    """Return the names of all migrations this version knows, in order."""
    folder = files("idling_ws.store") / "migrations"
    return sorted(entry.name.removesuffix(".sql") for entry in folder.iterdir() if entry.name.endswith(".sql"))
