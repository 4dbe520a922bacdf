"""Names people go by: what may be one, and when two of them are the same.

A name is shown as it was typed (composed, outer and doubled spaces gone); it is
compared by its key, so that nobody can be another person by case, by width, by
a compatibility letter or by an invisible character.
"""

from __future__ import annotations

import unicodedata

MIN_LENGTH = 2
MAX_LENGTH = 40

# Joiners carry meaning inside emoji and in Persian or Indic words, and nothing by themselves.
_JOINERS = frozenset("\u200c\u200d")
# Controls, unassigned, private use, lone surrogates, line and paragraph separators. Other format
# characters (Cf) turn the direction of what follows or hide: a name must not do that to a page.
_REFUSED = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
# They take no room: Hangul fillers, braille blank, the combining grapheme joiner, Khmer vowel inherents.
_BLANK = frozenset("\u00ad\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


def _is_invisible(char: str) -> bool:
    # Variation selectors (FE00-FE0F, E0100-E01EF) only choose between two looks.
    return (
        char in _JOINERS
        or char in _BLANK
        or "\ufe00" <= char <= "\ufe0f"
        or "\U000e0100" <= char <= "\U000e01ef"
        or unicodedata.category(char) == "Cf"
    )


def clean_name(text: str) -> str:
    """Return ``text`` as a name: composed (NFC), trimmed, inner white space single.

    Raises ``ValueError`` with a sentence for the person when it cannot be one.
    """
    # Before splitting: to str.split, controls such as \x1c are white space and would vanish.
    for char in text:
        if char not in _JOINERS and unicodedata.category(char) in _REFUSED:
            raise ValueError("A name cannot have control or invisible characters.")
    name = " ".join(unicodedata.normalize("NFC", text).split())
    visible = sum(1 for char in name_key(name) if char != " ")
    if len(name) < MIN_LENGTH or visible < MIN_LENGTH:
        raise ValueError(f"A name has at least {MIN_LENGTH} characters.")
    if len(name) > MAX_LENGTH:
        raise ValueError(f"A name has at most {MAX_LENGTH} characters.")
    return name


def name_key(name: str) -> str:
    """Return what two names share when they are the same to the eye.

    Unicode's NFKC_Casefold (chapter 3.13, D147), near enough: folded, compatibility
    forms resolved, invisible characters dropped; and white space single.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    seen = "".join(char for char in folded if not _is_invisible(char))
    return " ".join(seen.split())
