"""The catalogue of Unicode emoji, as it is packaged with the server.

It is read once per process and never changes while that lives. Its 3 MiB pay for
answering "is this an emoji, and which?" without a database.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import orjson

from idling_ws.domain.emoji import Category, Emoji, EmojiId, SkinTone, Variant, to_bare_id

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Edition:
    """Which emoji these are: versions of Unicode's data, and how many there must be."""

    unicode: str
    emoji: str
    cldr: str
    fully_qualified: int
    """All ids that Unicode calls fully qualified, skin-tone variants included."""


class Catalogue:
    """All Unicode emoji by id; an id or emoji in any spelling finds its one canonical id."""

    __slots__ = ("_base_of", "_ids", "categories", "common", "edition", "emojis", "words")

    def __init__(
        self,
        edition: Edition,
        categories: Iterable[Category],
        emojis: Iterable[Emoji],
        common: Iterable[EmojiId] = (),
        words: Mapping[str, tuple[EmojiId, ...]] | None = None,
    ) -> None:
        self.edition = edition
        self.categories = tuple(categories)
        self.emojis: Mapping[EmojiId, Emoji] = {emoji.id: emoji for emoji in emojis}
        self.common = tuple(common)
        """The emoji that people use most, in that order: our own estimate, not Unicode's."""
        self.words = words or {}
        """What people mean by a word where names and keywords do not say: best first."""
        self._ids: dict[str, EmojiId] = {}
        self._base_of: dict[EmojiId, EmojiId] = {}
        for emoji in self.emojis.values():
            self._ids[emoji.id.replace("-FE0F", "")] = emoji.id
            for variant in emoji.variants:
                self._ids[variant.id.replace("-FE0F", "")] = variant.id
                self._base_of[variant.id] = emoji.id

    def __len__(self) -> int:
        """How many ids there are, skin-tone variants included."""
        return len(self._ids)

    def resolve(self, text: str) -> EmojiId | None:
        """The id of an emoji that is given as an id, in any case, or as itself; with or without VS16."""
        bare_id = to_bare_id(text)
        return None if bare_id is None else self._ids.get(bare_id)

    def is_known(self, emoji: str) -> bool:
        """Whether ``resolve`` finds it."""
        return self.resolve(emoji) is not None

    def find(self, id_: EmojiId) -> Emoji | None:
        """The emoji with this id or with a variant of this id."""
        return self.emojis.get(self._base_of.get(id_, id_))

    def of_category(self, category: str) -> list[Emoji]:
        """The emoji of one category in order."""
        return [emoji for emoji in self.emojis.values() if emoji.category == category]


@functools.cache
def load_packaged_catalogue() -> Catalogue:
    """The catalogue in ``data/emoji.json``. Raises ValueError when that is of another format."""
    return read_catalogue(packaged_bytes())


def packaged_bytes() -> bytes:
    """``data/emoji.json`` as it is."""
    return resources.files("idling_ws").joinpath("data/emoji.json").read_bytes()


def read_catalogue(encoded: bytes) -> Catalogue:
    """The catalogue that ``scripts/build_emoji_data.py`` wrote as ``encoded``."""
    data = orjson.loads(encoded)
    header = data["header"]
    if header["format"] != FORMAT:
        raise ValueError(f"emoji data of format {header['format']}, not {FORMAT}")
    category_ids = [id_ for id_, _ in data["categories"]]
    emojis = [
        _read_emoji(row, position, category_ids, data["subgroups"]) for position, row in enumerate(data["emojis"])
    ]
    counts = dict.fromkeys(category_ids, 0)
    for emoji in emojis:
        counts[emoji.category] += 1
    return Catalogue(
        Edition(header["unicode"], header["emoji"], header["cldr"], header["counts"]["fully_qualified"]),
        [Category(id_, name, place, counts[id_]) for place, (id_, name) in enumerate(data["categories"])],
        emojis,
        data["common"],
        {word: tuple(ids) for word, ids in data["words"].items()},
    )


def _read_emoji(row: list[Any], position: int, categories: list[str], subgroups: list[str]) -> Emoji:
    id_, name, category, subgroup, since, keywords, shortcodes, emoticons, tones = row
    return Emoji(
        id=EmojiId(id_),
        name=name,
        category=categories[category],
        position=position,
        subgroup=subgroups[subgroup],
        since=sys.intern(since),
        # The same few thousand words come back on many emoji: one copy of each is a third of the memory.
        keywords=tuple(map(sys.intern, keywords)),
        shortcodes=tuple(shortcodes),
        emoticons=tuple(emoticons),
        variants=tuple(Variant(EmojiId(id_), _TONES[tuple(names)]) for id_, *names in tones),
    )


# All colourings there are, so that two thousand variants share 25 tuples.
_TONES = {(tone.value,): (tone,) for tone in SkinTone} | {
    (one.value, other.value): (one, other) for one in SkinTone for other in SkinTone if one is not other
}
