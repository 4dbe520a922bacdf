"""What can be set: each setting, its default and what it means.

The table of ``docs/configuration.md`` is held against ``SETTINGS`` by a test.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from idling_ws import config_providers, config_push, config_watch

PREFIX = "IDLING_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One documented setting: its name without the prefix, its default as text, and what it means."""

    name: str
    default: str
    meaning: str


SETTINGS: tuple[Setting, ...] = (
    Setting("HOST", "127.0.0.1", "The address to listen on."),
    Setting("PORT", "8080", "The port to listen on."),
    Setting("DATABASE_URL", "unset: embedded", "A libpq URL of PostgreSQL 15 or newer."),
    Setting(
        "REPLICA_URLS",
        "none",
        "Comma-separated libpq URLs of streaming replicas, one server each: reads that may lag go there.",
    ),
    Setting("REPLICA_MAX_LAG_S", "10", "Seconds that a replica may be behind before nothing is read from it."),
    Setting(
        "REDIS_URL",
        "unset: embedded",
        "`redis://`, `rediss://` or `unix://`; `redis+cluster://host:port,host:port` for a Redis Cluster (7 or newer).",
    ),
    Setting(
        "DATA_DIR", "`var/` beside the checkout, else the user's data folder", "Embedded servers and generated secrets."
    ),
    Setting(
        "FILES_URL",
        "`files/` in the data folder",
        "Where uploads lie, the same for all instances: a folder or `s3://bucket/prefix?endpoint=…&region=…`.",
    ),
    Setting(
        "SECRET_KEY", "generated once when embedded; else required", "At least 32 characters. Seals keys and cookies."
    ),
    Setting("SECRET_KEY_FILE", "unset", "A file that holds the secret key instead."),
    Setting("PUBLIC_URL", "from host and port", "Where people reach the place: its origin, and the issuer of tokens."),
    Setting("ALLOWED_ORIGINS", "none but the public URL's", "Comma-separated further origins whose pages may connect."),
    Setting(
        "TRUSTED_PROXIES",
        "none",
        "Comma-separated addresses or networks whose `X-Forwarded-For` and `-Proto` count, or else `Forwarded`.",
    ),
    Setting("GUEST_LOGIN", "on when embedded, else off", "Whether anybody may come in as a guest."),
    Setting("HEARTBEAT_S", "25", "Seconds between heartbeats on a socket."),
    Setting("STALE_S", "90", "Seconds of silence after which somebody counts as away."),
    Setting("SESSION_TIMEOUT_S", "300", "Seconds of silence after which an idle session ends by itself."),
    Setting("ENTRY_RETENTION_S", "604800", "Seconds for which a cursor can be resumed."),
    Setting(
        "AUDIT_RETENTION_DAYS", "365", "Days for which the audit trail is kept at least; what is older goes by months."
    ),
    Setting("REPLAY_LIMIT", "10000", "Entries replayed to a cursor at most; beyond, a fresh state."),
    Setting("MAX_CONNECTIONS_PER_USER", "20", "Sockets and event streams of one user on one instance."),
    Setting(
        "MAX_CONNECTIONS_PER_ADDRESS",
        "1000",
        "Sockets and event streams of one address (IPv6: of its /64) on one instance; this machine's own do not count.",
    ),
    Setting("MAX_CONNECTIONS", "100000", "Sockets of one instance; beyond, 503 before the upgrade."),
    Setting(
        "MAX_ARRIVING",
        "2000",
        "Devices between hello and welcome on one instance; beyond, 4100, or 503 for an event stream.",
    ),
    Setting(
        "MAX_LAG_MS",
        "1000",
        "Once the event loop was later than this at four looks in a row, newcomers and reads over HTTP get 503.",
    ),
    Setting(
        "HTTP_RATE_PER_MIN", "600", "Requests a minute of a user over all instances; of an address without one a fifth."
    ),
    Setting(
        "MUTATIONS_PER_MIN",
        "the larger of 10 x `HTTP_RATE_PER_MIN` and 300 x `MESSAGES_PER_S`: 6000",
        "Mutations a minute of a user over all instances and transports.",
    ),
    Setting("MESSAGES_PER_S", "20", "Messages a second on one socket; three times as many in a burst."),
    Setting("MAILBOX_BYTES", "1048576", "Bytes that may wait for one socket before it counts as slow."),
    Setting("FRAME_BYTES", "32768", "Bytes of one frame from a client."),
    Setting("PENDING_MUTATIONS", "64", "Mutations in flight on one socket."),
    Setting("SOCKET", "direct", "`direct`: sockets without a task each; `stock`: aiohttp's own WebSocketResponse."),
    Setting("DATABASE_POOL", "10", "Connections to PostgreSQL at most, per instance."),
    Setting("LOG_FORMAT", "`console` on a terminal, else `json`", "`console` or `json`."),
    Setting("LOG_LEVEL", "info", "`debug`, `info`, `warning` or `error`."),
    Setting(
        "OTEL_ENDPOINT",
        "`OTEL_EXPORTER_OTLP_ENDPOINT`, else unset: no traces",
        "Where a collector takes traces by OTLP over HTTP, without `/v1/traces`. Needs the extra `otel`.",
    ),
    *(Setting(*row) for row in (*config_watch.documented(), *config_push.documented(), *config_providers.documented())),
)


def unknown_settings(environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the ``IDLING_*`` names that mean nothing: probably misspelt."""
    known = {PREFIX + setting.name for setting in SETTINGS}
    source = os.environ if environ is None else environ
    return sorted(name for name in source if name.startswith(PREFIX) and name not in known)


def settings_table() -> str:
    """Return the Markdown table of all settings, as ``docs/configuration.md`` holds it."""
    rows = [f"| `{PREFIX}{setting.name}` | {setting.default} | {setting.meaning} |" for setting in SETTINGS]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows])
