"""The settings of watching: when an operator is told, where, and how much room there has to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

DISK_FREE_BYTES = 100 << 20
ERRORS_PER_MIN = 20


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """``webhook_url`` hears of notices, None: nobody does. ``errors_per_min`` and ``disk_free_bytes``: 0 is never."""

    webhook_url: str | None = field(repr=False)
    errors_per_min: int
    disk_free_bytes: int


def documented() -> list[tuple[str, str, str]]:
    """Return name, default and meaning of each setting, as ``config.Setting`` has them."""
    return [
        (
            "ALERT_WEBHOOK_URL",
            "unset",
            "Where operator notices are posted as JSON when a fault begins to last and when it is over.",
        ),
        (
            "ALERT_ERRORS_PER_MIN",
            str(ERRORS_PER_MIN),
            "Errors of ours in a minute on one instance from which on operators are told; 0: never.",
        ),
        (
            "DISK_FREE_BYTES",
            str(DISK_FREE_BYTES),
            "Bytes that must be free where the data folder and the files lie; below, pictures are refused. 0: never.",
        ),
    ]


def read_watch(get: Callable[[str], str | None], complain: Callable[[str, str], None]) -> WatchSettings:
    """Return the settings. ``get`` reads one, ``complain`` hears of its name and what is wrong."""
    url = get("ALERT_WEBHOOK_URL") or None
    if url is not None:
        try:
            parts = urlsplit(url)
            is_url = parts.scheme in {"http", "https"} and bool(parts.hostname)
        except ValueError:
            is_url = False
        if not is_url:
            complain("ALERT_WEBHOOK_URL", "not an http:// or https:// URL")

    def number(name: str, default: int) -> int:
        text = get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            complain(name, "not a whole number from 0 on")
            return default
        return int(text)

    return WatchSettings(
        url, number("ALERT_ERRORS_PER_MIN", ERRORS_PER_MIN), number("DISK_FREE_BYTES", DISK_FREE_BYTES)
    )
