"""The custom emoji that everybody may use, in this process's search as they are in the database.

Reviews and deletions are committed by any instance. Each raises one number, the revision;
an instance that is told to look again, or that looks by itself twice a second, sees that it
grew and reads the whole list. So nothing depends on a message that may be lost, and what
two changes in a row did is read once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from idling_ws.domain.emoji import Emoji, EmojiId
from idling_ws.domain.errors import UnavailableError
from idling_ws.services.emoji_search import EmojiSearch
from idling_ws.store.catalogue_tables import CatalogueTables
from idling_ws.tasks import Tasks

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5


class SharedEmojis:
    """Keeps ``search`` current from ``start`` to ``stop``."""

    def __init__(self, tables: CatalogueTables, search: EmojiSearch) -> None:
        self._tables = tables
        self._search = search
        self._known: dict[EmojiId, Emoji] = {}
        self._revision = -1
        self._look = asyncio.Event()
        self._tasks = Tasks()
        self.on_revision: Callable[[int], None] = lambda revision: None
        """What everybody may use is another than before: nothing older counts any more."""

    def find(self, id_: EmojiId) -> Emoji | None:
        """Return a custom emoji that everybody may use."""
        return self._known.get(id_)

    @property
    def count(self) -> int:
        """How many custom emoji are found."""
        return len(self._known)

    async def start(self) -> None:
        """Load them; a database that is away does not stop us here."""
        with contextlib.suppress(UnavailableError):
            await self.refresh()
        self._tasks.start(self._run(), "shared-emojis")

    async def stop(self) -> None:
        """Look no more."""
        await self._tasks.stop()

    def look_again(self) -> None:
        """Look at once: something may have changed."""
        self._look.set()

    async def refresh(self) -> None:
        """Let the search find what is in the database, and nothing else. Raises ``UnavailableError``."""
        if await self._tables.revision() == self._revision:
            return
        # Read with its revision from one snapshot: a change in between only makes us look once more.
        revision, emojis = await self._tables.shared_custom_emojis()
        shared = {emoji.id: emoji for emoji in emojis}
        for id_ in self._known.keys() - shared.keys():
            self._search.remove(id_)
        self._search.add(*[emoji for id_, emoji in shared.items() if self._known.get(id_) != emoji])
        self._known, self._revision = shared, revision
        self.on_revision(revision)

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._look.wait()
            self._look.clear()
            try:
                await self.refresh()
            except UnavailableError:
                log.debug("custom emoji could not be read; what is known stays")
            except Exception:
                log.exception("custom emoji could not be read")
