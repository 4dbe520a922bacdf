"""The lobby: who joined and who left is told once, whichever comes first, the word of it or the room with it."""

from __future__ import annotations

from typing import Any, cast

import orjson
import pytest

from idling_ws.delivery.lobby import Lobby
from idling_ws.delivery.publisher import Publisher
from idling_ws.domain.errors import JsonObject, UnavailableError
from idling_ws.store.redis import Keys
from idling_ws.store.sessions import SessionStore

ANN = {"user": {"id": 1, "name": "Ann"}, "session": {"id": "s1"}}


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


def said(member: Any) -> bytes:
    """Return the word of another instance."""
    return orjson.dumps({"from": "elsewhere", "user": 1, "member": member})


def watched() -> tuple[Lobby, Room, Watcher]:
    """Return a lobby that somebody watches."""
    room, watcher = Room(), Watcher()
    lobby = Lobby(cast("SessionStore", room), cast("Publisher", None), Keys("epoch"), "here")
    lobby.watch(watcher)
    return lobby, room, watcher


async def test_who_came_is_told_though_the_room_was_seen_with_them_before() -> None:
    """The database has it before the other instance's word is here."""
    lobby, room, watcher = watched()
    await lobby.tell()
    room.members = [ANN]
    await lobby.tell()
    lobby.heard(said(ANN))
    await lobby.tell()
    assert [(notice["members"], notice["joined"]) for notice in watcher.notices] == [
        ([], []),
        ([ANN], []),
        ([ANN], [ANN]),
    ]
    room.members = []
    await lobby.tell()
    lobby.heard(said(None))
    await lobby.tell()
    assert [(notice["members"], notice["left"]) for notice in watcher.notices[3:]] == [([], []), ([], [1])]
    await lobby.tell()
    assert len(watcher.notices) == 5


async def test_who_came_and_left_is_not_forgotten_while_the_room_cannot_be_read() -> None:
    """What was to be told then is told when the database answers again; the latest word counts."""
    lobby, room, watcher = watched()
    for member, joined, left in ((ANN, [ANN], []), (None, [], [1])):
        room.is_away = True
        lobby.heard(said(ANN))
        with pytest.raises(UnavailableError):
            await lobby.tell()
        lobby.heard(said(member))
        room.is_away = False
        await lobby.tell()
        assert (watcher.notices[-1]["joined"], watcher.notices[-1]["left"]) == (joined, left)
