"""The lineage of the log: whether this database is the one that wrote it, or was restored since.

After a restore streams would go on from older numbers, and devices that have seen more would
take new entries for ones they know. So the log gets a new epoch, and every cursor of its
former life is void. That must not rest on somebody's memory at four in the morning:

- A row that was put back from a dump was written by another transaction than it says: PostgreSQL
  keeps the writer of each row version in ``xmin``.
- A standby that was promoted, or a server recovered to a point in time, is on another timeline; a
  copied database has another oid, another cluster another identifier.

What cannot be seen from within is a data folder copied back as a file: ``renew`` is for that.
"""

from __future__ import annotations

import secrets

import psycopg2.extensions

# Without what is easily taken for something else.
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"
_EPOCH_CHARS = 8

# A role that may not ask for the identifier goes without: the timeline and the writer say most of it.
_NOW = """
SELECT CASE WHEN has_function_privilege('pg_control_system()', 'execute')
            THEN (SELECT system_identifier::text FROM pg_control_system()) ELSE '' END
    || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8)
    || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_WRITTEN = "SELECT lineage, written_by & 4294967295 = xmin::text::bigint FROM log_epoch FOR UPDATE"
_WRITE = "UPDATE log_epoch SET lineage = %s, written_by = pg_current_xact_id()::text::bigint"
_RENEW = f"{_WRITE}, epoch = %s, started_at = now()"


def follow(connection: psycopg2.extensions.connection) -> bool:
    """Give the log a new epoch if it was restored; return whether that was so. Commits.

    ``connection`` is the owner's, and nobody else does this at the same time.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute(_NOW)
        (now,) = cursor.fetchone() or ("",)
        cursor.execute(_WRITTEN)
        written, is_its_writer = cursor.fetchone() or (None, None)
        if written is None:
            cursor.execute(_WRITE, (now,))
        elif written != now or not is_its_writer:
            cursor.execute(_RENEW, (now, _new_epoch()))
            return True
    return False


def renew(connection: psycopg2.extensions.connection) -> str:
    """Give the log a new epoch whatever it was, and return it. Commits."""
    epoch = _new_epoch()
    with connection, connection.cursor() as cursor:
        cursor.execute(_NOW)
        (now,) = cursor.fetchone() or ("",)
        cursor.execute(_RENEW, (now, epoch))
    return epoch


def _new_epoch() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_EPOCH_CHARS))
