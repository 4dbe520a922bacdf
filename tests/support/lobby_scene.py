"""A scene in the lobby: somebody who comes and goes, and watchers at several instances."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

from tests.support.crowd import Roamer, gathered, issue_guests
from tests.support.instances import Instance
from tests.support.raw_socket import JsonObject
from tests.support.wire_client import metric

PATIENCE_S = 90.0


def lobby_notices(watcher: Roamer) -> list[JsonObject]:
    """Return what a watcher was told of the lobby."""
    return [data for _, data in watcher.notices if "members" in data]


class Scene:
    """Somebody who comes and goes, and a watcher at each of some instances."""

    def __init__(self, at: Sequence[Instance]) -> None:
        guests = issue_guests(at[0], len(at) + 1)
        self.at = list(at)
        self.idler = Roamer(guests[0], [at[0].url])
        self.watchers = [Roamer(guest, [instance.url]) for guest, instance in zip(guests[1:], at, strict=True)]
        for watcher in self.watchers:
            watcher.topics = ["lobby"]
        self.changes = 0

    async def change(self) -> str:
        """Let the idler do something else, and return what."""
        self.changes += 1
        words = f"change {self.changes}"
        session = self.idler.state.get("session")
        if session is None:
            asked = self.idler.ask("session.start", {"activity": words})
        else:
            asked = self.idler.ask("session.update", {"id": session["id"], "activity": words})
        assert (await self.idler.verdict(asked))["status"] == "confirmed"
        return words

    async def shown(self, words: str, watchers: Sequence[Roamer] | None = None) -> None:
        """Wait until the watchers see the idler do that."""
        for watcher in self.watchers if watchers is None else watchers:
            await watcher.until(lambda watcher=watcher: words in self.seen_by(watcher))

    def seen_by(self, watcher: Roamer) -> list[str]:
        """Return what the idler does, by a watcher's last notice."""
        if not (notices := lobby_notices(watcher)):
            return []
        data = notices[-1]
        assert data["count"] >= len(data["members"])
        return [one["session"]["activity"] for one in data["members"] if one["user"]["id"] == self.idler.guest.user_id]

    async def tellers(self) -> list[float]:
        """Return which of the instances reads for all: 1 or 0 for each."""
        return [await metric(instance.url, "idling_lobby_teller") for instance in self.at]

    async def reads(self) -> list[float]:
        """Return how often each instance has read the lobby."""
        return [await metric(instance.url, "idling_lobby_reads_total") for instance in self.at]

    async def one_tells(self) -> int:
        """Wait until one of the instances is the teller, and return which."""
        found: list[float] = []

        async def look() -> bool:
            nonlocal found
            found = await self.tellers()
            return sum(found) == 1

        await until(look)
        return found.index(1)

    async def one_reads(self) -> None:
        """See several changes told to all, and read by nobody but the teller. Who died meanwhile is replaced."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                teller, before = await self.one_tells(), await self.reads()
                for _ in range(3):
                    await self.shown(await self.change())
                grown = [now - then for then, now in zip(before, await self.reads(), strict=True)]
                # On a machine that stands still for seconds the lease may go over to another.
                if await self.one_tells() == teller and sum(map(bool, grown)) == 1:
                    assert grown[teller] >= 1
                    return


async def until(is_so: Callable[[], object]) -> None:
    """Wait until ``await is_so()``."""
    async with asyncio.timeout(PATIENCE_S):
        while not await is_so():  # type: ignore[misc]  # a coroutine function
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def scene(at: Sequence[Instance], watched: Sequence[int] | None = None) -> AsyncIterator[Scene]:
    """Let them all be there; ``watched``: at which instances somebody watches from the beginning, by default at all."""
    made = await asyncio.to_thread(Scene, at)
    here = made.watchers if watched is None else [made.watchers[n] for n in watched]
    async with gathered([made.idler, *here]):
        yield made
