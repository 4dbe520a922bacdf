"""The page on caching, held against the table and the metrics of the code."""

from __future__ import annotations

import re
from pathlib import Path

from idling_ws.domain.caching import POLICIES, Strategy, policy_table
from idling_ws.store.cache import EARLY, JITTER

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "caching.md").read_text(encoding="utf-8")
MINUTE, HOUR = 60, 3600


def test_the_page_holds_the_table_of_the_code() -> None:
    """Word for word."""
    assert policy_table() in PAGE


def test_every_kind_of_data_has_the_layers_and_times_that_were_decided() -> None:
    """Decided once for the whole product: a change here is a change of mind."""
    decided = {
        "categories": (5 * MINUTE, HOUR, Strategy.REVALIDATE),
        "category": (5 * MINUTE, HOUR, Strategy.REVALIDATE),
        "search": (None, None, Strategy.INDEX),
        "favorites": (None, 10 * MINUTE, Strategy.CACHE_FIRST),
        "preferences": (None, 10 * MINUTE, Strategy.CACHE_FIRST),
        "profile": (None, 10 * MINUTE, Strategy.CACHE_FIRST),
        "taste": (None, 10 * MINUTE, Strategy.CACHE_FIRST),
        "popular": (MINUTE, MINUTE, Strategy.REFRESH_EARLY),
        "presence": (None, None, Strategy.WRITE_THROUGH),
        "snapshot": (None, None, Strategy.NEVER),
    }
    assert {name: (row.process_s, row.redis_s, row.strategy) for name, row in POLICIES.items()} == decided
    browser = {name: row.browser for name, row in POLICIES.items() if row.browser != "no-store"}
    assert browser == {
        "categories": "public, max-age=3600, stale-while-revalidate=86400",
        "category": "public, max-age=3600, stale-while-revalidate=86400",
        "search": "public, max-age=60",
        "popular": "public, max-age=60",
    }


def test_what_the_page_says_in_words_holds() -> None:
    """A tenth of jitter, the last fifth for a refresh, the bounds, the times of "there is none"."""
    from idling_ws.app import CACHE_BYTES, CACHE_ENTRIES

    assert (JITTER, EARLY) == (0.1, 0.2)
    assert (CACHE_ENTRIES, CACHE_BYTES) == (5000, 8 << 20)
    absent = {name: row.absent_s for name, row in POLICIES.items() if row.absent_s}
    assert absent == {"category": 30, "profile": 5}


def test_every_metric_of_the_page_is_one() -> None:
    """By the name that the code gives it."""
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "idling_ws").rglob("*.py"))
    for name in re.findall(r"`(idling_(?:cache|search)_\w+)", PAGE):
        assert f'"{name.removesuffix("_total")}"' in code, name
