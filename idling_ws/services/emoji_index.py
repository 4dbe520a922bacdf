"""Words to emoji: the tables that the emoji search looks things up in.

Each emoji has titles (its name and shortcodes) and keywords. Three tables hold them:
whole titles, for exact hits; words with where they stand, for prefixes and keywords; and
the vocabulary, for slips. Emoji come and go at run time, all tables following.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from idling_ws.domain.emoji import Emoji, EmojiId
from idling_ws.services.emoji_query import fold, singulars, to_sign
from idling_ws.services.spelling import Guess, Vocabulary


class Place(IntEnum):
    """Where in an emoji a word stands; the lower, the more it says about it."""

    LEAD = 0
    """It begins the name or a shortcode."""
    TITLE = 1
    """It is in the name or a shortcode."""
    KEYWORD = 2


class Fit(IntEnum):
    """How a typed word fits a word of an emoji, best first. Up to ``PART_TITLE`` it fits a title."""

    WHOLE_LEAD = 0
    WHOLE_TITLE = 1
    PART_LEAD = 2
    PART_TITLE = 3
    WHOLE_KEYWORD = 4
    PART_KEYWORD = 5


_WHOLE = (Fit.WHOLE_LEAD, Fit.WHOLE_TITLE, Fit.WHOLE_KEYWORD)
_PART = (Fit.PART_LEAD, Fit.PART_TITLE, Fit.PART_KEYWORD)

# How good an exact hit is: our own words for it count from 0 up, best first.
OWN_WORDS = 8
SHORTCODE = 8
NAME = 9
SAME_WORDS = 10
"""The words of a title in another order."""
LAST_TITLE = 11

_PLACES = 4  # a posting is number * _PLACES + place: one integer, so that an array holds it
_OWN = "\x01"  # before a key: our own words, kept beside the titles
_OWN_SIGN = re.compile(r"[^\w '-]|_|^-")
_FLAGS = "flags"
_LAST = "\U0010ffff"
_NEVER = max(Fit) + 1


class EmojiIndex:
    """The tables. An emoji has a number here; numbers of removed ones are given out again."""

    __slots__ = ("_exact", "_free", "_numbers", "_own_words", "_postings", "_sorted", "_vocabulary", "emojis")

    def __init__(self, own_words: Mapping[str, Iterable[EmojiId]] | None = None) -> None:
        """``own_words``: what people mean by a word, best first; it counts as an exact title."""
        self.emojis: list[Emoji | None] = []
        self._own_words: dict[EmojiId, list[tuple[str, int]]] = {}
        for word, ids in (own_words or {}).items():
            for at, id_ in enumerate(ids):
                self._own_words.setdefault(id_, []).append((word, min(at, OWN_WORDS - 1)))
        self._numbers: dict[EmojiId, int] = {}
        self._free: list[int] = []
        self._exact: dict[str, array[int]] = {}
        self._postings: dict[str, array[int]] = {}
        self._sorted: list[str] = []
        self._vocabulary = Vocabulary()

    def __len__(self) -> int:
        """How many emoji are filed."""
        return len(self._numbers)

    def number_of(self, id_: EmojiId) -> int | None:
        """The number of an emoji, by its own id."""
        return self._numbers.get(id_)

    def put(self, emojis: Iterable[Emoji]) -> None:
        """File ``emojis``, each in place of what had its id."""
        fresh: set[str] = set()
        for emoji in emojis:
            self.remove(emoji.id)
            number = self._free.pop() if self._free else len(self.emojis)
            self.emojis[number : number + 1] = [emoji]
            self._numbers[emoji.id] = number
            terms = self._terms_of(emoji)
            for key, grade in terms.exact.items():
                self._exact.setdefault(key, array("I")).extend((grade, number))
            for word, place in terms.words.items():
                if word not in self._postings:
                    self._postings[word] = array("I")
                    fresh.add(word)
                self._postings[word].append(number * _PLACES + place)
        for word in fresh:
            self._vocabulary.add(word)
        if len(fresh) > 1000:
            self._sorted = sorted(self._postings)
        else:
            for word in fresh:
                insort(self._sorted, word)

    def remove(self, id_: EmojiId) -> None:
        """Take an emoji out, if it is here, with every word that only it had."""
        number = self._numbers.pop(id_, None)
        if number is None:
            return
        emoji = self.emojis[number]
        assert emoji is not None, "a number in use has its emoji"  # noqa: S101 - narrows the type
        self.emojis[number] = None
        self._free.append(number)
        terms = self._terms_of(emoji)
        for key in terms.exact:
            pairs = self._exact[key]
            at = next(at for at in range(1, len(pairs), 2) if pairs[at] == number)
            del pairs[at - 1 : at + 1]
            if not pairs:
                del self._exact[key]
        for word, place in terms.words.items():
            self._postings[word].remove(number * _PLACES + place)
            if not self._postings[word]:
                del self._postings[word]
                del self._sorted[bisect_left(self._sorted, word)]
                self._vocabulary.remove(word)

    def titled(self, squeezed: str) -> Iterator[tuple[int, int]]:
        """Emoji with ``squeezed`` as a whole title or emoticon: (number, grade), 0 the best grade."""
        pairs = self._exact.get(squeezed, ())
        for at in range(0, len(pairs), 2):
            yield pairs[at + 1], pairs[at]

    def meant(self, squeezed: str) -> Iterator[tuple[int, int]]:
        """Emoji with ``squeezed`` as one of our own words for them: (number, grade)."""
        return self.titled(_OWN + squeezed)

    def same_words(self, words: Iterable[str]) -> Iterator[tuple[int, int]]:
        """Emoji with a title, or one of our own phrases for a flag, of exactly these words in any order."""
        key = _key_of_words(words)
        yield from self.meant(key)
        yield from self.titled(key)

    def fits(self, word: str, *, unfinished: bool = True) -> dict[int, Fit]:
        """How ``word``, or its singular, fits each emoji at its best; ``unfinished``: also as a beginning."""
        found = self._fits_whole(word)
        if not found:
            for singular in singulars(word):
                for number, fit in self._fits_whole(singular).items():
                    found[number] = min(fit, found.get(number, fit))
        if not unfinished:
            return found
        # One letter begins half the keywords there are, and says nothing by that.
        furthest = Place.LEAD if len(word) == 1 else Place.KEYWORD
        for longer in self._begins_with(word):
            for posting in self._postings[longer]:
                number, place = divmod(posting, _PLACES)
                if place <= furthest and _PART[place] < found.get(number, _NEVER):
                    found[number] = _PART[place]
        return found

    def knows(self, word: str) -> bool:
        """Whether ``word``, or its singular, is a whole word of any emoji."""
        return word in self._postings or any(one in self._postings for one in singulars(word))

    def guess(self, word: str, *, unfinished: bool) -> list[Guess]:
        """Words of the index that ``word`` may be a misspelling of, or of their beginning."""
        return self._vocabulary.guess(word, unfinished=unfinished)

    def titles_begin_with(self, squeezed: str) -> Iterator[int]:
        """Emoji with a title of several words that begins with ``squeezed``, space or none."""
        for word in self._begins_with(squeezed):
            for posting in self._postings[word]:
                if posting % _PLACES == Place.LEAD:
                    yield posting // _PLACES

    def nearly_titled(self, squeezed: str) -> Iterator[tuple[int, int]]:
        """Emoji as by ``meant`` and ``titled`` for which one or two letters lack: (number, grade)."""
        for word in self._begins_with(squeezed):
            if len(word) <= len(squeezed) + 2:
                yield from self.meant(word)
                yield from self.titled(word)

    def weight(self, word: str) -> int:
        """How many emoji have ``word``: the fewer, the more it says."""
        return len(self._postings.get(word, ()))

    def _fits_whole(self, word: str) -> dict[int, Fit]:
        return {posting // _PLACES: _WHOLE[posting % _PLACES] for posting in self._postings.get(word, ())}

    def _begins_with(self, prefix: str) -> list[str]:
        first = bisect_left(self._sorted, prefix)
        return self._sorted[first : bisect_left(self._sorted, prefix + _LAST)]

    def _terms_of(self, emoji: Emoji) -> _Terms:
        terms = _Terms({}, {})
        for phrase, grade in self._own_words.get(emoji.id, ()):
            if _OWN_SIGN.search(phrase):
                terms.exact[_OWN + to_sign(phrase)] = grade
                continue
            terms.exact[_OWN + "".join(fold(phrase))] = grade
            terms.file_words(phrase, Place.LEAD if grade == 0 else Place.TITLE, Place.TITLE)
            if emoji.category == _FLAGS:
                # "French" names more than one flag; "french flag" means one.
                terms.exact[_OWN + _key_of_words((*fold(phrase), "flag"))] = grade
        for title, grade in [(emoji.name, NAME), *((code, SHORTCODE) for code in emoji.shortcodes)]:
            terms.file_exact(title, grade)
            terms.file_title(title)
        for keyword in emoji.keywords:
            terms.file_words(keyword, Place.KEYWORD)
        for emoticon in emoji.emoticons:
            terms.exact[to_sign(emoticon)] = SHORTCODE
        return terms


@dataclass(frozen=True, slots=True)
class _Terms:
    """All that one emoji is filed under. Made again from the emoji to take it out, so it is kept nowhere."""

    exact: dict[str, int]
    words: dict[str, Place]

    def file_exact(self, phrase: str, grade: int) -> None:
        key = to_sign(phrase) if _is_sign(phrase) else "".join(fold(phrase))
        self.exact[key] = min(grade, self.exact.get(key, grade))

    def file_words(self, phrase: str, first: Place, others: Place | None = None) -> None:
        if not _is_sign(phrase):
            for at, word in enumerate(fold(phrase)):
                place = first if at == 0 or others is None else others
                self.words[word] = min(place, self.words.get(word, place))

    def file_title(self, title: str) -> None:
        self.file_words(title, Place.LEAD, Place.TITLE)
        words = fold(title)
        if len(words) > 1 and not _is_sign(title):
            key = _key_of_words(words)
            self.exact[key] = min(SAME_WORDS, self.exact.get(key, SAME_WORDS))
            # Squeezed, so that "thumbsu" is on the way to "thumbs up".
            self.words.setdefault("".join(words), Place.LEAD)


def _is_sign(text: str) -> bool:
    """Whether punctuation says what it means: ``+1`` is not ``1``, and ``!?`` has no words at all."""
    return text.startswith(("+", "-", "<", ">", ":", ";")) or not fold(text)


def _key_of_words(words: Iterable[str]) -> str:
    return " ".join(sorted(words))
