"""The lobby: who idles now, told to whoever watches, at most once a second.

A change of a session reaches every instance as a small message. An instance with
watchers then reads the room once per tick and encodes one notice for all of them, so
the cost of a tick grows with the members and not with members times watchers. A
notice is conflated: it holds the whole picture (count and the newest members) beside
who joined and left, so one that was skipped is not missed.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol

import orjson

from idling_ws.delivery.publisher import Publisher
from idling_ws.domain.errors import JsonObject, UnavailableError
from idling_ws.domain.rules import LobbyChange
from idling_ws.store.redis import Keys
from idling_ws.store.sessions import SessionStore
from idling_ws.tasks import Tasks
from idling_ws.wire import frames
from idling_ws.wire.websocket import text_frame

log = logging.getLogger(__name__)

TOPIC = "lobby"
TICK_S = 1.0
# Somebody who falls silent changes the room without telling.
REFRESH_EVERY_TICKS = 5
SHOWN = 50


class Watcher(Protocol):
    """A socket that subscribed to the lobby."""

    def send_notice(self, topic: str, framed: bytes) -> None:
        """Take a notice; a later one may replace it."""


class Lobby:
    """The lobby as this instance tells it."""

    def __init__(self, sessions: SessionStore, publisher: Publisher, keys: Keys, instance: str) -> None:
        self._sessions = sessions
        self._publisher = publisher
        self._keys = keys
        self._instance = instance
        self._watchers: dict[Watcher, None] = {}
        self._joined: dict[int, JsonObject] = {}
        self._left: dict[int, None] = {}
        self._is_dirty = False
        self._last: tuple[int, list[JsonObject]] | None = None
        self._tasks = Tasks()

    def start(self) -> None:
        """Start telling."""
        self._tasks.start(self._run(), "lobby")

    async def stop(self) -> None:
        """Stop telling."""
        await self._tasks.stop()

    def watch(self, watcher: Watcher) -> None:
        """Send notices to ``watcher``, the first within a tick."""
        self._watchers[watcher] = None
        self._last = None
        self._is_dirty = True

    def unwatch(self, watcher: Watcher) -> None:
        """Send no more; harmless when it does not watch."""
        self._watchers.pop(watcher, None)

    def changed(self, changes: list[LobbyChange]) -> None:
        """Take changes committed here, and tell the other instances."""
        for change in changes:
            self._note(change.user_id, change.member)
            self._publisher.send(
                self._keys.lobby,
                orjson.dumps({"from": self._instance, "user": change.user_id, "member": change.member}),
            )

    def left(self, user_ids: set[int]) -> None:
        """Take those who said goodbye on their last device here, and tell the other instances."""
        self.changed([LobbyChange(user_id, None) for user_id in user_ids])

    def heard(self, message: bytes) -> None:
        """Take a change from another instance."""
        try:
            told: dict[str, Any] = orjson.loads(message)
            if told["from"] != self._instance:
                self._note(told["user"], told["member"])
        except (ValueError, KeyError, TypeError):
            log.warning("a lobby message could not be read")

    def look_again(self) -> None:
        """Read the room at the next tick, whatever changed."""
        self._is_dirty = True

    def _note(self, user_id: int, member: JsonObject | None) -> None:
        self._is_dirty = True
        if member is None:
            self._joined.pop(user_id, None)
            self._left[user_id] = None
        else:
            self._left.pop(user_id, None)
            self._joined[user_id] = member
        # Bounded: beyond the sample the count and the list say enough.
        for noted in (self._joined, self._left):
            while len(noted) > SHOWN:
                del noted[next(iter(noted))]

    async def _run(self) -> None:
        ticks = 0
        while True:
            await asyncio.sleep(TICK_S)
            ticks += 1
            if not self._watchers:
                self._joined, self._left = {}, {}
                continue
            if self._is_dirty or ticks % REFRESH_EVERY_TICKS == 0:
                try:
                    await self.tell()
                except UnavailableError:
                    self._is_dirty = True
                except Exception:
                    log.exception("the lobby could not be told")

    async def tell(self) -> None:
        """Read the room and send one notice to all watchers, if there is anything in it that they were not told.

        Raises ``UnavailableError``.
        """
        self._is_dirty = False
        joined, self._joined = self._joined, {}
        left, self._left = self._left, {}
        try:
            count, members, _ = await self._sessions.lobby(None, SHOWN)
        except UnavailableError:
            self._joined = {
                user_id: member for user_id, member in joined.items() if user_id not in self._left
            } | self._joined
            self._left = {user_id: None for user_id in left if user_id not in self._joined} | self._left
            raise
        # The room may have been read with a change in it before the word of that change came from its instance.
        if (count, members) == self._last and not joined and not left:
            return
        self._last = (count, members)
        framed = text_frame(
            frames.notice(
                TOPIC, {"count": count, "members": members, "joined": list(joined.values()), "left": list(left)}
            )
        )
        for watcher in tuple(self._watchers):
            watcher.send_notice(TOPIC, framed)
