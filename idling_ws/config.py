"""Settings: read once from ``IDLING_*``, frozen, and wrong ones reported all at once.

What there is to set is listed in ``config_table``.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from environs import Env, EnvError, EnvValidationError

from idling_ws.config_providers import read_providers
from idling_ws.config_push import PushSettings, read_push
from idling_ws.config_table import PREFIX
from idling_ws.config_watch import WatchSettings, read_watch
from idling_ws.identity.providers import ProviderSettings
from idling_ws.store.files import open_file_store
from idling_ws.store.redis import CLUSTER_SCHEMES

POSTGRES_SCHEMES = ("postgresql", "postgres")


class SettingsError(Exception):
    """Some settings cannot be used; the message names each and says what it should be."""


# What OpenTelemetry itself calls the address of a collector.
OTLP = "OTEL_EXPORTER_OTLP_ENDPOINT"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. Durations are seconds; ``data_dir`` is absolute."""

    host: str
    port: int
    database_url: str | None
    redis_url: str | None
    replica_urls: tuple[str, ...]
    replica_max_lag_s: float
    data_dir: Path
    files_url: str
    secret_key: str = field(repr=False)
    public_url: str
    allowed_origins: frozenset[str]
    trusted_proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    guest_login: bool
    heartbeat_s: float
    stale_s: float
    session_timeout_s: float
    entry_retention_s: float
    audit_retention_days: int
    replay_limit: int
    max_connections_per_user: int
    max_connections_per_address: int
    max_connections: int
    max_arriving: int
    max_lag_ms: float
    http_rate_per_min: int
    mutations_per_min: int
    messages_per_s: float
    mailbox_bytes: int
    frame_bytes: int
    pending_mutations: int
    socket: str
    database_pool: int
    log_format: str
    log_level: str
    otel_endpoint: str | None
    push: PushSettings
    watch: WatchSettings
    # The sign-in services, from all of ``config_providers``.
    providers: tuple[ProviderSettings, ...]

    @property
    def is_embedded(self) -> bool:
        """Whether a database of our own is started."""
        return self.database_url is None

    @property
    def is_tls(self) -> bool:
        """Whether people reach the place over TLS."""
        return self.public_url.startswith("https://")


def default_data_dir() -> Path:
    """Return ``var/`` beside a checkout, else the user's data folder (XDG base directories)."""
    checkout = Path(__file__).resolve().parent.parent
    if (checkout / "setup.cfg").is_file() and (checkout / "Makefile").is_file():
        return checkout / "var"
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(home) / "idling-ws"


def origin_of(url: str) -> str:
    """Return the origin of ``url`` as a browser spells it. Raises ``ValueError`` when it has none."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("not an http:// or https:// URL")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default_port = 443 if parts.scheme == "https" else 80
    port = parts.port
    return f"{parts.scheme}://{host}" if port in (None, default_port) else f"{parts.scheme}://{host}:{port}"


def load_settings(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read all settings; ``overrides`` (from the command line) win where not None.

    Raises ``SettingsError`` naming every mistake.
    """
    source = dict(os.environ if environ is None else environ)
    if source.get(OTLP):
        source.setdefault(f"{PREFIX}OTEL_ENDPOINT", source[OTLP])
    for name, value in overrides.items():
        if value is not None:
            source[PREFIX + name.upper()] = str(value)
    return _Reader(source).read()


