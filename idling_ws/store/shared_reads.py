"""Shared reads: whoever asks for the same thing while it is being read shares the next reading of it.

Not the one that is under way: that began before they asked, and what was committed since is
not in it. So each gets what is true after it asked, and a crowd costs two readings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Wish = TypeVar("Wish", bound=Hashable)
Found = TypeVar("Found")


class SharedReads(Generic[Key, Wish, Found]):
    """Reads by key. ``load`` is told of everything that those who share a reading wish for."""

    def __init__(self, load: Callable[[Key, frozenset[Wish]], Awaitable[Found]]) -> None:
        self._load = load
        self._next: dict[Key, tuple[set[Wish], asyncio.Future[Found]]] = {}
        self._readers: dict[Key, asyncio.Task[None]] = {}
        self.shared = 0

    async def read(self, key: Key, wish: Wish) -> Found:
        """Return what a reading that begins from now on finds. Raises what it raises."""
        waiting = self._next.get(key)
        if waiting is None:
            waiting = self._next[key] = (set(), asyncio.get_running_loop().create_future())
        else:
            self.shared += 1
        wishes, found = waiting
        wishes.add(wish)
        if key not in self._readers:
            self._readers[key] = asyncio.create_task(self._run(key), name="shared-read")
        # Whoever goes away does so alone.
        return await asyncio.shield(found)

    async def _run(self, key: Key) -> None:
        """Read until nobody waits. It ends by itself: a reading has its deadline."""
        try:
            while (waiting := self._next.pop(key, None)) is not None:
                wishes, found = waiting
                try:
                    result = await self._load(key, frozenset(wishes))
                except Exception as exc:  # noqa: BLE001 -- raised where it is waited for
                    if not found.done():
                        found.set_exception(exc)
                        # It may be that everybody has gone.
                        found.exception()
                else:
                    if not found.done():
                        found.set_result(result)
        finally:
            del self._readers[key]
            waiting = self._next.pop(key, None)
            if waiting is not None:
                waiting[1].cancel()
