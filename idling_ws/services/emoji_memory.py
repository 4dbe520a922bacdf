"""What the last queries matched, so that a next page, or somebody who types the same, need not wait for it again.

Matches depend on nothing but the query and the index; taste comes after them. So they
hold for everybody until an emoji comes or goes, and then all are forgotten at once.
"""

from __future__ import annotations

from collections import OrderedDict

from idling_ws.services.emoji_index import EmojiIndex
from idling_ws.services.emoji_matching import Matches, match
from idling_ws.services.emoji_query import Query

MAX_MATCHES = 20_000
"""Over all queries together; each costs about 150 bytes."""

OF_ITSELF = 8
"""What a query counts for beside its matches."""


class MatchMemory:
    """Answers as ``match`` does; the query asked longest ago is forgotten first."""

    def __init__(self, index: EmojiIndex, *, max_matches: int = MAX_MATCHES) -> None:
        self._index = index
        self._max_matches = max_matches
        self._known: OrderedDict[Query, Matches] = OrderedDict()
        self._size = 0

    def match(self, query: Query) -> Matches:
        """Return what ``query`` matches: not to be changed."""
        found = self._known.get(query)
        if found is not None:
            self._known.move_to_end(query)
            return found
        found = match(self._index, query)
        self._known[query] = found
        self._size += len(found) + OF_ITSELF
        while self._size > self._max_matches:
            _, oldest = self._known.popitem(last=False)
            self._size -= len(oldest) + OF_ITSELF
        return found

    def forget(self) -> None:
        """Know nothing any more: the index is another."""
        self._known.clear()
        self._size = 0
