"""Names: what may be one, and which two are the same."""

from __future__ import annotations

import random
import re
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from idling_ws.domain.names import MAX_LENGTH, MIN_LENGTH, NAME_PATTERN, clean_name, name_key
from idling_ws.identity.guest_names import guest_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ada", "Ada"),
        ("  Ada   Lovelace ", "Ada Lovelace"),
        ("Zoe\u0308", "Zo\u00eb"),
        ("\u0646\u0627\u0645\u200c\u0647\u0627", "\u0646\u0627\u0645\u200c\u0647\u0627"),
        ("\U0001f469\u200d\U0001f680 Ada", "\U0001f469\u200d\U0001f680 Ada"),
        ("x" * 40, "x" * 40),
        ("Zo" + "e\u0308" * 38, "Zo" + "\u00eb" * 38),
        # Younger than the tables of Python 3.11: a face of Unicode 15, and one of 16.
        ("Ada \U0001fae8", "Ada \U0001fae8"),
        ("Ada \U0001fae9", "Ada \U0001fae9"),
    ],
)
def test_a_name_is_kept_as_typed_but_for_white_space_and_composition(text: str, name: str) -> None:
    assert name == clean_name(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "x", " x ", "x" * 41, "Ada" + " " * 38),
        *("a\x00b", "a\nb", "a\x1bb", "a\x1cb", "a\u2028b"),
        *("a\u202eb", "a\u200bb", "a\u2066b", "ab\ufeff", "a\ud800b", "a\ue000b"),
        *("a\ufdd0b", "a\U0001fffeb", "a\U000e0041b", "a\U000e0fffb", "a\ufff0b"),
        "\u200d\u200d\u200d",
        "a\u200d",
        "a\u180b",
        "\u3164\u3164\u3164",
        "\u2800\u2800\u2800",
    ],
)
def test_too_short_too_long_and_invisible_names_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="name"):
        clean_name(text)


def test_whatever_hides_or_commands_is_refused_and_nothing_that_is_seen() -> None:
    """As the tables of Unicode say it that this Python has; joiners mean something inside of words and emoji."""
    hidden = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
    for point in range(0x110000):
        category = unicodedata.category(chr(point))
        if category == "Cn":
            continue
        is_refused = category in hidden and chr(point) not in "\u200c\u200d"
        try:
            clean_name(f"Ada{chr(point)}b")
        except ValueError:
            assert is_refused, f"{point:x}"
        else:
            assert not is_refused, f"{point:x}"


@given(st.text(max_size=45) | st.from_regex(NAME_PATTERN))
def test_a_name_is_what_the_pattern_says(text: str) -> None:
    """But for what composes to something shorter or longer, and for lone surrogates, which JSON cannot carry."""
    assume(text == unicodedata.normalize("NFC", text))
    assume(not any(unicodedata.category(char) == "Cs" for char in text))
    # The two read ``$`` differently where a line ends: the schema's is the end.
    allowed = re.search(NAME_PATTERN, text) is not None and "\n" not in text and len(text) <= MAX_LENGTH
    try:
        clean_name(text)
    except ValueError:
        assert not allowed
    else:
        assert allowed


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada", "aDA"),
        ("Stra\u00dfe", "STRASSE"),
        ("Ada Lovelace", "ada\u00a0lovelace"),
        ("\uff21\uff44\uff41", "Ada"),
        ("\u2167", "viii"),
        ("Zo\u00eb", "Zoe\u0308"),
        ("Ada\u200d", "Ada"),
        ("A\ufe0fda", "Ada"),
    ],
)
def test_names_equal_to_the_eye_have_one_key(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


@given(st.text(max_size=60))
def test_a_cleaned_name_stays_itself_and_its_key_is_stable(text: str) -> None:
    try:
        name = clean_name(text)
    except ValueError:
        return
    assert name == clean_name(name)
    assert MIN_LENGTH <= len(name) <= MAX_LENGTH
    assert name_key(name) == name_key(name_key(name))


def test_every_guest_name_is_a_name() -> None:
    draw = random.Random(7).randrange
    for attempt in range(8):
        for _ in range(200):
            name = guest_name(draw, attempt)
            assert name == clean_name(name)
