"""Names people go by: what may be one, and when two of them are the same.

A name is shown as it was typed (composed, outer and doubled spaces gone); it is
compared by its key, so that nobody can be another person by case, by width, by
a compatibility letter or by an invisible character.
"""

from __future__ import annotations

import re
import unicodedata

MIN_LENGTH = 2
MAX_LENGTH = 40


def _characters(ranges: str) -> str:
    """Return code points in hexadecimal as the inside of a class: one that Python and ECMA-262 both read."""

    def spell(point: str) -> str:
        return f"\\u{point:0>4}" if len(point) <= 4 else chr(int(point, 16))

    return "".join("-".join(spell(end) for end in one.split("-")) for one in ranges.split())


# Never in a name: controls, line and paragraph separators, private use, noncharacters, and format characters (Cf, and
# what is reserved for more of them, Default_Ignorable_Code_Point): they hide, or turn the direction of what follows.
# Otherwise what is unassigned may be in one: it may be the newest emoji, younger than our tables.
_REFUSED = _characters(
    "0-1F 7F-9F AD 600-605 61C 6DD 70F 890-891 8E2 180E 200B 200E-200F 2028-202E 2060-206F E000-F8FF FDD0-FDEF FEFF"
    " FFF0-FFFB FFFE-FFFF 110BD 110CD 13430-1343F 1BCA0-1BCA3 1D173-1D17A 1FFFE-1FFFF 2FFFE-2FFFF 3FFFE-3FFFF"
    " 4FFFE-4FFFF 5FFFE-5FFFF 6FFFE-6FFFF 7FFFE-7FFFF 8FFFE-8FFFF 9FFFE-9FFFF AFFFE-AFFFF BFFFE-BFFFF CFFFE-CFFFF"
    " DFFFE-DFFFF E0000-E00FF E01F0-E0FFF EFFFE-10FFFF"
)
# They take no room: joiners and choosers of a variant, which mean something only between others (in emoji, in Persian
# and Indic words), Hangul fillers, Khmer inherent vowels, the combining grapheme joiner, the blank of braille.
_BLANK = _characters("34F 115F-1160 17B4-17B5 180B-180D 180F 200C-200D 2800 3164 FE00-FE0F FFA0 E0100-E01EF")
_SPACES = _characters("20 A0 1680 2000-200A 202F 205F 3000")
_ANY, _SEEN = f"[^{_REFUSED}]*", f"[^{_REFUSED}{_BLANK}{_SPACES}]"

NAME_PATTERN = f"^{_ANY}{f'{_SEEN}{_ANY}' * MIN_LENGTH}$"
"""What can be a name, as JSON Schema can say it: all but what composes to fewer or to more characters than allowed."""

_HIDDEN = re.compile(f"[{_REFUSED}{_characters('D800-DFFF')}]")
_INVISIBLE = re.compile(f"[{_REFUSED}{_BLANK}]")


def clean_name(text: str) -> str:
    """Return ``text`` as a name: composed (NFC), trimmed, inner white space single.

    Raises ``ValueError`` with a sentence for the person when it cannot be one.
    """
    # Before splitting: to str.split, controls such as \x1c are white space and would vanish.
    if _HIDDEN.search(text):
        raise ValueError("A name cannot have control or invisible characters.")
    composed = unicodedata.normalize("NFC", text)
    name = " ".join(composed.split())
    visible = sum(1 for char in name_key(name) if char != " ")
    if len(name) < MIN_LENGTH or visible < MIN_LENGTH:
        raise ValueError(f"A name has at least {MIN_LENGTH} characters.")
    if len(composed) > MAX_LENGTH:
        raise ValueError(f"A name has at most {MAX_LENGTH} characters.")
    return name


def without_hidden(text: str) -> str:
    """Return ``text`` without the characters that no name can hold."""
    return _HIDDEN.sub("", text)


def name_key(name: str) -> str:
    """Return what two names share when they are the same to the eye.

    Unicode's NFKC_Casefold (chapter 3.13, D147), near enough: folded, compatibility
    forms resolved, invisible characters dropped; and white space single.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join(_INVISIBLE.sub("", folded).split())
