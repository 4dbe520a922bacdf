"""Names: what may be one, and which two are the same."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idling_ws.domain.names import MAX_LENGTH, MIN_LENGTH, clean_name, name_key
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
    ],
)
def test_a_name_is_kept_as_typed_but_for_white_space_and_composition(text: str, name: str) -> None:
    assert name == clean_name(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "x", " x ", "x" * 41),
        *("a\x00b", "a\nb", "a\x1bb", "a\x1cb", "a\u2028b"),
        *("a\u202eb", "a\u200bb", "a\u2066b", "ab\ufeff", "a\ud800b", "a\ue000b"),
        "\u200d\u200d\u200d",
        "a\u200d",
        "\u3164\u3164\u3164",
        "\u2800\u2800\u2800",
    ],
)
def test_too_short_too_long_and_invisible_names_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="name"):
        clean_name(text)


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
