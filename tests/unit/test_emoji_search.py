"""The rules of the emoji search: ranks, taste, tones, custom emoji, pages, and what it refuses."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idling_ws.domain.emoji import CUSTOM_CATEGORY, Emoji, EmojiId, SkinTone
from idling_ws.domain.errors import InvalidError
from idling_ws.services.emoji_matching import Rank
from idling_ws.services.emoji_query import MAX_QUERY
from idling_ws.services.emoji_search import MAX_LIMIT, NOBODY, EmojiSearch, Hit, Taste
from idling_ws.services.spelling import Slips
from idling_ws.store.catalogue import load_packaged_catalogue

CATALOGUE = load_packaged_catalogue()
SEARCH = EmojiSearch(CATALOGUE)


@pytest.fixture
def search() -> EmojiSearch:
    """One of its own, for tests that change it."""
    return EmojiSearch(CATALOGUE)


def custom(name: str, number: int = 1, keywords: tuple[str, ...] = ()) -> Emoji:
    return Emoji(EmojiId(f"c_{number}"), name, CUSTOM_CATEGORY, 10_000 + number, shortcodes=(name,), keywords=keywords)


def ids(hits: tuple[Hit, ...]) -> list[str]:
    return [hit.emoji.id for hit in hits]


def all_pages(query: str, limit: int, taste: Taste = NOBODY, category: str | None = None) -> Iterator[Hit]:
    after = None
    while True:
        page = SEARCH.search(query, limit=limit, after=after, taste=taste, category=category)
        yield from page.hits
        after = page.next
        if after is None:
            return


# Ranks


@pytest.mark.parametrize(
    ("query", "ranks"),
    [
        ("heart", [Rank.EXACT, Rank.PREFIX, Rank.KEYWORD]),
        ("smil", [Rank.PREFIX, Rank.KEYWORD]),
        ("grining", [Rank.FUZZY]),
        ("sunflower xylophone", [Rank.PARTIAL]),
    ],
)
def test_ranks_follow_each_other(query: str, ranks: list[Rank]) -> None:
    """Exact before prefix before keyword before near miss; within all hits, none out of its rank."""
    found = [hit.rank for hit in all_pages(query, MAX_LIMIT)]
    assert found == sorted(found)
    assert list(dict.fromkeys(found)) == ranks


def test_right_spelling_is_not_crowded_by_near_misses() -> None:
    """A word that the index knows brings no guesses along."""
    assert all(
        hit.rank < Rank.FUZZY for query in ("fire", "acting", "bakery", "arrival") for hit in all_pages(query, 100)
    )


@pytest.mark.parametrize("query", ["heart", "smil", "face", "cat", "happy"])
def test_own_emoji_lead_within_their_rank_only(query: str) -> None:
    """Favourites in their order, then what was used last, come first in each rank; ranks stay as they are."""
    plain = list(all_pages(query, MAX_LIMIT))
    last_of = {rank: [hit.emoji.id for hit in plain if hit.rank is rank] for rank in Rank}
    picked = {rank: list(reversed(found[-3:])) for rank, found in last_of.items() if len(found) > 3}
    taste = Taste(
        favorites=tuple(EmojiId(found[0]) for found in picked.values()),
        recents=tuple(EmojiId(id_) for found in picked.values() for id_ in found),
    )
    mine = list(all_pages(query, MAX_LIMIT, taste))
    assert picked
    assert sorted(ids(tuple(mine))) == sorted(ids(tuple(plain)))
    for rank, found in picked.items():
        assert [hit.emoji.id for hit in mine if hit.rank is rank][:3] == found
        assert [hit.emoji.id for hit in mine if hit.rank is rank and hit.emoji.id not in found] == [
            id_ for id_ in last_of[rank] if id_ not in found
        ]


def test_favourite_in_a_tone_counts_for_its_emoji() -> None:
    """A favourite 👎🏿 brings 👎 up."""
    taste = Taste(favorites=(EmojiId("1F44E-1F3FF"), EmojiId("c_gone"), EmojiId("nonsense")))
    assert ids(SEARCH.search("thumbs", taste=taste).hits)[:2] == ["1F44E", "1F44D"]


def test_popularity_breaks_ties_only() -> None:
    """What everybody uses leads among equals, and not before a better fit."""
    british, american = SEARCH.search("virgin islands").hits[:2]
    popular = {american.emoji.id: 5.0, EmojiId("1F498"): 1e9}
    assert SEARCH.search("virgin islands", popularity=popular).hits[:2] == (american, british)
    assert ids(SEARCH.search("heart", popularity=popular).hits)[0] == "2764-FE0F"


def test_same_question_same_answer() -> None:
    """Two indexes made apart, with emoji filed in another order, answer alike."""
    other = EmojiSearch(CATALOGUE)
    for emoji in random.Random(3).sample(list(CATALOGUE.emojis.values()), 200):
        other.add(emoji)
    for query in ("s", "heart", "hart", "flag", "face", "dark hand", "brokn hart", "happy new xmas"):
        assert other.search(query, limit=MAX_LIMIT) == SEARCH.search(query, limit=MAX_LIMIT)


# Skin tones


def test_tone_of_taste_is_shown_where_there_is_one() -> None:
    """With a tone set, hits are the variants to send, and emoji without tones stay as they are."""
    taste = Taste(tone=SkinTone.MEDIUM)
    assert SEARCH.search("thumbs", taste=taste).hits[0].id == "1F44D-1F3FD"
    assert SEARCH.search("rocket", taste=taste).hits[0].id == "1F680"
    assert SEARCH.search("👍", taste=taste).hits[0].id == "1F44D-1F3FD"


def test_tone_in_the_query_wins_over_taste() -> None:
    """What is typed now means more than a setting."""
    taste = Taste(tone=SkinTone.MEDIUM)
    assert SEARCH.search("dark thumbs", taste=taste).hits[0].id == "1F44D-1F3FF"
    assert SEARCH.search("👍🏻", taste=taste).hits[0].id == "1F44D-1F3FB"
    assert SEARCH.search(":wave::skin-tone-6:", taste=taste).hits[0].id == "1F44B-1F3FF"


def test_every_tone_can_be_typed() -> None:
    """All five by their words, with and without "skin tone"."""
    for tone in SkinTone:
        words = tone.value.replace("_", " ")
        expected = CATALOGUE.emojis[EmojiId("1F44B")].in_tone(tone)
        assert SEARCH.search(f"{words} wave").hits[0].id == expected
        assert SEARCH.search(f"waving hand {words} skin tone").hits[0].id == expected


# Custom emoji


def test_custom_emoji_come_and_go(search: EmojiSearch) -> None:
    """Found by name, beginning, keyword and slip as soon as added, in place of an older one, and not after removal."""
    untouched = search.search("partyblob", limit=MAX_LIMIT)
    search.add(custom("party_blob", keywords=("zorgle",)))
    for query in ("party_blob", ":party_blob:", "party blob", "blob", "zorgle", "zorgl", "zrogle", "partyblo"):
        hit = search.search(query).hits[0]
        assert hit.emoji.id == hit.id == "c_1", query
    assert search.search("partyblob").hits[0].rank is Rank.EXACT

    search.add(custom("disco_cube"))
    assert "c_1" not in ids(search.search("zorgle").hits)
    assert ids(search.search("disco_cube").hits)[0] == "c_1"

    search.remove(EmojiId("c_1"))
    search.remove(EmojiId("c_1"))
    assert "c_1" not in ids(search.search("disco_cube").hits)
    assert search.search("partyblob", limit=MAX_LIMIT) == untouched


def test_custom_emoji_leave_nothing_behind(search: EmojiSearch) -> None:
    """Thousands that came and went leave the tables as large as they were."""
    index = search._index

    def sizes() -> tuple[int, ...]:
        return (
            len(index),
            len(index._postings),
            len(index._sorted),
            len(index._exact),
            len(index._vocabulary._numbers),
            sum(map(len, index._vocabulary._pairs.values())),
        )

    before = sizes()
    for round_ in range(20):
        added = [custom(f"blob_{round_}_{number}_zq", number) for number in range(100)]
        search.add(*added)
        for emoji in added:
            search.remove(emoji.id)
    assert sizes() == before
    assert len(index.emojis) == len(CATALOGUE.emojis) + 100
    assert index._sorted == sorted(index._postings)


def test_custom_emoji_can_be_favourites(search: EmojiSearch) -> None:
    """One's own emoji lead their rank like any other."""
    search.add(custom("heart_blob", 1), custom("heart_cube", 2))
    taste = Taste(favorites=(EmojiId("c_2"),))
    prefixed = [hit.id for hit in search.search("heart", taste=taste).hits if hit.rank is Rank.PREFIX]
    assert prefixed[0] == "c_2"


