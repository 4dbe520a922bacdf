"""Words of the lobby: who came and who went since it was told last."""

from __future__ import annotations

import logging
from typing import Any

import orjson

from idling_ws.domain.errors import JsonObject

log = logging.getLogger(__name__)

# Beyond this sample the count and the newest members say enough.
SAMPLE = 50


class Words:
    """The latest word of each person, of the newest who came and of the newest who went."""

    def __init__(self) -> None:
        self._joined: dict[int, JsonObject] = {}
        self._left: dict[int, None] = {}

    def __bool__(self) -> bool:
        return bool(self._joined or self._left)

    @property
    def joined(self) -> list[JsonObject]:
        """Who came, or is another than before."""
        return list(self._joined.values())

    @property
    def left(self) -> list[int]:
        """Who went."""
        return list(self._left)

    def note(self, user_id: int, member: JsonObject | None) -> None:
        """Take a word: who somebody in the room is now; None: they went."""
        self._joined.pop(user_id, None)
        self._left.pop(user_id, None)
        if member is None:
            self._left[user_id] = None
        else:
            self._joined[user_id] = member
        for noted in (self._joined, self._left):
            while len(noted) > SAMPLE:
                del noted[next(iter(noted))]

    def take(self) -> Words:
        """Return what is noted, and begin anew."""
        taken = Words()
        taken._joined, self._joined = self._joined, {}
        taken._left, self._left = self._left, {}
        return taken

    def add(self, later: Words) -> None:
        """Take what was said after these."""
        for user_id, member in later._joined.items():
            self.note(user_id, member)
        for user_id in later._left:
            self.note(user_id, None)

    def encode(self) -> bytes:
        """Return them as bytes."""
        return orjson.dumps({"joined": self.joined, "left": self.left})

    @classmethod
    def decode(cls, encoded: bytes) -> Words:
        """Return what was encoded; nothing of what cannot be read."""
        words = cls()
        try:
            told: dict[str, Any] = orjson.loads(encoded)
            for member in told["joined"]:
                words.note(int(member["user"]["id"]), member)
            for user_id in told["left"]:
                words.note(int(user_id), None)
        except (ValueError, KeyError, TypeError):
            log.warning("words of the lobby could not be read")
        return words
