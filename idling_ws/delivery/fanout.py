"""Fan-out between instances: what Redis carries, on one server or on the nodes of a cluster.

Each instance subscribes to the streams of the users it has devices of. A message on
a stream's channel is ``<seq> <entry>``, or ``<seq>`` alone, which says only how far the
stream is. Lines and canary are those of a ``RedisNode``; what is here tells which.

    one server:  every channel and every command is its own
    a cluster:   by slot. A map of the slots is asked for at the start, every few seconds, and whenever
                 a node was lost or says that a slot has moved; channels then move with their slots

A node of a cluster that is away takes its own slots with it and no others: commands for it come
back as errors, in their places, and the sweeper does what they should have done.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from idling_ws.delivery.redis_line import Command, RedisLine
from idling_ws.delivery.redis_node import RedisNode
from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import UnavailableError
from idling_ws.store.redis import TIMEOUT_S, Keys, is_cluster, node_url, seeds
from idling_ws.store.redis_slots import SLOTS, name_owned_by, read_slots, slot_of
from idling_ws.tasks import Tasks

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
# While a node is away another may take its slots at any time.
LOOK_AGAIN_S = 0.5


class Fanout:
    """All lines to Redis of one instance."""

    def __init__(self, url: str, keys: Keys, instance: str, clock: Clock) -> None:
        self._url = url
        self._is_cluster = is_cluster(url)
        self._keys = keys
        self._canary = keys.canary(instance)
        self._clock = clock
        self._handlers: dict[bytes, Callable[[bytes], None]] = {}
        self._nodes: dict[str, RedisNode] = {}
        self._owners: dict[int, str] = {}
        # Channels that are wanted and that no node owns just now.
        self._homeless: set[bytes] = set()
        self._must_look = asyncio.Event()
        self._tasks = Tasks()
        self._asked = 0
        self._former_reconnects = 0
        self.on_messages: Callable[[list[tuple[bytes, bytes]]], None] = lambda messages: None
        self.on_restored: Callable[[], None] = lambda: None
        self.on_echo: Callable[[float], None] = lambda took_s: None

    async def start(self) -> None:
        """Connect if Redis is there; go on trying for as long as it is not."""
        if not self._is_cluster:
            await self._add(self._url, self._url, self._canary)
            return
        with contextlib.suppress(UnavailableError):
            await self._look()
        self._tasks.start(self._keep_looking(), "fanout-slots")

    async def stop(self) -> None:
        """Close all lines."""
        await self._tasks.stop()
        await asyncio.gather(*[node.stop() for node in self._nodes.values()])

    @property
    def connected(self) -> bool:
        """Whether every slot has a node with both lines up; whether anything comes back over them is ``healthy``."""
        return self._all(lambda node: node.connected)

    @property
    def lines(self) -> str:
        """The same in a word: ``ok``, ``partly down`` (of a cluster), ``down``."""
        some = any(node.connected for node in self._nodes.values())
        return "ok" if self.connected else "partly down" if some and self._is_cluster else "down"

    @property
    def healthy(self) -> bool:
        """Whether everything is heard that is listened to."""
        return self._all(lambda node: node.healthy)

    @property
    def hears_some(self) -> bool:
        """Whether any node is heard; of one server the same as ``healthy``."""
        return any(node.healthy for node in self._nodes.values())

    @property
    def reconnects(self) -> int:
        """How often lines were opened anew."""
        return self._former_reconnects + sum(node.reconnects for node in self._nodes.values())

    def _all(self, is_well: Callable[[RedisNode], bool]) -> bool:
        if self._is_cluster and len(self._owners) < SLOTS:
            return False
        return bool(self._nodes) and all(map(is_well, self._nodes.values()))

    def hears_stream(self, user_id: int) -> bool:
        """Whether what is published on a user's stream is heard, if it is listened to."""
        node = self._node_of(self._keys.stream(user_id))
        return node is not None and node.healthy

    def line_of(self, name: bytes) -> str | None:
        """Return which line leads to what lies under ``name``: another one after each break, None while none is up."""
        node = self._node_of(name)
        return f"{node.url} {node.reconnects}" if node is not None and node.healthy else None

    def _node_of(self, name: bytes | int | str) -> RedisNode | None:
        if not self._is_cluster:
            return self._nodes.get(self._url)
        return self._nodes.get(self._owners.get(slot_of(name), ""))

    # -- listening -----------------------------------------------------------------

    def handle(self, channel: bytes, handler: Callable[[bytes], None]) -> None:
        """Subscribe to ``channel`` for good; ``handler`` gets each message."""
        self._handlers[channel] = handler
        self._place(channel)

    async def subscribe(self, channel: bytes) -> bool:
        """Subscribe and wait until Redis has said so. False when it has not in time: messages may be
        missed until it does, and then ``on_restored`` compares heads.
        """
        node = self._place(channel)
        return node is not None and await node.subscribe(channel)

    def unsubscribe(self, channel: bytes) -> None:
        """Stop listening to ``channel``."""
        self._homeless.discard(channel)
        node = self._node_of(channel)
        if node is not None:
            node.unsubscribe(channel)

    def _place(self, channel: bytes) -> RedisNode | None:
        """Let the node that owns ``channel`` listen to it, now or as soon as there is one."""
        node = self._node_of(channel)
        if node is None:
            self._homeless.add(channel)
        else:
            node.want(channel)
        return node

    # -- speaking ------------------------------------------------------------------

    async def send(self, commands: list[Command]) -> list[Any]:
        """Send commands, those for one node in one write, and return their replies; errors are values among them.

        Raises ``UnavailableError`` when nobody answers in time.
        """
        if not self._is_cluster:
            node = self._nodes.get(self._url)
            if node is None:
                raise UnavailableError
            return await node.send(commands)
        places: dict[RedisNode | None, list[int]] = {}
        for place, command in enumerate(commands):
            places.setdefault(self._node_of(command[1]), []).append(place)
        replies: list[Any] = [UnavailableError()] * len(commands)

        async def ask(node: RedisNode, asked: list[int]) -> bool:
            try:
                answers = await node.send([_sharded(commands[place]) for place in asked])
            except UnavailableError:
                return False
            for place, answer in zip(asked, answers, strict=True):
                replies[place] = answer
                if isinstance(answer, Exception) and str(answer).startswith("MOVED"):
                    self._must_look.set()
            return True

        answered = await asyncio.gather(*[ask(node, asked) for node, asked in places.items() if node is not None])
        if commands and not any(answered):
            raise UnavailableError
        return replies

    async def ask(self, *commands: Command) -> list[Any]:
        """Send commands and return their replies. Raises ``UnavailableError``, where one of them failed as well."""
        replies = await self.send(list(commands))
        for reply in replies:
            if isinstance(reply, Exception):
                raise UnavailableError from reply
        return replies

    async def listeners(self, channels: list[bytes]) -> dict[bytes, int]:
        """Return how many instances listen to each of these; those of a node that is away are left out.

        Raises ``UnavailableError`` when nobody answers.
        """
        asked: dict[RedisNode, list[bytes]] = {}
        for channel in channels:
            node = self._node_of(channel)
            if node is not None:
                asked.setdefault(node, []).append(channel)
        word = "SHARDNUMSUB" if self._is_cluster else "NUMSUB"
        answers = await asyncio.gather(
            *[node.send([("PUBSUB", word, *listed)]) for node, listed in asked.items()], return_exceptions=True
        )
        found: dict[bytes, int] = {}
        for answer in answers:
            if not isinstance(answer, BaseException) and not isinstance(answer[0], Exception):
                found.update(zip(answer[0][::2], answer[0][1::2], strict=True))
        if channels and not found:
            raise UnavailableError
        return found

    # -- nodes and slots -----------------------------------------------------------

    async def _add(self, name: str, url: str, canary: bytes) -> None:
        node = RedisNode(url, canary, self._clock, self._handlers, is_sharded=self._is_cluster)
        node.on_messages, node.on_restored, node.on_echo = self.on_messages, self.on_restored, self.on_echo
        node.on_lost = self._must_look.set
        self._nodes[name] = node
        self._place_homeless()
        await node.start()

    async def _keep_looking(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S if self.connected else LOOK_AGAIN_S):
                    await self._must_look.wait()
            # What asks for a look comes in bursts, and sooner than the nodes agree.
            await asyncio.sleep(LOOK_AGAIN_S)
            self._must_look.clear()
            try:
                await self._look()
            except UnavailableError:
                log.debug("no node of the cluster says who owns what")
            except Exception:
                log.exception("the slots of the cluster were not looked at")

    async def _look(self) -> None:
        """Ask for the map of the slots and live by it. Raises ``UnavailableError`` when nobody tells."""
        owners = await self._ask_for_owners()
        if owners == self._owners:
            return
        log.info("the cluster has %d nodes for %d slots", len(set(owners.values())), len(owners))
        self._owners = owners
        named = set(owners.values())
        gone = {name: node for name, node in self._nodes.items() if name not in named}
        for name, node in gone.items():
            self._homeless.update(node.channels)
            self._former_reconnects += node.reconnects
            self._handlers.pop(node.canary, None)
            del self._nodes[name]
        for name, node in self._nodes.items():
            if owners.get(slot_of(node.canary)) != name:
                node.sing_on(name_owned_by(name, self._canary, owners))
            for channel in node.channels:
                if self._node_of(channel) is not node:
                    node.forget(channel)
                    self._homeless.add(channel)
        fresh = named - self._nodes.keys()
        await asyncio.gather(
            *[node.stop() for node in gone.values()],
            *[
                self._add(name, node_url(self._url, name), name_owned_by(name, self._canary, owners))
                for name in sorted(fresh)
            ],
        )
        self._place_homeless()
        # What was told between the two is lost; of new nodes their canary says so.
        self.on_restored()

    def _place_homeless(self) -> None:
        homeless, self._homeless = self._homeless, set()
        for channel in homeless:
            self._place(channel)

    async def _ask_for_owners(self) -> dict[int, str]:
        """Return what the first node says that answers; another one is asked first the next time."""
        known = sorted({*self._nodes, *seeds(self._url)})
        self._asked += 1
        for name in known[self._asked % len(known) :] + known[: self._asked % len(known)]:
            try:
                line = await RedisLine.connect(node_url(self._url, name), timeout_s=TIMEOUT_S)
                try:
                    async with asyncio.timeout(TIMEOUT_S):
                        [told] = await line.send([("CLUSTER", "SLOTS")])
                finally:
                    line.close()
                return read_slots(told, name)
            except (OSError, TimeoutError, ValueError) as exc:
                log.debug("%s does not say who owns what: %s", name, exc)
        raise UnavailableError


def _sharded(command: Command) -> Command:
    """Return a command as a cluster takes it: what is published stays among the nodes of its slot."""
    return ("SPUBLISH", *command[1:]) if command[0] == "PUBLISH" else command
