"""The server's own role: it may do its work, and of the audit trail only add and read.

Whoever owns tables can switch their triggers off. So the server should not be the owner:
migrations run as the owner, and what serves connects as ``idling_app``. Embedded servers
get that role by themselves; elsewhere an operator makes it (docs/security.md).
"""

from __future__ import annotations

from contextlib import closing
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import psycopg2.extensions

from idling_ws.domain.errors import UnavailableError

ROLE = "idling_app"

_MAKE = f"""
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN
        CREATE ROLE {ROLE} LOGIN;
    END IF;
END $$
"""

# Given anew after each migration, so that new tables are part of it; and nothing in any
# partition of the trail, which could else be reached past the rights of the whole.
_GRANT = f"""
DO $$
DECLARE part regclass;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}' AND rolname <> current_user) THEN
        RETURN;
    END IF;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {ROLE};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {ROLE};
    FOR part IN SELECT relid FROM pg_partition_tree('audit_log') LOOP
        EXECUTE format('REVOKE ALL ON %s FROM {ROLE}', part);
    END LOOP;
    GRANT SELECT, INSERT ON audit_log TO {ROLE};
    REVOKE INSERT, UPDATE, DELETE ON audit_anchors, schema_migrations FROM {ROLE};
END $$
"""


def grant_rights(connection: psycopg2.extensions.connection) -> None:
    """Give the role what the server needs, where there is one. ``connection`` is the owner's."""
    with connection.cursor() as cursor:
        cursor.execute(_GRANT)


def make_role(url: str, superuser: str) -> str:
    """Make the role in a server that trusts whoever reaches it; return the URL to serve by. ``url`` is the owner's.

    Blocks: call it from a thread. Raises ``UnavailableError`` when the database is out of reach.
    """
    try:
        with closing(psycopg2.connect(_as(superuser, url), connect_timeout=5)) as connection, connection:
            connection.cursor().execute(_MAKE)
        with closing(psycopg2.connect(url, connect_timeout=5)) as connection, connection:
            grant_rights(connection)
    except psycopg2.OperationalError as exc:
        raise UnavailableError(message=f"The database cannot be reached: {exc}") from exc
    return _as(ROLE, url)


def _as(user: str, url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}"))
