"""The emoji search: what somebody typed, to emoji, best first.

It lives in the process and asks nobody. Hits come in ranks: an exact title, words of a
title or their beginnings, keywords, and only when those give little, near misses. Within
a rank one's own favourites lead, then what one used last, then the better fit, then what
everybody uses. The order is total, so one page ends where the next begins.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass

from idling_ws.domain.emoji import CUSTOM_CATEGORY, Emoji, EmojiId, SkinTone
from idling_ws.domain.errors import InvalidError
from idling_ws.services.emoji_index import EmojiIndex
from idling_ws.services.emoji_matching import Match, Matches, Rank
from idling_ws.services.emoji_memory import MatchMemory
from idling_ws.services.emoji_paging import Place, read_after, write_after
from idling_ws.services.emoji_query import Query, read_query
from idling_ws.store.catalogue import Catalogue

MAX_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Taste:
    """Who is asking: their favourites and what they used last, each first to last, and their skin tone."""

    favorites: tuple[EmojiId, ...] = ()
    recents: tuple[EmojiId, ...] = ()
    tone: SkinTone | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A found emoji. ``id`` is the one to send: the variant in the tone asked for, where there is one."""

    emoji: Emoji
    id: EmojiId
    rank: Rank


@dataclass(frozen=True, slots=True)
class Page:
    """Hits, best first. ``next`` goes back as ``after``; None when these were the last."""

    hits: tuple[Hit, ...]
    next: str | None


NOBODY = Taste()


class EmojiSearch:
    """The index over a catalogue, and over the custom emoji that come and go beside it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._categories = {category.id for category in catalogue.categories} | {CUSTOM_CATEGORY}
        self._prior = {id_: rank for rank, id_ in enumerate(catalogue.common)}
        self._index = EmojiIndex(catalogue.words)
        self._index.put(catalogue.emojis.values())
        self._memory = MatchMemory(self._index)

    def add(self, *emojis: Emoji) -> None:
        """Have ``emojis`` found from now on, each instead of what had its id."""
        self._index.put(emojis)
        self._memory.forget()

    def remove(self, id_: EmojiId) -> None:
        """Have the emoji found no longer. That it was not there is no error: entries come more than once."""
        self._index.remove(id_)
        self._memory.forget()

    def search(
        self,
        text: str,
        *,
        taste: Taste = NOBODY,
        category: str | None = None,
        limit: int = 30,
        after: str | None = None,
        popularity: Mapping[EmojiId, float] | None = None,
    ) -> Page:
        """A page of what ``text`` finds: ``limit`` hits behind ``after``, of one category or of all.

        ``popularity`` breaks ties; the higher, the earlier. Raises InvalidError for a text, category,
        limit or ``after`` that cannot be.
        """
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidError(fields={"limit": [f"From 1 to {MAX_LIMIT}."]})
        if category is not None and category not in self._categories:
            raise InvalidError(fields={"category": ["There is no such category."]})
        query = read_query(text)
        behind = None if after is None else read_after(after, query.raw, category)
        tone, matches, shown = self._match(query, taste.tone)
        personal = self._personal_order(taste)
        places = []
        for number, (rank, closeness, grade) in matches.items():
            emoji = self._index.emojis[number]
            if emoji is None or (category is not None and emoji.category != category):
                continue
            id_ = emoji.id
            popular = popularity.get(id_, 0.0) if popularity else 0.0
            prior = self._prior.get(id_, len(self._prior))
            own = personal.get(number, len(personal))
            place = (rank, closeness, own, grade, -popular, prior, emoji.position, id_)
            if behind is None or place > behind:
                places.append(place)
        best = heapq.nsmallest(limit + 1, places)
        hits = tuple(self._hit(place, tone, shown) for place in best[:limit])
        return Page(hits, write_after(best[limit - 1], query.raw, category) if len(best) > limit else None)

    def _hit(self, place: Place, tone: SkinTone | None, shown: EmojiId | None) -> Hit:
        number = self._index.number_of(place[-1])
        emoji = None if number is None else self._index.emojis[number]
        assert emoji is not None, "it was matched a moment ago"  # noqa: S101 - narrows the type
        if shown is None:
            shown = emoji.id if tone is None else emoji.in_tone(tone)
        return Hit(emoji, shown, Rank(place[0]))

    def _match(self, query: Query, tone: SkinTone | None) -> tuple[SkinTone | None, Matches, EmojiId | None]:
        """What the query matches, in which tone to show it, and the very id to show if the query is one."""
        typed = self._catalogue.resolve(query.raw)
        if typed is not None:
            emoji = self._catalogue.find(typed)
            number = None if emoji is None else self._index.number_of(emoji.id)
            if emoji is not None and number is not None:
                shown = None if typed == emoji.id else typed
                return tone, {number: Match(Rank.EXACT, 0, 0)}, shown
        plain = self._memory.match(query)
        toned_query = query.split_tone()
        if toned_query is not None:
            toned = {
                number: one
                for number, one in self._memory.match(toned_query).items()
                if (emoji := self._index.emojis[number]) is not None and emoji.variants
            }
            # "light bulb" and "dark thumbs": whichever reading fits better is meant.
            if toned and (query.names_skin or not plain or min(toned.values()) < min(plain.values())):
                return toned_query.tone, toned, None
        return query.tone or tone, plain, None

    def _personal_order(self, taste: Taste) -> dict[int, int]:
        order: dict[int, int] = {}
        for id_ in (*taste.favorites, *taste.recents):
            emoji = self._catalogue.find(id_)
            number = self._index.number_of(id_ if emoji is None else emoji.id)
            if number is not None:
                order.setdefault(number, len(order))
        return order
