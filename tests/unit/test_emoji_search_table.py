"""What people type and which emoji they mean: the first hit of each query, for somebody with no history."""

from __future__ import annotations

from pathlib import Path

import pytest

from idling_ws.domain.emoji import to_bare_id
from idling_ws.services.emoji_search import EmojiSearch
from idling_ws.store.catalogue import load_packaged_catalogue

TABLE = Path(__file__).with_name("emoji_queries.txt")
ROWS = [
    (query, emoji)
    for line in TABLE.read_text(encoding="utf-8").splitlines()
    for query, tab, emoji in [line.partition("\t")]
    if tab
]


@pytest.fixture(scope="module")
def search() -> EmojiSearch:
    return EmojiSearch(load_packaged_catalogue())


@pytest.mark.parametrize(("query", "emoji"), ROWS)
def test_first_hit(search: EmojiSearch, query: str, emoji: str) -> None:
    """The query finds what is meant, first."""
    hits = search.search(query, limit=5).hits
    assert hits, "nothing found"
    assert to_bare_id(hits[0].id) == to_bare_id(emoji), [hit.emoji.char for hit in hits]


def test_table_is_large_enough() -> None:
    """The table stays a fair sample of what people type."""
    assert len(ROWS) == len(set(ROWS)) >= 300
