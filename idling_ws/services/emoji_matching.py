"""Which emoji a query matches, and how well: the ranks of the emoji search.

A match is a rank and a grade within it, both the lower the better. Words are only
guessed at when taking them at their letters gives little, so a right spelling is never
crowded by near misses.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from itertools import islice, product
from typing import NamedTuple

from idling_ws.services.emoji_index import LAST_TITLE, EmojiIndex, Fit
from idling_ws.services.emoji_query import Query, singulars, verbs
from idling_ws.services.spelling import Guess, sounds_like

FEW = 8
"""Hits. From so many on a query without an exact hit is taken as spelt right."""

MAX_GUESSES = 12
"""Words that one misspelt word may have been meant to be."""

STEP = 16
"""Between the grades of two fits, to leave room for others."""

_COMBINED = {1: MAX_GUESSES, 2: 5, 3: 3}  # spellings of each word that are tried together, by how many words

MAX_WORDS_GUESSED = 3
"""Words of one query that are guessed at, the longest first. It bounds the time of a query."""

MAX_WORDS_MATCHED = 6
"""Words of one query, the rarest first, by which emoji are found that have not all of them."""

FILLERS = {
    "a",
    "an",
    "and",
    "emoji",
    "emojis",
    "emoticon",
    "for",
    "icon",
    "in",
    "my",
    "of",
    "on",
    "the",
    "to",
    "with",
}


class Rank(IntEnum):
    """The ranks, best first."""

    EXACT = 0
    PREFIX = 1
    KEYWORD = 2
    FUZZY = 3
    PARTIAL = 4
    """Some of the words, when no emoji has them all."""


class Match(NamedTuple):
    """Compares as it ranks. ``closeness`` tells near misses apart before anything personal does."""

    rank: Rank
    closeness: int
    grade: int


Matches = dict[int, Match]
"""By the emoji's number in the index."""


def match(index: EmojiIndex, query: Query) -> Matches:
    """Every emoji that ``query`` finds, at its best match."""
    found = _match_as_spelt(index, query)
    if not found:
        words = tuple(word for word in query.words if word not in FILLERS)
        if words and words != query.words:
            query = Query(" ".join(words), words, query.tone)
            found = _match_as_spelt(index, query)
    exact = any(one.rank is Rank.EXACT for one in found.values())
    if not exact and len(found) < FEW and not all(map(index.knows, query.words)):
        for number, near in _match_guessed(index, query.words).items():
            found.setdefault(number, near)
    if not found and len(query.words) > 1:
        found = _match_partly(index, query.words)
    return found


def _match_as_spelt(index: EmojiIndex, query: Query) -> Matches:
    found: Matches = {}
    for number, (worst, total) in _fits_of_all(index, query.words).items():
        rank = Rank.PREFIX if worst <= Fit.PART_TITLE else Rank.KEYWORD
        found[number] = Match(rank, 0, total * STEP)
    if len(query.words) > 1:
        for number in index.titles_begin_with(query.squeezed):
            _keep_best(found, number, Match(Rank.PREFIX, 0, Fit.PART_LEAD * STEP))
    elif query.words and len(query.squeezed) > 1:
        # All but spelt out, so better than any longer title that begins so: "smil" is "smile" first.
        for number, grade in index.nearly_titled(query.squeezed):
            _keep_best(found, number, Match(Rank.PREFIX, 0, Fit.WHOLE_TITLE * STEP + 1 + grade))
    for number, grade in _exact_hits(index, query):
        _keep_best(found, number, Match(Rank.EXACT, 0, grade))
    return found


def _exact_hits(index: EmojiIndex, query: Query) -> Iterable[tuple[int, int]]:
    """Own words and whole titles; those of the singular when there are none of the word itself."""
    titles, meant = list(index.titled(query.sign)), list(index.meant(query.sign))
    if not titles and not meant:
        # Not before: "+1" is not "1".
        titles, meant = list(index.titled(query.squeezed)), list(index.meant(query.squeezed))
    if len(query.words) > 1:
        titles += index.same_words(query.words)
    if not titles and not meant and query.words:
        *head, last = query.words
        for singular in singulars(last):
            titles += index.titled("".join([*head, singular]))
            meant += index.meant("".join([*head, singular]))
    if query.is_shortcode:
        # ":moon:" is what chats call so, though people who write "moon" mostly mean another.
        meant = [(number, grade + LAST_TITLE) for number, grade in meant]
    return titles + meant


