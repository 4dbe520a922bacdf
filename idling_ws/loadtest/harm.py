"""Harm to a place of our own, as one table, and who does it: one fault after the other, each until all is normal.

One at a time, because otherwise nobody could say how long the place took to get over it.
Every fault heals before it returns. When the run ends in the middle of one it is told so, and
heals at once: cancelled, it might be in the middle of bringing a server back.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from idling_ws.embedded.child import Child
from idling_ws.loadtest.own_instance import POLL_S, OwnInstance, PlaceError
from idling_ws.loadtest.place import Place
from idling_ws.loadtest.probe import Probe

NORMAL_TIMEOUT_S = 60.0
SLOW_S = 0.2
# In turn, so that a few are all there are: PostgreSQL is 0, Redis is 1.
PARTITIONS = ((1, "swallowed"), (0, "cut"), (1, "cut"), (0, "swallowed"), (1, "slowed"), (0, "slowed"))
# An instance that hears nothing from Redis any more says so in its ``/readyz`` in this time.
NOTICE_WITHIN_S = 5.0
# An instance that leaves must do so by itself.
LEFT_IN_ORDER = 0

Note = Callable[[str, str], None]


@dataclass(slots=True)
class Harm:
    """One fault about to happen: to what, and for how long."""

    place: Place
    rng: random.Random
    lasts_s: float
    over: asyncio.Event
    turn: int = 0
    what: str = ""
    noticed_after_s: float | None = None

    async def wait(self) -> None:
        """Let it last, until the run is over at most."""
        await wait_for(self.over, self.lasts_s)

    async def wait_and_watch(self, instance: OwnInstance) -> None:
        """Let it last, and see when ``instance`` says that it is not all there."""
        watching = asyncio.create_task(self._watch(instance))
        try:
            await self.wait()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self, instance: OwnInstance) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        # Other processes set no event of ours.
        while await instance.status(self.place.http) != "degraded":  # noqa: ASYNC110 - see above
            await asyncio.sleep(POLL_S)
        self.noticed_after_s = loop.time() - began


async def wait_for(event: asyncio.Event, timeout_s: float) -> None:
    """Return when it is set, or after a while."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()


async def _redis_kill(harm: Harm) -> None:
    await _kill(harm, harm.place.servers.redis)


async def _pg_kill(harm: Harm) -> None:
    await _kill(harm, harm.place.servers.postgres)


async def _kill(harm: Harm, server: Child) -> None:
    harm.what = f"down for {harm.lasts_s:.1f} s"
    try:
        await server.kill()
        await harm.wait()
    finally:
        await server.start()


async def _redis_freeze(harm: Harm) -> None:
    await _freeze(harm, harm.place.servers.redis)


async def _pg_freeze(harm: Harm) -> None:
    await _freeze(harm, harm.place.servers.postgres)


async def _freeze(harm: Harm, server: Child) -> None:
    harm.what = f"frozen for {harm.lasts_s:.1f} s"
    try:
        server.freeze()
        await harm.wait()
    finally:
        server.thaw()


async def _redis_flush(harm: Harm) -> None:
    harm.what = "FLUSHALL"
    await harm.place.servers.redis.ask(b"FLUSHALL")


async def _pubsub_kill(harm: Harm) -> None:
    answer = await harm.place.servers.redis.ask(b"CLIENT", b"KILL", b"TYPE", b"pubsub")
    harm.what = f"{answer.strip(b':').decode().strip()} subscribers cut"


async def _pg_restart(harm: Harm) -> None:
    harm.what = "restarted in order"
    server = harm.place.servers.postgres
    try:
        await server.stop()
    finally:
        await server.start()


async def _instance_kill(harm: Harm) -> None:
    instance = harm.rng.choice(harm.place.instances)
    harm.what = f"{instance.name} down for {harm.lasts_s:.1f} s"
    try:
        await instance.kill()
        await harm.wait()
    finally:
        await instance.start(harm.place.http)


async def _instance_term(harm: Harm) -> None:
    instance = harm.rng.choice(harm.place.instances)
    harm.what = f"{instance.name} told to leave, back after {harm.lasts_s:.1f} s"
    try:
        status = await instance.terminate()
        if status != LEFT_IN_ORDER:
            raise PlaceError(f"{instance.name} was told to leave and ended with {status}")
        await harm.wait()
    finally:
        await instance.start(harm.place.http)


async def _redis_hole(harm: Harm) -> None:
    harm.what = f"a black hole between all instances and Redis for {harm.lasts_s:.1f} s"
    ways = [redis for _, redis in harm.place.proxies]
    try:
        for way in ways:
            way.swallow()
        await harm.wait()
    finally:
        for way in ways:
            way.heal()


async def _deaf_instance(harm: Harm) -> None:
    number = harm.rng.randrange(len(harm.place.proxies))
    instance, (_, way) = harm.place.instances[number], harm.place.proxies[number]
    harm.what = f"{instance.name} cut off from Redis for {harm.lasts_s:.1f} s"
    try:
        way.cut()
        await harm.wait_and_watch(instance)
    finally:
        way.heal()