# Pages


@pytest.mark.parametrize("limit", [1, 7, 100])
@pytest.mark.parametrize("query", ["heart", "s", "flag", "grining", "dark hand", "👍🏿", "xyzzyqq"])
def test_pages_bring_each_hit_once(query: str, limit: int) -> None:
    """Pages put together are the whole answer, whatever their size."""
    whole = list(all_pages(query, MAX_LIMIT))
    assert list(all_pages(query, limit)) == whole
    assert len(set(ids(tuple(whole)))) == len(whole)


def test_page_goes_on_where_it_ended_though_the_index_changed(search: EmojiSearch) -> None:
    """An emoji that comes or goes between two pages doubles and drops no other."""
    whole = list(all_pages("heart", MAX_LIMIT))
    first = search.search("heart", limit=10)
    search.remove(first.hits[9].emoji.id)
    search.add(custom("heart_blob"))
    rest = search.search("heart", limit=MAX_LIMIT, after=first.next)
    assert [hit for hit in rest.hits if not hit.emoji.custom][:50] == whole[10:60]


def test_category_narrows() -> None:
    """Only emoji of that category, in the same order."""
    whole = list(all_pages("face", MAX_LIMIT))
    animals = list(all_pages("face", 5, category="animals-nature"))
    assert animals == [hit for hit in whole if hit.emoji.category == "animals-nature"] != []
    assert SEARCH.search("face", category=CUSTOM_CATEGORY).hits == ()


