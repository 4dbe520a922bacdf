"""The lobby's board: what the instances have of it in common, in Redis, all on one node of a cluster.

    teller  which instance reads the room for all: a lease
    words   who came and who went, said by each instance, read by the teller; a bounded list
    told    the last notice, whole, under its number; it runs out when nobody keeps it

What is told goes out over the lobby's channel as well, so that nobody waits for their next look. The
channel may lose, repeat and hold up whatever it likes: whoever looks sees by the number what is told now.
Each operation raises ``UnavailableError`` when Redis does not answer.
"""

from __future__ import annotations

from collections.abc import Callable

from idling_ws.delivery.fanout import Fanout
from idling_ws.delivery.redis_lease import RedisLease
from idling_ws.domain.clock import Clock
from idling_ws.store.redis import Keys

# Longer than it takes to replace a teller that died, and than a new one needs to read the room.
TOLD_MS = 15_000
WORDS_MS = 15_000
# Batches of words: as many as a sample is made of, when each holds one.
WORDS_KEPT = 200


class Board:
    """The board as one instance sees it."""

    def __init__(self, clock: Clock, fanout: Fanout, keys: Keys, instance: str) -> None:
        self._fanout = fanout
        self._channel = keys.lobby
        self._told = keys.beside(keys.lobby, "told")
        self._words = keys.beside(keys.lobby, "words")
        self._lease = RedisLease(keys.beside(keys.lobby, "teller"), instance, clock)
        self._instance = instance
        self._count = 0

    def listen(self, handler: Callable[[bytes], None]) -> None:
        """Let ``handler`` hear what is told: the number, a space, and the framed notice."""
        self._fanout.handle(self._channel, handler)

    @property
    def is_ours(self) -> bool:
        """Whether this instance is the teller."""
        return self._lease.is_ours

    def next_number(self) -> bytes:
        """Return a number that nobody else gives: those of one teller can be compared."""
        self._count += 1
        return f"{self._instance}-{self._count}".encode()

    async def look(self) -> bytes | None:
        """Become the teller if there is none; return the number of what is told now, None when nothing is."""
        *taking, number = await self._fanout.ask(*self._lease.take(), ("HGET", self._told, "number"))
        self._lease.took(taking)
        return None if number is None else bytes(number)

    async def told(self) -> tuple[bytes, bytes] | None:
        """Return what is told now: its number, and the framed notice."""
        [(number, framed)] = await self._fanout.ask(("HMGET", self._told, "number", "framed"))
        return None if number is None or framed is None else (number, framed)

    async def add(self, words: bytes) -> None:
        """Say who came and went here."""
        await self._fanout.ask(
            ("RPUSH", self._words, words),
            ("LTRIM", self._words, -WORDS_KEPT, -1),
            ("PEXPIRE", self._words, WORDS_MS),
        )

    # -- for the teller ------------------------------------------------------------

    async def words(self) -> list[bytes]:
        """Return what was said and not told yet, and stay the teller."""
        words, _ = await self._fanout.ask(("LRANGE", self._words, 0, -1), self._lease.extend())
        return list(words)

    async def tell(self, number: bytes, framed: bytes, words: int) -> None:
        """Tell everybody, with so many of the words in it."""
        await self._fanout.ask(
            ("HSET", self._told, "number", number, "framed", framed),
            ("PEXPIRE", self._told, TOLD_MS),
            ("LTRIM", self._words, words, -1),
            ("PUBLISH", self._channel, number + b" " + framed),
        )

    async def keep(self) -> None:
        """Let what is told stand: there is nothing new."""
        await self._fanout.ask(("PEXPIRE", self._told, TOLD_MS))

    async def give_up(self) -> None:
        """Be the teller no longer."""
        await self._fanout.ask(self._lease.give_up())

    def lose(self) -> None:
        """Count as no teller: Redis does not answer."""
        self._lease.lose()


def is_later(number: bytes, known: bytes | None) -> bool:
    """Whether ``number`` comes after what is known already. Of another teller it always does."""
    teller, count = _parts(number)
    known_teller, known_count = _parts(known or b"")
    return teller != known_teller or count > known_count


def _parts(number: bytes) -> tuple[bytes, int]:
    teller, _, count = number.rpartition(b"-")
    return teller, int(count) if count.isdigit() else 0
