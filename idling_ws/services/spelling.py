"""Words that somebody may have meant: a vocabulary that can be asked for what lies near a misspelt word.

Comparing with every word would cost more than the whole search may. So words are kept
by their letter pairs: two words that differ by few slips still share most of their
pairs, and counting shared pairs leaves a few dozen words to compare letter by letter.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass

SHORTEST = 3
"""Letters. A slip in a shorter word can make any other short word of it."""

LONGEST = 24
"""Letters. Nobody misspells a longer word of emoji; comparing costs the square of it."""

TWO_SLIPS_FROM = 6
"""Letters from which on two slips are forgiven, not one; with one letter less only if one slip explains nothing."""

UNFINISHED_FROM = 5
"""Letters from which on a word that is still being typed may have a slip."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A word that may have been meant, and by how many slips it was missed.

    ``unfinished``: what was typed is, but for the slips, how the word begins.
    """

    word: str
    slips: int
    unfinished: bool = False


class Vocabulary:
    """Words by their letter pairs. Words come and go; a word's number is given out again after it."""

    __slots__ = ("_free", "_letters", "_numbers", "_pairs", "_words")

    def __init__(self) -> None:
        self._words: list[str] = []
        self._numbers: dict[str, int] = {}
        self._free: list[int] = []
        self._pairs: dict[str, array[int]] = {}
        self._letters = array("I")

    def add(self, word: str) -> None:
        """Have ``word`` among the words that ``guess`` finds."""
        if word in self._numbers or not SHORTEST <= len(word) <= LONGEST:
            return
        if self._free:
            number = self._free.pop()
            self._words[number] = word
            self._letters[number] = _letters_of(word)
        else:
            number = len(self._words)
            self._words.append(word)
            self._letters.append(_letters_of(word))
        self._numbers[word] = number
        for pair in _pairs_of(word):
            self._pairs.setdefault(pair, array("I")).append(number)

    def remove(self, word: str) -> None:
        """Have ``word`` no longer among them."""
        number = self._numbers.pop(word, None)
        if number is None:
            return
        self._words[number] = ""
        self._free.append(number)
        for pair in _pairs_of(word):
            self._pairs[pair].remove(number)
            if not self._pairs[pair]:
                del self._pairs[pair]

    def guess(self, typed: str, *, unfinished: bool) -> list[Guess]:
        """Words within one slip of ``typed``, or two of a long one; fewest slips first, then by the word.

        A slip is a letter too many, too few or wrong, or two neighbours swapped. When none is within
        one slip and typing may go on (``unfinished``), also words that begin as ``typed`` with one slip.
        """
        length = len(typed)
        if not SHORTEST <= length <= LONGEST:
            return []
        shared: Counter[int] = Counter()
        for pair in _pairs_of(typed):
            shared.update(self._pairs.get(pair, ()))
        guesses = self._guess_whole(typed, shared, 2 if length >= TWO_SLIPS_FROM else 1)
        if unfinished and length >= UNFINISHED_FROM and all(guess.slips > 1 for guess in guesses):
            guesses += self._guess_unfinished(typed, shared)
        if not guesses and length == TWO_SLIPS_FROM - 1:
            guesses = self._guess_whole(typed, shared, 2, first=typed[0])
        return sorted(guesses, key=lambda guess: (guess.slips, guess.word))

    def _guess_whole(self, typed: str, shared: Counter[int], limit: int, *, first: str = "") -> list[Guess]:
        """Words that ``typed`` is, but for ``limit`` slips, and that begin with ``first``.

        ``shared``: how many letter pairs each word has in common with it.
        """
        letters = _letters_of(typed)
        # A slip spoils two letter pairs, a swap three; two swaps in one word are not looked for.
        least = max(len(_pairs_of(typed)) - 2 * limit - 1, 1)
        slips_of = Slips(typed)
        guesses = []
        for number, count in shared.items():
            # A slip changes two letters of the set at most. All these tests only spare the dear comparison.
            if count >= least and (self._letters[number] ^ letters).bit_count() <= 2 * limit:
                word = self._words[number]
                if -limit <= len(word) - len(typed) <= limit and word.startswith(first):
                    slips = slips_of.to(word)
                    if slips <= limit:
                        guesses.append(Guess(word, slips))
        return guesses

    def _guess_unfinished(self, typed: str, shared: Counter[int]) -> list[Guess]:
        """Words that begin with ``typed`` but for one slip, which is not in the first letter."""
        letters = _letters_of(typed)
        slips_of = Slips(typed)
        guesses = []
        for number, count in shared.items():
            if count >= len(typed) - 3 and (letters & ~self._letters[number]).bit_count() <= 1:
                word = self._words[number]
                if len(word) > len(typed) + 1 and word[0] == typed[0]:
                    nearly = slips_of.to_beginnings(word[: len(typed) + 1])[len(typed) - 1 :]
                    if min(nearly) <= 1:
                        guesses.append(Guess(word, 1, unfinished=True))
        return guesses


class Slips:
    """Counts the slips from one typed word to many others: the optimal string alignment distance.

    The table of that distance is never written down. Its columns differ from cell to cell by one at
    most, so each is two numbers of bits, one a cell, and a letter of the other word costs a dozen
    operations (Hyyrö, "A bit-vector algorithm for computing Levenshtein and Damerau edit distances", 2003).
    """

    __slots__ = ("_at", "_length")

    def __init__(self, typed: str) -> None:
        self._length = len(typed)
        self._at: dict[str, int] = {}
        for place, letter in enumerate(typed):
            self._at[letter] = self._at.get(letter, 0) | 1 << place

    def to(self, word: str) -> int:
        """Return how many slips ``word`` is away."""
        return self.to_beginnings(word)[-1]

    def to_beginnings(self, word: str) -> list[int]:
        """Return how many slips each beginning of ``word`` is away, the empty one first."""
        slips = self._length
        found = [slips]
        if not slips:
            return list(range(len(word) + 1))
        places = (1 << slips) - 1
        last = 1 << (slips - 1)
        grows, shrinks = places, 0  # down the column: by one more, by one less
        same = before = 0
        for letter in word:
            here = self._at.get(letter, 0)
            swapped = ((~same & here) << 1) & before
            same = ((((here & grows) + grows) ^ grows) | here | shrinks | swapped) & places
            across_grows = shrinks | (places & ~(same | grows))
            across_shrinks = same & grows
            if across_grows & last:
                slips += 1
            elif across_shrinks & last:
                slips -= 1
            found.append(slips)
            across_grows = (across_grows << 1 | 1) & places
            grows = (across_shrinks << 1 & places) | (places & ~(same | across_grows))
            shrinks = across_grows & same
            before = here
        return found


def sounds_like(typed: str, word: str) -> bool:
    """Whether the two are said alike: ``elefant`` and ``elephant``, ``hapy`` and ``happy``."""
    return _sound(typed) == _sound(word)


def _sound(word: str) -> str:
    for spelling, sound in _SOUNDS:
        word = word.replace(spelling, sound)
    return "".join(letter for at, letter in enumerate(word) if at == 0 or letter != word[at - 1])


_SOUNDS = (("ph", "f"), ("ck", "k"), ("qu", "kw"), ("gu", "g"), ("c", "k"), ("z", "s"), ("y", "i"))


def _letters_of(word: str) -> int:
    """The set of letters as bits; letters that fall on the same bit only make the set less telling."""
    bits = 0
    for letter in word:
        bits |= 1 << (ord(letter) & 31)
    return bits


def _pairs_of(word: str) -> set[str]:
    marked = f"\x02{word}\x03"
    return {marked[at : at + 2] for at in range(len(marked) - 1)}
