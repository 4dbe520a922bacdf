"""Instances with a lobby each, over a room and a board in memory, for tests of what they do when."""

from __future__ import annotations

import contextlib
from typing import cast

import orjson

from idling_ws.delivery.lobby import TICK_S, Lobby
from idling_ws.delivery.lobby_board import Board
from idling_ws.domain.errors import JsonObject, UnavailableError
from idling_ws.domain.rules import LobbyChange
from idling_ws.store.sessions import SessionStore
from tests.support.clocks import MovableClock


def member(user_id: int, name: str = "Ann") -> JsonObject:
    """Somebody who idles."""
    return {"user": {"id": user_id, "name": name}, "session": {"id": f"s{user_id}"}}


ANN = member(1)


class Room:
    """The sessions as the database holds them."""

    def __init__(self) -> None:
        self.members: list[JsonObject] = []
        self.is_away = False

    async def lobby(self, after: str | None, limit: int) -> tuple[int, list[JsonObject], str | None]:
        if self.is_away:
            raise UnavailableError
        return len(self.members), list(self.members), None


class Watcher:
    """Somebody who subscribed."""

    def __init__(self) -> None:
        self.notices: list[JsonObject] = []

    def send_notice(self, topic: str, framed: bytes) -> None:
        self.notices.append(orjson.loads(framed[framed.index(b"{") :])["data"])

    @property
    def told(self) -> list[tuple[list[JsonObject], list[JsonObject], list[int]]]:
        """What each notice said: who is there, who came, who went."""
        return [(notice["members"], notice["joined"], notice["left"]) for notice in self.notices]


class Wall:
    """Where the boards of all instances hang."""

    def __init__(self) -> None:
        self.teller = ""
        self.told: tuple[bytes, bytes] | None = None
        self.words: list[bytes] = []
        self.messages: list[bytes] = []


class HeldBoard:
    """One instance's, in its memory."""

    def __init__(self, wall: Wall, name: str) -> None:
        self.wall, self.name = wall, name
        self.is_away = False
        self.count = 0
        self.is_ours = False

    def reach(self) -> Wall:
        if self.is_away:
            raise UnavailableError
        return self.wall

    def next_number(self) -> bytes:
        self.count += 1
        return f"{self.name}-{self.count}".encode()

    async def look(self) -> bytes | None:
        wall = self.reach()
        wall.teller = wall.teller or self.name
        self.is_ours = wall.teller == self.name
        return wall.told and wall.told[0]

    async def told(self) -> tuple[bytes, bytes] | None:
        return self.reach().told

    async def add(self, words: bytes) -> None:
        self.reach().words.append(words)

    async def words(self) -> list[bytes]:
        return list(self.reach().words)

    async def tell(self, number: bytes, framed: bytes, words: int) -> None:
        self.reach().told = (number, framed)
        del self.wall.words[:words]
        self.wall.messages.append(number + b" " + framed)

    async def keep(self) -> None:
        self.reach()

    async def give_up(self) -> None:
        self.lose()
        self.reach().teller = ""

    def lose(self) -> None:
        self.is_ours = False


class World:
    """Two instances with a watcher each."""

    def __init__(self) -> None:
        self.clock, self.room, self.wall = MovableClock(), Room(), Wall()
        self.boards = [HeldBoard(self.wall, name) for name in ("a", "b")]
        self.lobbies = [
            Lobby(self.clock, cast("SessionStore", self.room), cast("Board", board)) for board in self.boards
        ]
        self.watchers = [Watcher(), Watcher()]
        for lobby, watcher in zip(self.lobbies, self.watchers, strict=True):
            lobby.watch(watcher)

    async def tick(self, *, hear: bool = True) -> None:
        """Let a second pass for both; ``hear``: what was told on the channel reaches them."""
        for lobby in self.lobbies:
            await lobby.tick()
        if hear:
            self.hear()
        self.clock.move(TICK_S)

    def hear(self) -> None:
        """Bring what was told to both."""
        messages, self.wall.messages = self.wall.messages, []
        for message in messages:
            for lobby in self.lobbies:
                lobby.heard(message)

    async def change(self, at: int, who: JsonObject | None, user_id: int = 1) -> None:
        """Let somebody come or go, and say so."""
        self.room.members = [one for one in self.room.members if one["user"]["id"] != user_id]
        self.room.members += [who] if who is not None else []
        await self.say(at, who, user_id)

    async def say(self, at: int, who: JsonObject | None, user_id: int = 1) -> None:
        """Say of somebody that they came or went."""
        self.lobbies[at].changed([LobbyChange(user_id, who)])
        await self.lobbies[at].say()


class FrailWorld(World):
    """Where anything may happen, each under a name."""

    async def tick_a(self) -> None:
        await self.lobbies[0].tick()
        self.clock.move(TICK_S)

    async def tick_b(self) -> None:
        await self.lobbies[1].tick()
        self.clock.move(TICK_S)

    async def come(self) -> None:
        with contextlib.suppress(UnavailableError):
            await self.change(0, ANN)

    async def go(self) -> None:
        with contextlib.suppress(UnavailableError):
            await self.change(1, None)

    async def heard(self) -> None:
        self.hear()

    async def lose_messages(self) -> None:
        self.wall.messages.clear()

    async def repeat_messages(self) -> None:
        self.wall.messages += self.wall.messages[::-1]

    async def lose_board(self) -> None:
        for board in self.boards:
            board.is_away = True

    async def find_board(self) -> None:
        for board in self.boards:
            board.is_away = False

    async def forget(self) -> None:
        self.wall.told, self.wall.teller = None, ""
        self.wall.words.clear()

    async def expire(self) -> None:
        self.wall.teller = ""
