"""Pulses: how each instance does, written down once a second where whoever wants to know may read it.

    pulse:…  how one instance does; runs out when it is silent, and by what is left its age is known
    names    whose pulses there may be
    tailed   there while somebody watches the tail anywhere
    keeper   which instance adds all up, once a second: a lease
    history  what all did together, second by second

In Redis, all on one node of a cluster. Each operation raises ``UnavailableError`` when that does not answer.
"""

from __future__ import annotations

import orjson

from idling_ws.delivery.fanout import Fanout
from idling_ws.delivery.redis_lease import RedisLease
from idling_ws.delivery.redis_line import Command
from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import JsonObject
from idling_ws.store.redis import Keys

# Without a pulse for so long an instance is silent, and later forgotten.
SILENT_S = 5.0
FORGOTTEN_S = 60.0
HISTORY = 120
_FORGOTTEN_MS = round(1000 * FORGOTTEN_S)


class Pulses:
    """The pulses of all, as one instance writes and reads them."""

    def __init__(self, clock: Clock, fanout: Fanout, keys: Keys, instance: str) -> None:
        self._fanout = fanout
        self._keys = keys
        self._instance = instance
        self._names = keys.beside(keys.control, "names")
        self._tailed = keys.beside(keys.control, "tailed")
        self._history = keys.beside(keys.control, "history")
        self._lease = RedisLease(keys.beside(keys.control, "keeper"), instance, clock)

    @property
    def is_kept_here(self) -> bool:
        """Whether this instance adds up for all."""
        return self._lease.is_ours

    async def write(self, pulse: JsonObject, *, tails: bool) -> bool:
        """Write down how this instance does, and whether it tails; return whether any does."""
        commands: list[Command] = [
            ("SET", self._key(self._instance), orjson.dumps(pulse), "PX", _FORGOTTEN_MS),
            ("SADD", self._names, self._instance),
            ("PEXPIRE", self._names, _FORGOTTEN_MS),
        ]
        if tails:
            commands.append(("SET", self._tailed, 1, "PX", round(1000 * SILENT_S)))
        try:
            *_, tailed, seized, keeper = await self._fanout.ask(*commands, ("GET", self._tailed), *self._lease.take())
        except BaseException:
            self._lease.lose()
            raise
        self._lease.took([seized, keeper])
        return tailed is not None

    async def read(self) -> dict[str, tuple[JsonObject, float]]:
        """Return the last pulse of each instance, and how many seconds ago it was by the clock of Redis."""
        [members] = await self._fanout.ask(("SMEMBERS", self._names))
        names = sorted(name.decode() for name in members)
        if not names:
            return {}
        replies = await self._fanout.ask(
            *[command for name in names for command in (("GET", self._key(name)), ("PTTL", self._key(name)))]
        )
        found: dict[str, tuple[JsonObject, float]] = {}
        for name, pulse, left_ms in zip(names, replies[::2], replies[1::2], strict=True):
            if pulse is not None:
                found[name] = orjson.loads(pulse), max(0.0, FORGOTTEN_S - left_ms / 1000)
        if gone := [name for name in names if name not in found]:
            await self._fanout.ask(("SREM", self._names, *gone))
        return found

    async def keep(self, together: JsonObject) -> None:
        """Add a second to the history; for who adds up, and goes on doing so."""
        await self._fanout.ask(
            ("RPUSH", self._history, orjson.dumps(together)),
            ("LTRIM", self._history, -HISTORY, -1),
            ("PEXPIRE", self._history, 1000 * HISTORY),
            self._lease.extend(),
        )

    async def history(self) -> list[JsonObject]:
        """Return what all did together, the latest last."""
        [seconds] = await self._fanout.ask(("LRANGE", self._history, 0, -1))
        return [orjson.loads(second) for second in seconds]

    async def end(self) -> None:
        """Be forgotten at once."""
        commands: list[Command] = [("DEL", self._key(self._instance)), ("SREM", self._names, self._instance)]
        if self._lease.is_ours:
            commands.append(self._lease.give_up())
        await self._fanout.ask(*commands)

    def _key(self, instance: str) -> str:
        return self._keys.beside(self._keys.control, f"pulse:{instance}")
