"""One Redis server as delivery uses it: a line that listens, one that speaks, and a canary between them.

Nothing is lost when a message is: the hub sees the gap, and where no message comes at all
the canary notices. Once a second the instance publishes to itself, over the same two
lines that entries take; when the echo stays away for three seconds it is deaf to this
server, whatever its sockets say. It then opens both lines anew and subscribes again.

In a cluster there is one of these for each node that owns slots, and it speaks the sharded
pub/sub: a channel lives on the node that owns its name, so ``SSUBSCRIBE`` takes one at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterable
from typing import Any

from idling_ws.delivery.redis_line import Command, RedisLine
from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import UnavailableError
from idling_ws.store.redis import TIMEOUT_S
from idling_ws.tasks import Tasks

log = logging.getLogger(__name__)

CANARY_EVERY_S = 1.0
DEAF_AFTER_S = 3.0
SUBSCRIBE_TIMEOUT_S = 0.5
SUBSCRIBE_CHUNK = 1000
# Between tries to connect. The longest is short enough to be back within a second or two.
FIRST_DELAY_S = 0.05
LONGEST_DELAY_S = 1.0
# Reasons that are logged while it is not heard, each of them once.
MOST_REASONS = 5

_MESSAGE = frozenset({b"message", b"smessage"})
_SUBSCRIBED = frozenset({b"subscribe", b"ssubscribe"})


class RedisNode:
    """Two lines to one server, one that listens and one that speaks, and the canary between them.

    ``canary`` is the channel on which the instance talks to itself here. ``handlers`` get what comes on
    their channel, ``on_messages`` everything else. ``on_lost``: a line broke, or the server says
    that something here is not its business any more.
    """

    def __init__(
        self,
        url: str,
        canary: bytes,
        clock: Clock,
        handlers: dict[bytes, Callable[[bytes], None]],
        *,
        is_sharded: bool = False,
    ) -> None:
        self.url = url
        self.canary = canary
        self._clock = clock
        self._handlers = handlers
        self._is_sharded = is_sharded
        self._listener: RedisLine | None = None
        self._speaker: RedisLine | None = None
        self._wanted: dict[bytes, asyncio.Future[None] | None] = {}
        self._dropped: set[bytes] = set()
        self._to_subscribe: list[bytes] = []
        self._flush_scheduled = False
        self._last_echo = 0.0
        self._sung_at: float | None = None
        self._tasks = Tasks()
        self._lost = asyncio.Event()
        self._delay_s = FIRST_DELAY_S
        self._reasons: set[str] = set()
        self.healthy = False
        self.reconnects = 0
        self.on_messages: Callable[[list[tuple[bytes, bytes]]], None] = lambda messages: None
        self.on_restored: Callable[[], None] = lambda: None
        self.on_lost: Callable[[], None] = lambda: None
        self.on_echo: Callable[[float], None] = lambda took_s: None

    async def start(self) -> None:
        """Connect if Redis is there; go on trying for as long as it is not."""
        self.sing_on(self.canary)
        with contextlib.suppress(OSError):
            await self._open_lines()
        self._tasks.start(self._keep_open(), "redis-lines")
        self._tasks.start(self._sing(), "redis-canary")

    async def stop(self) -> None:
        """Close both lines."""
        await self._tasks.stop()
        self._close_lines()

    @property
    def connected(self) -> bool:
        """Whether both lines stand and Redis has answered on them; whether anything comes back over
        them is ``healthy``.
        """
        return all(line is not None and not line.closed for line in (self._listener, self._speaker))

    @property
    def _place(self) -> str:
        """Where it is, without what is secret in its address."""
        return self.url.rpartition("@")[2]

    @property
    def channels(self) -> list[bytes]:
        """Everything that is listened to here, but for the canary's."""
        return [channel for channel in self._wanted if channel != self.canary and channel not in self._dropped]

    def sing_on(self, canary: bytes) -> None:
        """Take another channel for the canary: in a cluster a name may have to move with its slot."""
        if canary != self.canary:
            self.forget(self.canary)
            self._handlers.pop(self.canary, None)
        self.canary = canary
        self._handlers[canary] = self._heard_canary
        self.want(canary)

    # -- subscriptions -------------------------------------------------------------

    async def subscribe(self, channel: bytes) -> bool:
        """Subscribe and wait until Redis has said so. False when it has not in time: messages may be
        missed until it does, and then ``on_restored`` compares heads.
        """
        confirmed = self.want(channel)
        if confirmed is None:
            return True
        if not self.healthy:
            return False  # nobody waits for a Redis that is known to be away
        try:
            async with asyncio.timeout(SUBSCRIBE_TIMEOUT_S):
                await asyncio.shield(confirmed)
        except TimeoutError:
            self.healthy = False
            return False
        return True

    def want(self, channel: bytes) -> asyncio.Future[None] | None:
        """Listen to ``channel``; return what ends once the server has said so, None when it has."""
        self._dropped.discard(channel)
        if channel in self._wanted:
            return self._wanted[channel]
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wanted[channel] = confirmed
        self._to_subscribe.append(channel)
        self._schedule_flush()
        return confirmed

    def unsubscribe(self, channel: bytes) -> None:
        """Stop listening to ``channel``; takes effect with the next flush, so that leaving and
        coming back at once costs nothing.
        """
        if channel in self._wanted:
            self._dropped.add(channel)
            self._schedule_flush()

    def forget(self, channel: bytes) -> None:
        """Listen to it no longer, and say nothing: it is not this server's any more."""
        self._wanted.pop(channel, None)
        self._dropped.discard(channel)

    def _schedule_flush(self) -> None:
        if not self._flush_scheduled:
            self._flush_scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_scheduled = False
        fresh = [channel for channel in self._to_subscribe if channel in self._wanted]
        self._to_subscribe = []
        # A subscription still under way is dropped later: its confirmation must not be taken for
        # that of the next one.
        dropped = {channel for channel in self._dropped if self._wanted.get(channel) is None}
        self._dropped -= dropped
        for channel in dropped:
            self._wanted.pop(channel, None)
        if self._listener is None or self._listener.closed:
            return  # whoever reconnects subscribes to all that is wanted
        self._listener.write([*self._spelled("UNSUBSCRIBE", dropped), *self._spelled("SUBSCRIBE", fresh)])

    def _spelled(self, word: str, channels: Iterable[bytes]) -> list[Command]:
        """Return the commands that do ``word`` to all these channels."""
        listed = list(channels)
        if self._is_sharded:
            return [("S" + word, channel) for channel in listed]
        return [(word, *listed[start : start + SUBSCRIBE_CHUNK]) for start in range(0, len(listed), SUBSCRIBE_CHUNK)]

    def _heard(self, pushed: list[list[Any]]) -> None:
        messages: list[tuple[bytes, bytes]] = []
        for item in pushed:
            kind = item[0]
            if kind in _MESSAGE:
                handler = self._handlers.get(item[1])
                if handler is None:
                    messages.append((item[1], item[2]))
                else:
                    handler(item[2])
            elif kind in _SUBSCRIBED:
                confirmed = self._wanted.get(item[1])
                if confirmed is not None:
                    if not confirmed.done():
                        confirmed.set_result(None)
                    self._wanted[item[1]] = None
            elif item[1] in self._wanted:
                self.on_lost()  # not asked for: its slot has moved to another node
        if messages:
            self.on_messages(messages)

    # -- speaking ------------------------------------------------------------------

    async def send(self, commands: list[Command]) -> list[Any]:
        """Send commands in one write. Raises ``UnavailableError`` when Redis does not answer in time."""
        speaker = self._speaker
        if speaker is None or speaker.closed:
            raise UnavailableError
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await speaker.send(commands)
        except (OSError, TimeoutError) as exc:
            # A late answer would be taken for the next one's: this line is spent.
            speaker.close()
            raise UnavailableError from exc

    # -- lines and canary ----------------------------------------------------------

    async def _open_lines(self) -> None:
        """Open whichever line is not open: when one breaks, the other goes on. Raises ``OSError``."""
        # An event of these lines alone: the end of former ones may still be on its way.
        lost = self._lost = asyncio.Event()
        if self._speaker is None or self._speaker.closed:
            self._speaker = await RedisLine.connect(self.url, timeout_s=TIMEOUT_S, on_lost=lost.set)
        self._speaker.on_lost = lost.set
        if self._listener is None or self._listener.closed:
            self._listener = await RedisLine.connect(
                self.url, timeout_s=TIMEOUT_S, on_pushed=self._heard, on_lost=lost.set
            )
            self._subscribe_to_all(self._listener)
        self._listener.on_lost = lost.set
        self._last_echo = self._clock.monotonic()
        await self._publish_canary()

    def _subscribe_to_all(self, listener: RedisLine) -> None:
        loop = asyncio.get_running_loop()
        wanted = list(self._wanted)
        self._to_subscribe = []
        for channel in wanted:
            confirmed = self._wanted[channel]
            if confirmed is None or confirmed.done():
                self._wanted[channel] = loop.create_future()
        listener.write(self._spelled("SUBSCRIBE", wanted))

    def _close_lines(self) -> None:
        for line in (self._listener, self._speaker):
            if line is not None:
                line.close()

    async def _keep_open(self) -> None:
        while True:
            if self.connected:
                await self._lost.wait()
            if self.healthy:
                log.warning("Redis is not heard at %s", self._place)
                self.healthy = False
            if self._listener is not None and self._listener.refusal:
                self._note_reason(self._listener.refusal)
            self.on_lost()
            # The first try after a time that went well is free; one line that keeps breaking is not.
            await asyncio.sleep(random.uniform(self._delay_s / 2, self._delay_s))  # noqa: S311 -- spreads load
            self._delay_s = min(LONGEST_DELAY_S, max(FIRST_DELAY_S, self._delay_s * 2))
            try:
                await self._open_lines()
                self.reconnects += 1
            except OSError as exc:
                self._note_reason(str(exc) or type(exc).__name__)

    def _note_reason(self, reason: str) -> None:
        if reason not in self._reasons and len(self._reasons) < MOST_REASONS:
            self._reasons.add(reason)
            log.warning("no line to Redis at %s: %s", self._place, reason)

    async def _sing(self) -> None:
        while True:
            await self._publish_canary()
            await asyncio.sleep(CANARY_EVERY_S)
            if self._clock.monotonic() - self._last_echo > DEAF_AFTER_S:
                if self.healthy:
                    log.warning("no echo from Redis at %s for %.0f s: deaf, reconnecting", self._place, DEAF_AFTER_S)
                self.healthy = False
                self._last_echo = self._clock.monotonic()
                self._close_lines()

    async def _publish_canary(self) -> None:
        self._sung_at = self._clock.monotonic()
        with contextlib.suppress(UnavailableError):
            await self.send([("SPUBLISH" if self._is_sharded else "PUBLISH", self.canary, "")])

    def _heard_canary(self, message: bytes) -> None:
        self._last_echo = self._clock.monotonic()
        if self._sung_at is not None:
            self.on_echo(self._last_echo - self._sung_at)
            self._sung_at = None
        # The echo counts once everything wanted is subscribed: Redis confirms in order, and the
        # canary's own subscription may have been the first.
        if not self.healthy and all(confirmed is None for confirmed in self._wanted.values()):
            self.healthy = True
            self._delay_s = 0.0
            self._reasons.clear()
            log.info("Redis is heard at %s", self._place)
            self.on_restored()
