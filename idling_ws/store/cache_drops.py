"""What makes cached values old, and how every instance hears of it.

    entry committed ─> here: floor raised
                    └> publisher: floor, delete, tell all, and only then the entry itself, in one pipeline
    told ─> floor raised on every instance

A floor is the version below which a value is old. It closes the race that deleting alone
leaves open: a slow reader that read before the change and writes after the deletion.
It stands in Redis, where a value is refused that lies below, and in every instance that
heard of the change or showed it to a device, where such a value is not taken from Redis.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from idling_ws.domain.caching import DROPPED_BY, PERSONAL, SHARED, CacheKey
from idling_ws.domain.ids import ALL
from idling_ws.store.cache_layers import FLOOR_EXPIRY_S
from idling_ws.store.redis import Keys

Command = tuple[bytes | int | str, ...]

MAX_FLOORS = 50_000
# No text of a person can look like this inside an entry: a quote in a JSON string has its backslash.
_KIND = re.compile(rb'"kind":"([a-z_.]+)"')
_DROPPED_BY = {kind.encode(): data for kind, data in DROPPED_BY.items()}
_EVERYTHING = "*"


class Changed(NamedTuple):
    """What is old: the names of all of it, those held of a person, and whether everybody shares some of it."""

    data: tuple[str, ...]
    personal: tuple[str, ...]
    is_shared: bool


class Drops:
    """The floors of this instance, and what to tell the others."""

    def __init__(self, keys: Keys, *, max_floors: int = MAX_FLOORS) -> None:
        self._keys = keys
        self._max_floors = max_floors
        self._floors: OrderedDict[tuple[str, int], int] = OrderedDict()
        self.dropped = 0
        self.on_shared: Callable[[], None] = lambda: None
        """What everybody shares may have changed."""

    def floor(self, key: CacheKey) -> int:
        """Return the version below which ``key`` is old, as far as this instance knows."""
        user_id = key.user_id
        return max(self._floors.get((key.data, user_id), 0), self._floors.get((_EVERYTHING, user_id), 0))

    def raise_floor(self, data: Iterable[str], user_id: int, version: int) -> None:
        """Let nothing older than ``version`` count any more; ``*`` is all that is held of a user.

        The floors raised longest ago are forgotten first.
        """
        for name in data:
            place = (name, user_id)
            if self._floors.get(place, 0) < version:
                self._floors[place] = version
                self._floors.move_to_end(place)
                self.dropped += 1
        while len(self._floors) > self._max_floors:
            self._floors.popitem(last=False)

    # -- entries and positions, seen here --------------------------------------------

    def note_entry(self, user_id: int, seq: int, frame: bytes) -> None:
        """Take an entry that was committed here or shown to a device here."""
        self._note(_changed_by(tuple(_KIND.findall(frame))), user_id, seq)

    def note_position(self, user_id: int, seq: int) -> None:
        """Take a position that a device here was brought to, by whatever way: it read all up to there."""
        # What all share has revisions of its own: a position of the stream `all` says nothing of them.
        if user_id != ALL:
            self.raise_floor(_EVERYTHING, user_id, seq)

    def _note(self, changed: Changed, user_id: int, seq: int) -> None:
        if changed.personal:
            self.raise_floor(changed.personal, user_id, seq)
        if changed.is_shared:
            self.on_shared()

    # -- between instances -----------------------------------------------------------

    def commands(self, user_id: int, seq: int, frame: bytes) -> list[Command]:
        """Return what Redis has to do before it passes the entry on; nothing for most entries."""
        changed = _changed_by(tuple(_KIND.findall(frame)))
        return self._commands(changed.personal, user_id, seq, " ".join(changed.data)) if changed.data else []

    def commands_for_all(self, user_id: int, seq: int) -> list[Command]:
        """Return the same where it is not known what changed: everything of this user, whatever all share."""
        return self._commands(PERSONAL, user_id, seq, _EVERYTHING)

    def _commands(self, personal: Sequence[str], user_id: int, seq: int, told: str) -> list[Command]:
        commands: list[Command] = [("PUBLISH", self._keys.drops, f"{user_id} {seq} {told}")]
        if personal and user_id != ALL:
            floors = self._keys.floors(user_id)
            commands[:0] = [
                # GT: two instances may tell of two entries the wrong way round.
                ("ZADD", floors, "GT", *[part for name in personal for part in (seq, name)]),
                ("EXPIRE", floors, FLOOR_EXPIRY_S),
                ("DEL", *[self._keys.cached(CacheKey(name, user_id)) for name in personal]),
            ]
        return commands

    def heard(self, message: bytes) -> None:
        """Take what another instance, or this one, told all."""
        try:
            user, seq, *data = message.decode().split(" ")
            user_id, version = int(user), int(seq)
        except ValueError:
            return
        if data == [_EVERYTHING]:
            self.note_position(user_id, version)
            self.on_shared()
        else:
            self._note(_changed(data), user_id, version)


@lru_cache(maxsize=1000)
def _changed_by(kinds: tuple[bytes, ...]) -> Changed:
    """Return what an entry with items of these kinds makes old."""
    return _changed(data for kind in kinds for data in _DROPPED_BY.get(kind, ()))


def _changed(data: Iterable[str]) -> Changed:
    names = tuple(dict.fromkeys(data))
    return Changed(names, tuple(name for name in names if name in PERSONAL), any(name in SHARED for name in names))
