"""Guessing at misspelt words, against a slow and plain reading of the same rules."""

from __future__ import annotations

import random
import string

from hypothesis import given
from hypothesis import strategies as st

from idling_ws.services.spelling import Slips, Vocabulary, sounds_like
from idling_ws.store.catalogue import load_packaged_catalogue

LETTERS = st.text("abcde", max_size=7)


def plain_slips(typed: str, word: str) -> int:
    """The optimal string alignment distance, by its definition and without any short cut."""
    table = [[row + column for column in range(len(word) + 1)] for row in range(len(typed) + 1)]
    for row in range(1, len(typed) + 1):
        for column in range(1, len(word) + 1):
            differ = typed[row - 1] != word[column - 1]
            options = [
                table[row - 1][column] + 1,
                table[row][column - 1] + 1,
                table[row - 1][column - 1] + differ,
            ]
            if row > 1 and column > 1 and typed[row - 1] == word[column - 2] and typed[row - 2] == word[column - 1]:
                options.append(table[row - 2][column - 2] + 1)
            table[row][column] = min(options)
    return table[-1][-1]


@given(LETTERS, LETTERS)
def test_slips_are_counted(typed: str, word: str) -> None:
    """To the whole word, and to each of its beginnings."""
    assert Slips(typed).to(word) == plain_slips(typed, word)
    beginnings = [word[:end] for end in range(len(word) + 1)]
    assert Slips(typed).to_beginnings(word) == [plain_slips(typed, beginning) for beginning in beginnings]


def catalogue_words() -> list[str]:
    words = {word for emoji in load_packaged_catalogue().emojis.values() for word in emoji.keywords}
    return sorted(word for word in words if word.isascii() and word.isalpha() and word.islower())


def test_every_word_with_one_slip_is_found() -> None:
    """The letter pairs let no word through that is one slip away."""
    words = [word for word in catalogue_words() if 4 <= len(word) <= 20]
    vocabulary = Vocabulary()
    for word in words:
        vocabulary.add(word)
    dice = random.Random(17)
    for word in dice.sample(words, 300):
        at = dice.randrange(len(word) - 1)
        other = dice.choice(string.ascii_lowercase)
        for typed in (
            word[:at] + word[at + 1 :],
            word[:at] + other + word[at:],
            word[:at] + other + word[at + 1 :],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        ):
            assert word in {guess.word for guess in vocabulary.guess(typed, unfinished=False)}, typed


def test_guesses_are_within_the_slips_they_state() -> None:
    """Nothing is guessed that is further away than forgiven."""
    vocabulary = Vocabulary()
    for word in catalogue_words():
        vocabulary.add(word)
    for typed in ("hart", "cofee", "strwaberry", "brithday", "unicron", "elefant", "xyzzy"):
        for guess in vocabulary.guess(typed, unfinished=False):
            assert plain_slips(typed, guess.word) == guess.slips <= (1 if len(typed) < 5 else 2)


def test_what_is_being_typed_may_have_a_slip() -> None:
    """A beginning with one slip is guessed at while typing goes on, and not in a word that is left behind."""
    vocabulary = Vocabulary()
    vocabulary.add("strawberry")
    assert [guess.word for guess in vocabulary.guess("strabwe", unfinished=True)] == ["strawberry"]
    assert vocabulary.guess("strabwe", unfinished=False) == []


@given(st.lists(st.tuples(st.booleans(), st.text("abc", min_size=3, max_size=5)), max_size=40))
def test_words_come_and_go(steps: list[tuple[bool, str]]) -> None:
    """After any additions and removals exactly the words that are left are found, each once."""
    vocabulary = Vocabulary()
    left: set[str] = set()
    for add, word in steps:
        (vocabulary.add if add else vocabulary.remove)(word)
        (left.add if add else left.discard)(word)
    for word in left:
        found = [guess.word for guess in vocabulary.guess(word, unfinished=False)]
        assert len(found) == len(set(found))
        assert set(found) <= left
        assert word in found
    if not left:
        assert not vocabulary._pairs


def test_words_that_sound_alike() -> None:
    """Spellings by ear are told from other slips."""
    assert sounds_like("elefant", "elephant")
    assert sounds_like("grining", "grinning")
    assert sounds_like("gitar", "guitar")
    assert not sounds_like("elegant", "elephant")
