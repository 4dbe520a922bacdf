"""What the search remembers of the last queries: the same answers, in bounds, and nothing of an older index."""

from __future__ import annotations

from idling_ws.domain.emoji import CUSTOM_CATEGORY, Emoji, EmojiId
from idling_ws.services.emoji_memory import OF_ITSELF, MatchMemory
from idling_ws.services.emoji_query import read_query
from idling_ws.services.emoji_search import EmojiSearch, Taste
from idling_ws.store.catalogue import load_packaged_catalogue

SEARCH = EmojiSearch(load_packaged_catalogue())


def test_a_query_is_matched_once_for_everybody() -> None:
    """And for each of its pages and in each category."""
    memory = MatchMemory(SEARCH._index)
    first = memory.match(read_query("wave"))
    assert memory.match(read_query(" wave ")) is first
    before = dict(first)
    page = SEARCH.search("wave", limit=2)
    SEARCH.search("wave", limit=2, after=page.next, taste=Taste(favorites=(EmojiId("1F30A"),)))
    assert first == before == SEARCH._memory.match(read_query("wave"))


def test_what_is_remembered_is_bounded() -> None:
    """By all matches together; who asked longest ago is forgotten first."""
    memory = MatchMemory(SEARCH._index, max_matches=600)
    kept = memory.match(read_query("cat"))
    for query in ("dog", "heart", "c", "face", "s", "flag", "qqqqq"):
        memory.match(read_query(query))
        assert memory.match(read_query("cat")) is kept or len(memory._known) == 1
        assert memory._size == sum(len(found) + OF_ITSELF for found in memory._known.values()) <= 600
    assert read_query("dog") not in memory._known


def test_nothing_is_remembered_of_an_older_index() -> None:
    """What comes is found, what goes is not, however often it was asked for before."""
    search = EmojiSearch(load_packaged_catalogue())
    mine = Emoji(EmojiId("c_1"), "wave", CUSTOM_CATEGORY, 10_000, shortcodes=("wave",), keywords=())

    def found() -> bool:
        return any(hit.emoji.custom for hit in search.search("wave").hits)

    assert not found()
    search.add(mine)
    assert found()
    search.remove(mine.id)
    assert not found()
