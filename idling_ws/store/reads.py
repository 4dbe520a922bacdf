"""Reads that the cache stands before: how each kind of data is loaded, and in what shape it is held.

A personal value is held as REST answers it, cursor included: it is true of that cursor,
and no entry between it and the head has changed it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from idling_ws.domain import preferences
from idling_ws.domain.caching import CacheKey
from idling_ws.domain.emoji import EmojiId, SkinTone
from idling_ws.domain.errors import AuthError, JsonObject, UnavailableError
from idling_ws.store.cache import Answer, Cache, Loaded
from idling_ws.store.catalogue_tables import CatalogueTables
from idling_ws.store.log import Position, StreamLog
from idling_ws.store.popularity import Popularity
from idling_ws.store.replicas import Reader
from idling_ws.wire.cursor import Cursor


class Reads:
    """Every cached read of one instance. All raise ``UnavailableError`` when nothing is held and
    PostgreSQL does not answer; ``away`` says that it was just found not to.

    What everybody shares is read from ``lagging`` where that is not below the ``floor``. A person's own
    never is: what is held must be as new as any entry that was told, whoever reads it next.
    """

    def __init__(
        self,
        cache: Cache,
        stream_log: StreamLog,
        tables: CatalogueTables,
        popularity: Popularity,
        lagging: Reader | None = None,
        floor: Callable[[CacheKey], int] = lambda key: 0,
    ) -> None:
        self._cache = cache
        self._lagging = lagging
        self._floor = floor
        self._log = stream_log
        self._tables = tables
        self._popularity = popularity
        self._scores: tuple[bytes, Mapping[EmojiId, float]] = (b"", {})

    async def close(self) -> None:
        """End what is under way."""
        await self._cache.close()

    # -- a person's own ------------------------------------------------------------

    async def profile(self, user_id: int, *, away: bool = False, known: bool = False) -> Answer:
        """``{profile, cursor}``, or none. ``known``: somebody who is there for certain."""

        async def load() -> Loaded:
            try:
                position = await self._log.position(user_id)
            except AuthError:
                return Loaded(None, 0)
            return _of(position, {"profile": position.profile.to_state()})

        return await self._cache.get(CacheKey("profile", user_id), load, database_is_away=away, known=known)

    async def preferences(self, user_id: int, *, away: bool = False) -> Answer:
        """``{preferences, cursor}``"""

        async def load() -> Loaded:
            position, facts = await self._log.part(user_id, "preferences")
            chosen = facts["preferences"] or {"chosen": {}, "version": 1}
            return _of(position, {"preferences": preferences.to_state(chosen["chosen"], chosen["version"])})

        return await self._cache.get(CacheKey("preferences", user_id), load, database_is_away=away)

    async def favorites(self, user_id: int, *, away: bool = False) -> Answer:
        """``{favorites, cursor}``"""

        async def load() -> Loaded:
            position, facts = await self._log.part(user_id, "favorites")
            return _of(position, {"favorites": facts["favorites"]})

        return await self._cache.get(CacheKey("favorites", user_id), load, database_is_away=away)

    async def taste(self, user_id: int, *, away: bool = False) -> Answer:
        """``{favorites, recents, tone}``: what the search ranks by for one person."""

        async def load() -> Loaded:
            position, facts = await self._log.part(user_id, "favorites", "recent_emojis", "preferences")
            chosen = (facts["preferences"] or {"chosen": {}})["chosen"]
            tone = chosen.get("skin_tone")
            body = {
                "favorites": facts["favorites"],
                "recents": facts["recent_emojis"] or [],
                "tone": tone if tone in set(SkinTone) else None,
            }
            return Loaded(body, position.user_seq)

        return await self._cache.get(CacheKey("taste", user_id), load, database_is_away=away)

    # -- everybody's ---------------------------------------------------------------

    async def categories(self) -> Answer:
        """``{categories}``"""

        key = CacheKey("categories")

        async def load() -> Loaded:
            page = await self._tables.categories(at=self._lagging)
            if page.revision < self._floor(key):
                page = await self._tables.categories()
            return Loaded(page.body, page.revision)

        return await self._cache.get(key, load)

    async def category(self, category: str) -> Answer:
        """``{category, emojis}``, or none."""

        key = CacheKey("category", part=category)

        async def load() -> Loaded:
            page = await self._tables.category(category, at=self._lagging)
            if page is None or page.revision < self._floor(key):
                page = await self._tables.category(category)
            return Loaded(None, 0) if page is None else Loaded(page.body, page.revision)

        return await self._cache.get(key, load)

    async def popular(self) -> Answer:
        """``[[emoji, score], …]``, the most used first."""

        async def load() -> Loaded:
            return Loaded(await self._popularity.top(), 0)

        return await self._cache.get(CacheKey("popular"), load)

    async def ranks(self) -> Mapping[EmojiId, float]:
        """Return how popular each emoji is, in doublings: so coarse that it rarely changes between two pages.

        None is popular while that cannot be read.
        """
        try:
            answer = await self.popular()
        except UnavailableError:
            return {}
        body, scores = self._scores
        if body is not answer.body:
            scores = {EmojiId(emoji): float(int(math.log2(1 + score))) for emoji, score in answer.value()}
            self._scores = (answer.body, scores)
        return scores


def _of(position: Position, body: JsonObject) -> Loaded:
    cursor = Cursor(position.epoch, position.user_seq, position.all_seq)
    return Loaded({**body, "cursor": str(cursor)}, position.user_seq)