def _fits_of_all(index: EmojiIndex, words: tuple[str, ...]) -> dict[int, tuple[Fit, int]]:
    """Emoji that every word fits: (worst fit, sum of the fits)."""
    found: dict[int, tuple[Fit, int]] | None = None
    # Long words first: they leave the fewest emoji to go on with.
    for word in sorted(set(words), key=lambda word: (-len(word), word)):
        # One letter begins hundreds of words. It is taken as a beginning only where typing goes on.
        fits = index.fits(word, unfinished=len(word) > 1 or word == words[-1])
        if found is None:
            found = {number: (fit, int(fit)) for number, fit in fits.items()}
        else:
            found = {
                number: (max(worst, fits[number]), total + fits[number])
                for number, (worst, total) in found.items()
                if number in fits
            }
        if not found:
            break
    return found or {}


def _match_guessed(index: EmojiIndex, words: tuple[str, ...]) -> Matches:
    """Emoji that have every word, or one that it may be a misspelling of."""
    options = _spellings(index, words)
    if not options:
        return {}
    found: Matches = {}
    closest: dict[int, tuple[int, int]] | None = None
    for spellings in options:
        best: dict[int, tuple[int, int]] = {}
        for spelling, cost in spellings:
            for number, fit in index.fits(spelling, unfinished=False).items():
                best[number] = min((cost, int(fit)), best.get(number, (cost, int(fit))))
        closest = (
            best
            if closest is None
            else {
                number: (cost + best[number][0], total + best[number][1])
                for number, (cost, total) in closest.items()
                if number in best
            }
        )
    for number, (cost, total) in (closest or {}).items():
        found[number] = Match(Rank.FUZZY, cost * 100 + LAST_TITLE + total, 0)
    # What a corrected phrase says exactly comes before what merely has its words.
    deep = _COMBINED.get(len(options), 2)
    for chosen in islice(product(*(spellings[:deep] for spellings in options)), 32):
        cost = sum(one for _, one in chosen)
        phrase = "".join(spelling for spelling, _ in chosen)
        for number, grade in (*index.meant(phrase), *index.titled(phrase)):
            _keep_best(found, number, Match(Rank.FUZZY, cost * 100 + grade, 0))
    return found


def _spellings(index: EmojiIndex, words: tuple[str, ...]) -> list[list[tuple[str, int]]]:
    """For each word what it may be, with what it costs to take it so; empty when one can be nothing.

    Of several words those that the index knows are taken as they are.
    """
    guessed = sorted(words, key=len, reverse=True)[:MAX_WORDS_GUESSED]
    options = []
    for word in words:
        known = index.knows(word)
        spellings = {word: 0} if known else {}
        if word in guessed and not (known and len(words) > 1):
            for verb in verbs(word):
                if index.knows(verb):
                    spellings.setdefault(verb, 3)
            guesses = index.guess(word, unfinished=word == words[-1])
            if not guesses and "f" in word:
                guesses = index.guess(word.replace("f", "ph"), unfinished=word == words[-1])
            for guess in guesses:
                cost = _cost(word, guess)
                spellings[guess.word] = min(cost, spellings.get(guess.word, cost))
        if not spellings:
            return []
        likely = sorted(spellings.items(), key=lambda one: (one[1], -index.weight(one[0]), one[0]))
        options.append(likely[:MAX_GUESSES])
    return options


def _cost(typed: str, guess: Guess) -> int:
    """How unlikely it is that ``guess`` was meant; likeliest is a word written as it is heard."""
    if sounds_like(typed, guess.word):
        return 1
    # People rather leave out or double a letter than take another one, and seldom miss the first.
    taken_for_another = guess.slips == 1 and len(typed) == len(guess.word) and sorted(typed) != sorted(guess.word)
    return 2 * guess.slips + guess.unfinished + taken_for_another + (guess.word[0] != typed[0])


def _match_partly(index: EmojiIndex, words: tuple[str, ...]) -> Matches:
    """Emoji that have some of the words: most words first, then the rarer ones."""
    telling = sorted(
        {word for word in words if len(word) > 2 and index.weight(word)},
        key=lambda word: (index.weight(word), word),
    )
    scores: dict[int, tuple[int, int]] = {}
    for word in telling[:MAX_WORDS_MATCHED]:
        for number, fit in index.fits(word, unfinished=False).items():
            had, grade = scores.get(number, (0, 0))
            scores[number] = (had + 1, grade + index.weight(word) + fit)
    return {number: Match(Rank.PARTIAL, MAX_WORDS_MATCHED - had, grade) for number, (had, grade) in scores.items()}


def _keep_best(found: Matches, number: int, match: Match) -> None:
    if number not in found or match < found[number]:
        found[number] = match
