"""A device that comes back through any door, with the one cursor it has: socket, stream, long-poll, plain calls."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import Any
from uuid import uuid4

from tests.support.crowd import RETRY_S, Guest, Roamer
from tests.support.event_source import listen
from tests.support.raw_socket import JsonObject
from tests.support.wire_client import call

DOORS = ("socket", "stream", "poll", "calls")
POLL_S = 1.0
QUIET_S = 20.0


class Wanderer(Roamer):
    """A roamer that draws another door each time. ``doors`` counts them, ``cuts`` how often its line was cut."""

    def __init__(self, guest: Guest, bases: Sequence[str], *, seed: int = 0) -> None:
        super().__init__(guest, bases, seed=seed)
        self.doors: Counter[str] = Counter()
        self.cuts = 0
        self.told_over_rest: dict[str, JsonObject] = {}
        self._asked_over_rest: dict[str, JsonObject] = {}
        self._writes = True
        self._visit: asyncio.Task[None] | None = None

    def cut(self) -> None:
        """Lose the connection, whatever it is."""
        self.cuts += 1
        super().cut()
        if self._visit is not None:
            self._visit.cancel()

    async def _connect(self) -> None:
        doors = DOORS if self._writes else DOORS[:-1]
        door = self._random.choice(doors) if self.welcomes else "socket"
        self.doors[door] += 1
        if door == "socket":
            await super()._connect()
            return
        base = self._random.choice(self.bases)
        visits = {"stream": self._follow, "poll": self._poll, "calls": self._write_and_read}
        await self._until_cut(visits[door](base))

    async def _until_cut(self, visit: Coroutine[Any, Any, None]) -> None:
        """Do it as a task of its own, so that a cut ends it and not this device."""
        self._visit = asyncio.create_task(visit)
        try:
            await asyncio.wait([self._visit])
        finally:
            self._visit.cancel()
        if not self._visit.cancelled():
            self._visit.result()

    async def _follow(self, base: str) -> None:
        """Listen as an ``EventSource`` does."""
        by_header = self._random.random() < 0.5
        where = {"last_event_id": self.cursor} if by_header else {"cursor": self.cursor}
        with contextlib.suppress(EOFError):
            async with await listen(base, self.guest.token, **where) as source:
                welcome = await source.next()
                if not welcome.data["resumed"]:
                    self.fresh_starts.append(welcome.data["reason"])
                while True:
                    event = await source.next(timeout_s=QUIET_S)
                    if event.kind == "entry":
                        self._take(event.data)
                        assert event.id == self.cursor, (event.id, self)
                        await self._tell()

    async def _poll(self, base: str) -> None:
        """Ask for what is new, again and again."""
        while True:
            await self._ask_for_more(base, POLL_S)

    async def _write_and_read(self, base: str) -> None:
        """Change something over REST and read on, until what was said then has come through the stream as well."""
        if not self._writes:
            return
        mid = uuid4().hex
        mutation = {"mid": mid, "name": "profile.update", "args": {"bio": f"at {self.cursor}"}}
        self._asked_over_rest[mid] = mutation
        self.told_over_rest[mid] = await self._write(base, mutation)
        while mid not in self.verdicts:
            await self._ask_for_more(base, POLL_S)

    async def _write(self, base: str, mutation: JsonObject) -> JsonObject:
        """Ask for a change until there is a verdict."""
        while True:
            answer = await call(base, "POST", "/api/mutations", token=self.guest.token, json={"mutations": [mutation]})
            assert answer.status == 200, answer.body
            verdict: JsonObject = answer.json["verdicts"][0]
            if verdict["status"] != "error":
                return verdict
            assert verdict["error"]["retryable"], verdict
            await asyncio.sleep(RETRY_S)

    async def finish(self) -> None:
        """Write nothing more. What was asked for when the line was cut may be on its way still: once it has
        its verdict, nothing of this device's comes any more.
        """
        self._writes = False
        for mid, mutation in list(self._asked_over_rest.items()):
            if mid not in self.verdicts:
                await self._write(self.bases[0], mutation)

    async def _ask_for_more(self, base: str, wait_s: float) -> None:
        path = f"/api/events?cursor={self.cursor}&wait_s={wait_s:g}"
        answer = await call(base, "GET", path, token=self.guest.token)
        if answer.status == 410:
            self.fresh_starts.append(answer.json["reason"])
        if answer.status == 503:
            assert answer.json["retryable"], answer.body
            await asyncio.sleep(RETRY_S)
            return
        assert answer.status in (200, 204), answer.body
        if answer.status == 200:
            for entry in answer.json["entries"]:
                self._take(entry)
            assert answer.json["cursor"] == self.cursor, (answer.json["cursor"], self)
            await self._tell()

    def _take(self, entry: JsonObject) -> None:
        """Take an entry as it was written: what came inside of something else is spelled again."""
        self.take(entry, json.dumps(entry, separators=(",", ":"), ensure_ascii=False))