class _Reader:
    """Collects values and complaints."""

    def __init__(self, source: dict[str, str]) -> None:
        self._source = source
        self._problems: list[str] = []
        # environs reads the process environment; ours may be another mapping.
        self._env = Env(eager=True)

    def _get(self, name: str, kind: str, default: Any, check: Any = None) -> Any:
        key = PREFIX + name
        raw = self._source.get(key)
        if raw is None or raw == "":
            return default
        saved = os.environ.get(key)
        os.environ[key] = raw
        try:
            value = getattr(self._env, kind)(key)
            if check is not None and (complaint := check(value)):
                self._problems.append(f"{key}: {complaint}")
                return default
            return value
        except (EnvError, EnvValidationError, ValueError) as exc:
            self._problems.append(f"{key}: {str(exc).removeprefix(f'Environment variable {chr(34)}{key}{chr(34)} ')}")
            return default
        finally:
            if saved is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = saved

    def _text(self, name: str) -> str | None:
        value = self._get(name, "str", None)
        return None if value is None else str(value)

    def _complain(self, name: str, complaint: str) -> None:
        self._problems.append(f"{PREFIX}{name}: {complaint}")

    def _number(self, name: str, default: float, low: float, high: float) -> float:
        return float(self._get(name, "float", default, _between(low, high)))

    def _integer(self, name: str, default: int, low: int, high: int) -> int:
        return int(self._get(name, "int", default, _between(low, high)))

    def _choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        return str(
            self._get(name, "str", default, lambda v: None if v in choices else f"not one of {', '.join(choices)}")
        )

    def read(self) -> Settings:
        host = str(self._get("HOST", "str", "127.0.0.1"))
        port = self._integer("PORT", 8080, 0, 65535)
        database_url = self._url("DATABASE_URL", POSTGRES_SCHEMES)
        redis_url = self._url("REDIS_URL", ("redis", "rediss", "unix", *sorted(CLUSTER_SCHEMES)))
        shown_host = "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host  # noqa: S104 -- compared, not bound
        public_url = self._origin("PUBLIC_URL", f"http://{shown_host}:{port}")
        data_dir = Path(str(self._get("DATA_DIR", "str", default_data_dir()))).expanduser().absolute()
        http_rate_per_min = self._integer("HTTP_RATE_PER_MIN", 600, 1, 1_000_000_000)
        messages_per_s = self._number("MESSAGES_PER_S", 20, 0.1, 1e6)
        settings = Settings(
            host=host,
            port=port,
            database_url=database_url,
            redis_url=redis_url,
            replica_urls=self._replica_urls(database_url),
            replica_max_lag_s=self._number("REPLICA_MAX_LAG_S", 10, 0.1, 3600),
            data_dir=data_dir,
            files_url=str(self._get("FILES_URL", "str", data_dir / "files", _names_no_place)),
            secret_key=self._secret_key(database_url, data_dir),
            public_url=public_url,
            allowed_origins=self._origins(public_url),
            trusted_proxies=self._networks(),
            guest_login=bool(self._get("GUEST_LOGIN", "bool", database_url is None)),
            heartbeat_s=self._number("HEARTBEAT_S", 25, 0.2, 3600),
            stale_s=self._number("STALE_S", 90, 0.5, 86400),
            session_timeout_s=self._number("SESSION_TIMEOUT_S", 300, 1, 864000),
            entry_retention_s=self._number("ENTRY_RETENTION_S", 604800, 1, 1e9),
            audit_retention_days=self._integer("AUDIT_RETENTION_DAYS", 365, 31, 36_500),
            replay_limit=self._integer("REPLAY_LIMIT", 10000, 1, 1_000_000),
            max_connections_per_user=self._integer("MAX_CONNECTIONS_PER_USER", 20, 1, 1_000_000),
            max_connections_per_address=self._integer("MAX_CONNECTIONS_PER_ADDRESS", 1000, 1, 1_000_000),
            max_connections=self._integer("MAX_CONNECTIONS", 100_000, 1, 10_000_000),
            max_arriving=self._integer("MAX_ARRIVING", 2000, 1, 1_000_000),
            max_lag_ms=self._number("MAX_LAG_MS", 1000, 1, 60_000),
            http_rate_per_min=http_rate_per_min,
            mutations_per_min=self._integer(
                "MUTATIONS_PER_MIN", max(10 * http_rate_per_min, int(300 * messages_per_s)), 1, 10**11
            ),
            messages_per_s=messages_per_s,
            mailbox_bytes=self._integer("MAILBOX_BYTES", 1 << 20, 4096, 1 << 30),
            frame_bytes=self._integer("FRAME_BYTES", 32768, 1024, 1 << 24),
            pending_mutations=self._integer("PENDING_MUTATIONS", 64, 1, 100_000),
            socket=self._choice("SOCKET", "direct", ("direct", "stock")),
            database_pool=self._integer("DATABASE_POOL", 10, 2, 1000),
            log_format=self._choice("LOG_FORMAT", "console" if os.isatty(2) else "json", ("console", "json")),
            log_level=self._choice("LOG_LEVEL", "info", ("debug", "info", "warning", "error")),
            otel_endpoint=self._url("OTEL_ENDPOINT", ("http", "https")),
            push=read_push(
                self._text, self._complain, public_url, private=bool(self._get("PUSH_PRIVATE", "bool", False))
            ),
            watch=read_watch(self._text, self._complain),
            providers=read_providers(self._text, self._complain),
        )
        if self._problems:
            raise SettingsError("\n".join(self._problems))
        return settings

    def _url(self, name: str, schemes: tuple[str, ...]) -> str | None:
        value = self._get(
            name,
            "str",
            None,
            lambda v: None if urlsplit(v).scheme in schemes else f"not a {' or '.join(s + '://' for s in schemes)} URL",
        )
        return None if value is None else str(value)

    def _replica_urls(self, database_url: str | None) -> tuple[str, ...]:
        urls = tuple(url.strip() for url in str(self._get("REPLICA_URLS", "str", "")).split(",") if url.strip())
        if urls and database_url is None:
            self._complain("REPLICA_URLS", f"of no use without {PREFIX}DATABASE_URL")
        for url in urls:
            if urlsplit(url).scheme not in POSTGRES_SCHEMES:
                self._complain("REPLICA_URLS", "not postgresql:// URLs, separated by commas")
        return urls

    def _origin(self, name: str, default: str) -> str:
        value = str(self._get(name, "str", default))
        try:
            return origin_of(value)
        except ValueError as exc:
            self._problems.append(f"{PREFIX}{name}: {exc}")
            return default

    def _origins(self, public_url: str) -> frozenset[str]:
        origins = {public_url}
        for item in str(self._get("ALLOWED_ORIGINS", "str", "")).split(","):
            if not item.strip():
                continue
            try:
                origins.add(origin_of(item.strip()))
            except ValueError as exc:
                self._problems.append(f"{PREFIX}ALLOWED_ORIGINS: {item.strip()!r} is {exc}")
        return frozenset(origins)

    def _networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        networks = []
        for item in str(self._get("TRUSTED_PROXIES", "str", "")).split(","):
            if not item.strip():
                continue
            try:
                networks.append(ipaddress.ip_network(item.strip(), strict=False))
            except ValueError:
                self._problems.append(f"{PREFIX}TRUSTED_PROXIES: {item.strip()!r} is not an address or a network")
        return tuple(networks)

    def _secret_key(self, database_url: str | None, data_dir: Path) -> str:
        given = self._get("SECRET_KEY", "str", None)
        path = self._get("SECRET_KEY_FILE", "str", None)
        if given is None and path is not None:
            try:
                given = Path(str(path)).read_text(encoding="utf-8").strip()
            except OSError as exc:
                self._problems.append(f"{PREFIX}SECRET_KEY_FILE: {exc.strerror}: {path}")
                return ""
        if given is None:
            if database_url is not None:
                self._problems.append(f"{PREFIX}SECRET_KEY: required when {PREFIX}DATABASE_URL is set")
                return ""
            return "" if self._problems else _generated_secret(data_dir)
        if len(str(given)) < 32:
            self._problems.append(f"{PREFIX}SECRET_KEY: must be at least 32 characters long")
        return str(given)


def _between(low: float, high: float) -> Any:
    return lambda value: None if low <= value <= high else f"not between {low:g} and {high:g}"


def _names_no_place(url: str) -> str | None:
    """Return why files cannot lie at ``url``."""
    try:
        open_file_store(url)
    except ValueError as exc:
        return str(exc)
    return None


def _generated_secret(data_dir: Path) -> str:
    """Return the secret of the data folder, made once. Raises ``SettingsError``."""
    path = data_dir / "secret_key"
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_text(encoding="utf-8").strip()
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            secret = secrets.token_urlsafe(48)
            file.write(secret + "\n")
            file.flush()
            os.fsync(file.fileno())
        return secret
    except OSError as exc:
        raise SettingsError(f"{PREFIX}DATA_DIR: {exc.strerror}: {exc.filename}") from exc
