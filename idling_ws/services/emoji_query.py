"""What somebody typed into the emoji search, made out.

People type words, shortcodes (``:tada:``), emoticons (``<3``), emoji themselves, and
skin tones in words (``dark thumbs``). All of it becomes one ``Query`` of plain words,
folded the same way as the words of the index.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from idling_ws.domain.emoji import SkinTone
from idling_ws.domain.errors import InvalidError

MAX_QUERY = 100
"""Characters. The longest name of an emoji has 60."""

_SHORTCODE = re.compile(r":([^\s:]+):(?::skin-tone-([2-6]):)?")
_ABBREVIATION = re.compile(r"\b(\w)\.(?=\w\b)")
_APOSTROPHES = dict.fromkeys(map(ord, "'\u2018\u2019\u02bc`"))
_NOSE = re.compile(r"(?<=[:;=8x>])[-o^](?=[^\w\s]|[dpoxcs3]$)")
_SLACK_TONES = dict(zip("23456", SkinTone, strict=True))
_TONE_WORDS = {
    ("light",): SkinTone.LIGHT,
    ("medium", "light"): SkinTone.MEDIUM_LIGHT,
    ("medium",): SkinTone.MEDIUM,
    ("medium", "dark"): SkinTone.MEDIUM_DARK,
    ("dark",): SkinTone.DARK,
}
_SKIN_WORDS = {"skin", "skinned", "tone", "toned"}


@dataclass(frozen=True, slots=True)
class Query:
    """``raw``: as typed, less the space around it. ``words``: folded, in order. ``tone``: asked for in it.

    ``is_shortcode``: it stood between colons, so it means what chats mean by it.
    """

    raw: str
    words: tuple[str, ...]
    tone: SkinTone | None = None
    is_shortcode: bool = False

    @property
    def squeezed(self) -> str:
        """The words without space, so that ``thumbsup`` and ``thumbs up`` are the same."""
        return "".join(self.words)

    @property
    def sign(self) -> str:
        """What was typed as a sign: ``:-)`` without its nose, ``+1`` with its plus."""
        return to_sign(self.raw)

    def split_tone(self) -> Query | None:
        """The query without the words for a skin tone, and with that tone; None when it has none.

        ``light`` in ``light bulb`` looks like a tone too: the index has to judge.
        """
        for size in (2, 1):
            for at in range(len(self.words) - size + 1):
                tone = _TONE_WORDS.get(self.words[at : at + size])
                rest = self.words[:at] + self.words[at + size :]
                rest = tuple(word for word in rest if word not in _SKIN_WORDS)
                if tone is not None and rest:
                    return Query(" ".join(rest), rest, tone)
        return None

    @property
    def names_skin(self) -> bool:
        """Whether it says "skin" or "tone" outright."""
        return any(word in _SKIN_WORDS for word in self.words)


def read_query(text: str) -> Query:
    """``text`` as a query. Raises InvalidError for nothing, too much, and NUL or lone surrogates."""
    raw = text.strip()
    if not raw:
        raise InvalidError(fields={"q": ["Say what to look for."]})
    if len(raw) > MAX_QUERY:
        raise InvalidError(fields={"q": [f"At most {MAX_QUERY} characters."]})
    if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in raw):
        raise InvalidError(fields={"q": ["Not text."]})
    shortcode = _SHORTCODE.fullmatch(raw)
    if shortcode:
        tone = _SLACK_TONES.get(shortcode[2] or "")
        return Query(shortcode[1], fold(shortcode[1]), tone, is_shortcode=True)
    return Query(raw, fold(raw))


def fold(text: str) -> tuple[str, ...]:
    """The words of ``text`` without case, accents, punctuation and compatibility forms."""
    plain = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES)).casefold()
    plain = _ABBREVIATION.sub(r"\1", plain)  # "U.S." is one word
    spread = unicodedata.normalize("NFKD", plain)
    letters = (char for char in spread if unicodedata.category(char) != "Mn")
    return tuple("".join(char if char.isalnum() else " " for char in letters).split())


def to_sign(text: str) -> str:
    """``text`` as a sign to compare: compatibility forms and case undone, an emoticon's nose left off."""
    return _NOSE.sub("", unicodedata.normalize("NFKC", text).casefold())


def singulars(word: str) -> tuple[str, ...]:
    """What ``word`` may be the plural of, in English."""
    if len(word) < 4 or not word.endswith("s") or word.endswith("ss"):
        return ()
    found = [word[:-1]]
    if word.endswith("es"):
        found.append(word[:-2])
    if word.endswith("ies"):
        found.append(f"{word[:-3]}y")
    return tuple(found)


def verbs(word: str) -> tuple[str, ...]:
    """What ``word`` may come from, in English: ``skated``, ``skating``, ``skater``, ``rainy``."""
    found = []
    for ending in ("ing", "ed", "er", "y"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 3:
            found += [stem, f"{stem}e"]
            if stem[-1] == stem[-2]:
                found.append(stem[:-1])
    return tuple(found)
