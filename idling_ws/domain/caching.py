"""What is kept where, for how long, and what makes it old: the caching policy as one table.

Three layers lie before PostgreSQL: the browser, this process, Redis. Each kind of data has
one row here and nobody decides anything about caching elsewhere. What belongs to a
user is dropped by the very entry that changes it, on every instance; what everybody
shares is dropped when its revision grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Strategy(StrEnum):
    """How a reader gets what it asked for."""

    CACHE_FIRST = "cache-first"
    """What is held counts until it is dropped or runs out."""
    REVALIDATE = "cache-first, stale-while-revalidate"
    """What has run out is still served, while one reader's request gets the new one."""
    REFRESH_EARLY = "time-based, refreshed early"
    """Gone through before its time is over, so that under traffic nobody ever waits for it."""
    INDEX = "in-memory index"
    """Answered by each process from its own memory."""
    WRITE_THROUGH = "write-through"
    """Written to Redis as it happens; Redis is where one looks."""
    NEVER = "never cached"


@dataclass(frozen=True, slots=True)
class Policy:
    """One row. A layer whose time is None does not hold it; times are seconds.

    ``browser`` is the ``Cache-Control`` of the answer. ``dropped_by`` are kinds of items in an
    entry. ``keep_s``: so long past its time it may still serve while the database is away.
    ``absent_s``: how long "there is none" counts.
    """

    data: str
    browser: str
    process_s: float | None
    redis_s: float | None
    strategy: Strategy
    dropped_by: frozenset[str] = frozenset()
    is_personal: bool = False
    absent_s: float = 0.0
    keep_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class CacheKey:
    """One value: its kind of data, whose it is (0: everybody's), and which part where there are several."""

    data: str
    user_id: int = 0
    part: str = ""

    @property
    def name(self) -> str:
        """The key among all of one user."""
        return f"{self.data}:{self.part}" if self.part else self.data


NO_STORE = "no-store"
MINUTE, HOUR, DAY = 60, 3600, 86400

_CATALOGUE = f"public, max-age={HOUR}, stale-while-revalidate={DAY}"
_SHARED_EMOJI = frozenset({"custom_emoji.reviewed", "custom_emoji.deleted"})
_FAVORITES = frozenset({"favorite.added", "favorite.removed", "favorite.moved"})
_PREFERENCES = frozenset({"preferences.changed"})

_ROWS = (
    Policy("categories", _CATALOGUE, 5 * MINUTE, HOUR, Strategy.REVALIDATE, _SHARED_EMOJI, keep_s=DAY),
    Policy("category", _CATALOGUE, 5 * MINUTE, HOUR, Strategy.REVALIDATE, _SHARED_EMOJI, absent_s=30, keep_s=DAY),
    Policy("search", f"public, max-age={MINUTE}", None, None, Strategy.INDEX, _SHARED_EMOJI),
    Policy("favorites", NO_STORE, None, 10 * MINUTE, Strategy.CACHE_FIRST, _FAVORITES, is_personal=True),
    Policy("preferences", NO_STORE, None, 10 * MINUTE, Strategy.CACHE_FIRST, _PREFERENCES, is_personal=True),
    Policy(
        "profile",
        NO_STORE,
        None,
        10 * MINUTE,
        Strategy.CACHE_FIRST,
        frozenset({"profile.changed"}),
        is_personal=True,
        absent_s=5,
    ),
    # What the search ranks by for one person: made of the three above it and of what was used last.
    Policy(
        "taste",
        NO_STORE,
        None,
        10 * MINUTE,
        Strategy.CACHE_FIRST,
        _FAVORITES | _PREFERENCES | {"usage.counted"},
        is_personal=True,
    ),
    Policy("popular", f"public, max-age={MINUTE}", MINUTE, MINUTE, Strategy.REFRESH_EARLY),
    Policy("presence", NO_STORE, None, None, Strategy.WRITE_THROUGH, is_personal=True),
    Policy("snapshot", NO_STORE, None, None, Strategy.NEVER, is_personal=True),
)

POLICIES = MappingProxyType({policy.data: policy for policy in _ROWS})

PERSONAL = tuple(policy.data for policy in _ROWS if policy.is_personal and policy.redis_s is not None)
"""What is held of a user: dropped together when it is not known what changed."""
SHARED = tuple(policy.data for policy in _ROWS if policy.dropped_by and not policy.is_personal)
"""What everybody shares and a custom emoji changes: dropped when its revision grows."""

DROPPED_BY: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        kind: tuple(policy.data for policy in _ROWS if kind in policy.dropped_by)
        for kind in sorted(frozenset[str]().union(*(policy.dropped_by for policy in _ROWS)))
    }
)
"""Kind of item -> data that it makes old."""


def policy_table() -> str:
    """Return the table as ``docs/caching.md`` holds it."""
    rows = [
        f"| {policy.data} | `{policy.browser}` | {_time(policy.process_s)} | {_time(policy.redis_s)} "
        f"| {policy.strategy} | {', '.join(f'`{kind}`' for kind in sorted(policy.dropped_by)) or ''} |"
        for policy in _ROWS
    ]
    return "\n".join(
        ["| data | browser | process | Redis | strategy | dropped by |", "|---|---|---|---|---|---|", *rows]
    )


def _time(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds / MINUTE:g} min"
