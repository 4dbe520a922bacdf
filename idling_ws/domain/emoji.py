"""Emoji as facts: what one is called, where it belongs, and which skin tones it comes in.

An emoji is named by its id: the code points of its fully-qualified form in
upper-case hexadecimal, joined by ``-`` (``1F600``, ``2764-FE0F``). Ids of custom
emoji begin with ``c_``. A skin-tone variant is no emoji of its own here: it has an
id, and belongs to the emoji it colours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NewType

EmojiId = NewType("EmojiId", str)
"""A fully-qualified hexcode, or ``c_…`` for a custom emoji."""

CUSTOM_PREFIX = "c_"
CUSTOM_CATEGORY = "custom"

MAX_TEXT = 80
"""Characters. The longest id has 54, the longest emoji itself 10."""

_HEXCODE = re.compile(r"[0-9A-Fa-f]{4,6}(?:-[0-9A-Fa-f]{4,6})*")


class SkinTone(StrEnum):
    """The five of Unicode (UTS #51, section 2.4), by the names of the preference ``skin_tone``."""

    LIGHT = "light"
    MEDIUM_LIGHT = "medium_light"
    MEDIUM = "medium"
    MEDIUM_DARK = "medium_dark"
    DARK = "dark"

    @property
    def words(self) -> str:
        """As Unicode writes it in names: ``medium-dark skin tone``."""
        return f"{self.value.replace('_', '-')} skin tone"


@dataclass(frozen=True, slots=True)
class Variant:
    """One emoji in one colouring: one tone, or one each where it shows two people of different tones."""

    id: EmojiId
    tones: tuple[SkinTone, ...]

    @property
    def char(self) -> str:
        """The emoji itself."""
        return to_char(self.id)


@dataclass(frozen=True, slots=True)
class Category:
    """One page of the picker. ``position`` is its place there, ``count`` how many emoji it has."""

    id: str
    name: str
    position: int
    count: int


@dataclass(frozen=True, slots=True)
class Emoji:
    """An emoji without its colourings. ``position`` orders all emoji as Unicode's charts do."""

    id: EmojiId
    name: str
    category: str
    position: int
    subgroup: str = ""
    since: str = ""
    keywords: tuple[str, ...] = ()
    shortcodes: tuple[str, ...] = ()
    emoticons: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    url: str | None = None

    @property
    def custom(self) -> bool:
        """Whether a user made it; then it has a ``url`` and no ``char``."""
        return self.id.startswith(CUSTOM_PREFIX)

    @property
    def char(self) -> str | None:
        """The emoji itself, fully qualified."""
        return None if self.custom else to_char(self.id)

    def in_tone(self, tone: SkinTone) -> EmojiId:
        """The id with everybody in ``tone``; its own id when it comes in no tones."""
        for variant in self.variants:
            if variant.tones == (tone,):
                return variant.id
        return self.id

    def name_of(self, id_: EmojiId) -> str:
        """What to call this emoji or one of its variants, in the manner of Unicode's names."""
        for variant in self.variants:
            if variant.id == id_:
                tones = ", ".join(tone.words for tone in variant.tones)
                return f"{self.name}{',' if ':' in self.name else ':'} {tones}"
        return self.name

    def to_wire(self) -> dict[str, Any]:
        """As REST shows it (protocol, section 4): what it has not is absent."""
        shown: dict[str, Any] = {"id": self.id, "name": self.name, "category": self.category}
        if self.char is not None:
            shown["char"] = self.char
        shown |= {"shortcodes": list(self.shortcodes), "keywords": list(self.keywords)}
        if self.variants:
            shown["skin_tones"] = [
                {"id": variant.id, "char": variant.char, "tones": [tone.value for tone in variant.tones]}
                for variant in self.variants
            ]
        shown["custom"] = self.custom
        if self.url is not None:
            shown["url"] = self.url
        return shown


def to_char(id_: str) -> str:
    """The emoji that a hexcode stands for."""
    return "".join(chr(int(point, 16)) for point in id_.split("-"))


def to_bare_id(text: str) -> str | None:
    """The hexcode without VS16 of what may be an id, in any case, or an emoji; None when it can be neither.

    Fully, minimally and unqualified forms of one emoji (UTS #51, ED-18) differ in VS16
    (U+FE0F) only, and no two emoji differ in that alone. So this is the key to compare by.
    """
    if not 0 < len(text) <= MAX_TEXT:
        return None
    if _HEXCODE.fullmatch(text):
        points = text.upper().split("-")
    elif text.isascii():
        return None
    else:
        points = [f"{ord(char):04X}" for char in text]
    return "-".join(point for point in points if point != "FE0F") or None
