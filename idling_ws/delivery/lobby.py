"""The lobby: who idles now, told to whoever watches, at most once a second.

    every instance --who came and went--> the board --> one of those that are watched reads the room, and
    every instance <--the notice, as the bytes that go to its watchers-- the board

The room is read once for all instances, by the teller, and only while somebody watches anywhere. What it
tells is the whole picture, and a small one (count and the newest members, beside who joined and left): one that
was missed is not missed, and whoever has nothing yet begins with what was told last. An instance that cannot
reach the board, or finds nothing told on it for a while, reads for itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Protocol

from idling_ws.delivery.lobby_board import Board, is_later
from idling_ws.delivery.lobby_words import SAMPLE, Words
from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import JsonObject, UnavailableError
from idling_ws.domain.rules import LobbyChange
from idling_ws.store.sessions import SessionStore
from idling_ws.tasks import Tasks
from idling_ws.wire import frames
from idling_ws.wire.websocket import text_frame

log = logging.getLogger(__name__)

TOPIC = "lobby"
TICK_S = 1.0
# Somebody who falls silent changes the room without telling.
REFRESH_EVERY_TICKS = 5
# The first word of somebody goes out at once, and what comes soon after it together.
WORDS_EVERY_S = 0.25
# A teller has as long for its first look before others look for themselves.
PATIENCE_S = 3.0
SHOWN = SAMPLE

Room = tuple[int, list[JsonObject]]


class Watcher(Protocol):
    """A socket that subscribed to the lobby."""

    def send_notice(self, topic: str, framed: bytes) -> None:
        """Take a notice; a later one may replace it."""


class Lobby:
    """The lobby as this instance tells it."""

    def __init__(self, clock: Clock, sessions: SessionStore, board: Board) -> None:
        self._clock = clock
        self._sessions = sessions
        self._board = board
        self._watchers: dict[Watcher, None] = {}
        # Those of them that were told nothing yet.
        self._newcomers: dict[Watcher, None] = {}
        # What was not said on the board yet. While that is out of reach it is told here at least.
        self._said = Words()
        self._has_said = asyncio.Event()
        self._is_dirty = False
        self._ticks = 0
        # What was shown last: its number on the board, the notice, and the room in it where it was read here.
        self._number: bytes | None = None
        self._framed: bytes | None = None
        self._room: Room | None = None
        self._current_at = clock.monotonic()
        self._tasks = Tasks()
        self.reads = 0

    def start(self) -> None:
        """Start telling."""
        self._board.listen(self.heard)
        self._tasks.start(self._run(), "lobby")
        self._tasks.start(self._run_words(), "lobby-words")

    async def stop(self) -> None:
        """Stop telling, with everything said that was to be said; another instance tells from now on."""
        await self._tasks.stop()
        try:
            await self.say()
            if self._board.is_ours:
                await self._board.give_up()
        except UnavailableError:
            log.debug("the lobby goes on without a word")

    @property
    def is_teller(self) -> bool:
        """Whether this instance reads the room for all."""
        return self._board.is_ours

    def watch(self, watcher: Watcher) -> None:
        """Send notices to ``watcher``, the first within a tick."""
        self._watchers[watcher] = None
        self._newcomers[watcher] = None

    def unwatch(self, watcher: Watcher) -> None:
        """Send no more; harmless when it does not watch."""
        self._watchers.pop(watcher, None)
        self._newcomers.pop(watcher, None)

    def changed(self, changes: Iterable[LobbyChange]) -> None:
        """Take changes committed here, for everybody."""
        for change in changes:
            self._said.note(change.user_id, change.member)
        self._has_said.set()

    def left(self, user_ids: set[int]) -> None:
        """Take those who said goodbye on their last device here, for everybody."""
        self.changed(LobbyChange(user_id, None) for user_id in user_ids)

    def look_again(self) -> None:
        """Read the room at the next tick, whatever changed; for whoever reads it."""
        self._is_dirty = True

    def heard(self, message: bytes) -> None:
        """Take what the teller tells."""
        number, _, framed = message.partition(b" ")
        if framed and self._watchers and not self._board.is_ours and is_later(number, self._number):
            self._show(number, framed)

    async def say(self) -> None:
        """Say who came and went here. Raises ``UnavailableError`` and keeps it for the watchers here then."""
        said = self._said.take()
        if not said:
            return
        try:
            await self._board.add(said.encode())
        except UnavailableError:
            if self._watchers:
                said.add(self._said)
                self._said = said
            raise

    async def _run_words(self) -> None:
        while True:
            await self._has_said.wait()
            self._has_said.clear()
            try:
                await self.say()
            except UnavailableError:
                log.debug("nobody else hears who came and went")
            except Exception:
                log.exception("it could not be said who came and went")
            await asyncio.sleep(WORDS_EVERY_S)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self.tick()
            except Exception:
                log.exception("the lobby could not be told")

    async def tick(self) -> None:
        """Show the watchers what they do not know yet, whoever has to find it out."""
        self._ticks += 1
        if not self._watchers:
            await self._rest()
            return
        reads = self.reads
        try:
            number = await self._board.look()
            if self._said:
                self._has_said.set()
            is_current = await (self._tell(number) if self._board.is_ours else self._follow(number))
        except UnavailableError:
            self._board.lose()
            if self._number is not None:
                # What is shown is the board's no more, and what is read first is told, whatever is in it.
                self._number, self._room, self._is_dirty = None, None, True
            is_current = self.reads == reads and await self._read_alone()
        if is_current and self._framed is not None:
            for watcher in self._newcomers:
                watcher.send_notice(TOPIC, self._framed)
            self._newcomers = {}

    async def _rest(self) -> None:
        """Nobody watches here: what is told, and by whom, is others' business."""
        self._number = self._framed = self._room = None
        self._current_at = self._clock.monotonic()
        if self._board.is_ours:
            try:
                await self._board.give_up()
            except UnavailableError:
                log.debug("the lease of the lobby runs out by itself")

    async def _tell(self, number: bytes | None) -> bool:
        """Read the room for everybody, if there may be anything new in it; return whether what is shown is current.

        Raises ``UnavailableError`` when the board is out of reach.
        """
        words = await self._board.words()
        is_told = number is not None and number == self._number
        if is_told and not words and not self._is_due():
            await self._board.keep()
            return True
        room = await self._read()
        if room is None:
            # It may be this instance alone that the database does not answer. The words stay on the board.
            await self._board.give_up()
            return False
        if not self._board.is_ours:
            return False  # it took so long that somebody else tells by now
        told = Words()
        for batch in words:
            told.add(Words.decode(batch))
        # The room may have been read with a change in it before the word of that change came.
        if is_told and room == self._room and not told:
            await self._board.keep()
            return True
        number, framed = self._board.next_number(), _framed(room, told)
        self._show(number, framed, room)
        await self._board.tell(number, framed, len(words))
        return True

    async def _follow(self, number: bytes | None) -> bool:
        """Show what is told, where it was not heard; return whether it is shown now.

        Raises ``UnavailableError`` when the board is out of reach.
        """
        now = self._clock.monotonic()
        if number is None or number != self._number:
            told = await self._board.told()
            if told is None:
                return now - self._current_at > PATIENCE_S and await self._read_alone()
            self._show(*told)
        self._current_at = now
        return True

    async def _read_alone(self) -> bool:
        """Read the room for the watchers here, if there may be anything new in it; return whether that went well."""
        if not (self._said or self._newcomers or self._is_due()):
            return True
        room = await self._read()
        if room is None:
            return False
        told = self._said.take()
        if room != self._room or told:
            self._show(None, _framed(room, told), room)
        return True

    def _is_due(self) -> bool:
        return self._is_dirty or self._ticks % REFRESH_EVERY_TICKS == 0

    async def _read(self) -> Room | None:
        self._is_dirty = False
        self.reads += 1
        try:
            count, members, _ = await self._sessions.lobby(None, SHOWN)
        except UnavailableError:
            self._is_dirty = True
            return None
        return count, members

    def _show(self, number: bytes | None, framed: bytes, room: Room | None = None) -> None:
        self._number, self._framed, self._room = number, framed, room
        self._newcomers = {}
        for watcher in tuple(self._watchers):
            watcher.send_notice(TOPIC, framed)


def _framed(room: Room, told: Words) -> bytes:
    count, members = room
    data = {"count": count, "members": members, "joined": told.joined, "left": told.left}
    return text_frame(frames.notice(TOPIC, data))