async def _partition(harm: Harm) -> None:
    number = harm.rng.randrange(len(harm.place.proxies))
    store, way = PARTITIONS[harm.turn % len(PARTITIONS)]
    proxy = harm.place.proxies[number][store]
    name, whom = harm.place.instances[number].name, ("PostgreSQL", "Redis")[store]
    harm.what = f"{name} to {whom} {way} for {harm.lasts_s:.1f} s"
    try:
        if way == "cut":
            proxy.cut()
        elif way == "swallowed":
            proxy.swallow()
        else:
            proxy.slow(SLOW_S)
        await harm.wait()
    finally:
        proxy.heal()


@dataclass(frozen=True, slots=True)
class PlaceFault:
    """One way to do harm to the servers."""

    summary: str
    inject: Callable[[Harm], Coroutine[Any, Any, None]]


PLACE_FAULTS: dict[str, PlaceFault] = {
    "redis-kill": PlaceFault("kill -9 Redis, and start it again", _redis_kill),
    "redis-freeze": PlaceFault("stop Redis where it is, and let it go on", _redis_freeze),
    "redis-flush": PlaceFault("FLUSHALL", _redis_flush),
    "pubsub-kill": PlaceFault("cut every subscriber of Redis", _pubsub_kill),
    "pg-kill": PlaceFault("kill -9 PostgreSQL, and start it again", _pg_kill),
    "pg-restart": PlaceFault("restart PostgreSQL in order", _pg_restart),
    "pg-freeze": PlaceFault("stop PostgreSQL where it is, and let it go on", _pg_freeze),
    "instance-kill": PlaceFault("kill -9 an instance, and start it again", _instance_kill),
    "instance-term": PlaceFault("tell an instance to leave, and start it again", _instance_term),
    "redis-hole": PlaceFault("lead the ways of all instances to Redis into a black hole", _redis_hole),
    "instance-deaf": PlaceFault(
        f"cut an instance off from Redis: it must say so in {NOTICE_WITHIN_S:.0f} s", _deaf_instance
    ),
    "partition": PlaceFault("cut, swallow or slow down one instance's way to Redis or PostgreSQL", _partition),
}

# Those that need the fault proxies.
PROXIED = frozenset({"redis-hole", "instance-deaf", "partition"})
# Those in which an instance must say by itself that something is wrong.
TOLD = frozenset({"instance-deaf"})


@dataclass(frozen=True, slots=True)
class Injury:
    """One fault that happened. ``normal_after_s`` counts from when it healed; None: it did not come to that.

    ``noticed_after_s`` counts from its beginning, where an instance has to say so; None: it did not.
    """

    name: str
    what: str
    at_s: float
    lasted_s: float
    normal_after_s: float | None
    noticed_after_s: float | None = None

    @property
    def is_unnoticed(self) -> bool:
        """Whether an instance had time to say that something was wrong, and did not."""
        late = self.noticed_after_s is None or self.noticed_after_s > NOTICE_WITHIN_S
        return self.name in TOLD and self.lasted_s > NOTICE_WITHIN_S and late


class Injector:
    """Does harm to a place in turn. ``note`` hears of each fault when it begins."""

    def __init__(
        self,
        place: Place,
        names: Sequence[str],
        rng: random.Random,
        note: Note,
        *,
        every_s: float,
        longest_s: float,
        shortest_s: float | None = None,
    ) -> None:
        self._place = place
        self._names = names
        self._rng = rng
        self._note = note
        self._every_s = every_s
        self._longest_s = longest_s
        self._shortest_s = longest_s / 2 if shortest_s is None else min(shortest_s, longest_s)
        self._over = asyncio.Event()
        self.injuries: list[Injury] = []

    def stop(self) -> None:
        """Do no more harm, and heal what there is; ``run`` ends when that is done."""
        self._over.set()

    async def run(self, times: int | None) -> None:
        """Go on until each fault happened ``times`` times, or until stopped; all is healed then.

        Raises ``PlaceError`` when something that was ended does not come back, ``AccountsError``.
        """
        if self._over.is_set():
            return
        probe = await Probe.make(self._place)
        began = asyncio.get_running_loop().time()
        turn = -1
        while times is None or turn < times - 1:
            turn += 1
            for name in self._names:
                await wait_for(self._over, self._rng.uniform(0.5, 1.5) * self._every_s)
                if self._over.is_set():
                    return
                await self._injure(name, turn, probe, began)

    async def _injure(self, name: str, turn: int, probe: Probe, began: float) -> None:
        loop = asyncio.get_running_loop()
        lasts_s = self._rng.uniform(self._shortest_s, self._longest_s)
        harm = Harm(self._place, self._rng, lasts_s, self._over, turn)
        since = loop.time()
        self._note(name, "begins")
        try:
            await PLACE_FAULTS[name].inject(harm)
        finally:
            lasted_s = loop.time() - since
            self._note(name, harm.what)
        normal_after_s = await probe.until_normal(NORMAL_TIMEOUT_S)
        self.injuries.append(Injury(name, harm.what, since - began, lasted_s, normal_after_s, harm.noticed_after_s))