# What it refuses


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"text": ""}, "q"),
        ({"text": " \t\n\u3000"}, "q"),
        ({"text": "x" * (MAX_QUERY + 1)}, "q"),
        ({"text": "x" * 10_000}, "q"),
        ({"text": "a\0b"}, "q"),
        ({"text": "\ud83d"}, "q"),
        ({"text": "a", "limit": 0}, "limit"),
        ({"text": "a", "limit": MAX_LIMIT + 1}, "limit"),
        ({"text": "a", "limit": -1}, "limit"),
        ({"text": "a", "category": "nonsense"}, "category"),
        ({"text": "a", "category": ""}, "category"),
        ({"text": "a", "after": ""}, "after"),
        ({"text": "a", "after": "30"}, "after"),
        ({"text": "a", "after": "é"}, "after"),
        ({"text": "a", "after": "W10"}, "after"),
        ({"text": "a", "after": "W1tb" * 90}, "after"),
        ({"text": "a", "after": "A" * 5000}, "after"),
        ({"text": "a", "after": "bnVsbA"}, "after"),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict[str, object], field: str) -> None:
    """A clear error that names the field, and nothing cut short in silence."""
    text = arguments.pop("text")
    assert isinstance(text, str)
    with pytest.raises(InvalidError) as caught:
        SEARCH.search(text, **arguments)  # type: ignore[arg-type] # the point is to pass what does not fit
    assert caught.value.fields is not None
    assert list(caught.value.fields) == [field]


def test_after_belongs_to_its_query() -> None:
    """The end of one search's page is no beginning for another's."""
    page = SEARCH.search("heart", limit=3)
    assert page.next is not None
    for query, category in (("face", None), ("heart", "smileys-emotion")):
        with pytest.raises(InvalidError):
            SEARCH.search(query, category=category, after=page.next)


@pytest.mark.parametrize(
    "query",
    [
        "%", "_", "%%%", ".*", "(a+)+$", "[a-z]*", "\\", "\\d+", "^", "$^", "'; DROP TABLE emojis; --", "' OR 1=1 --",
        "*", "?*", "**", "{}", "{{7*7}}", "<script>alert(1)</script>", "../../etc/passwd", "a" * MAX_QUERY,
        "a b c d e f g h i j k l m n o p q r s t u v w x y z", "::::", ":::a:::", "\u202e", "\u200b", "ﷺ" * MAX_QUERY,
    ],
)  # fmt: skip
def test_special_characters_are_only_characters(query: str) -> None:
    """Patterns, SQL and markup match nothing but their own words."""
    page = SEARCH.search(query, limit=MAX_LIMIT)
    assert len(page.hits) < MAX_LIMIT or page.next


@settings(max_examples=400, deadline=None)
@given(st.text(min_size=1, max_size=MAX_QUERY))
def test_any_text_is_answered(text: str) -> None:
    """No text raises anything but the documented refusal, and asking again gives the same."""
    try:
        page = SEARCH.search(text, limit=20)
    except InvalidError:
        assert not text.strip() or "\0" in text or any("\ud800" <= char <= "\udfff" for char in text)
        return
    assert page == SEARCH.search(text, limit=20)
    assert [hit.rank for hit in page.hits] == sorted(hit.rank for hit in page.hits)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(["dark", "hart", "heart", "face", "flag", "s", "ca", "of", "hnad", "cat"]), max_size=4))
def test_pages_of_any_words_are_whole(words: list[str]) -> None:
    """Whatever words come together, pages bring each hit once and in one order."""
    query = " ".join(["x", *words])
    assert list(all_pages(query, 9)) == list(all_pages(query, MAX_LIMIT))


# Speed


def test_guessing_costs_far_less_than_comparing_with_every_word() -> None:
    """The letter pairs pay: a misspelt query takes a fraction of comparing it with all words.

    A ratio within one process, so a slow machine does not matter. It stands at about 1 to 30.
    """
    queries = ["hart", "grining", "cofee", "brithday", "elefant", "strwaberry", "unicron", "xyzzyqq"]
    words = sorted(SEARCH._index._postings)

    def spent(times: int) -> tuple[int, int]:
        begun = time.process_time_ns()
        for _ in range(times):
            SEARCH._memory.forget()
            for query in queries:
                SEARCH.search(query)
        searched = time.process_time_ns()
        for query in queries:
            for word in words:
                Slips(query).to(word)
        return searched - begun, (time.process_time_ns() - searched) * times

    spent(1)
    ratios = sorted(search / scan for search, scan in (spent(5) for _ in range(3)))
    assert ratios[0] < 1 / 8
