"""The roster: which instances are up and how they do.

Each writes its pulse down once a second, and whoever watches reads them all; one of them does so for
everybody and keeps what all did together. So the work grows with the instances and not with their
square. A pulse is small, and nobody depends on one: an instance that cannot be heard is shown as silent and
then not at all.

While somebody anywhere watches the tail, each tells those who do a bounded sample of what was committed: whose
stream, which ``seq``, which kinds, and never what stands in it. And all can be asked: where is this user
connected? Each answers whoever asked, and who does not in time is named.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import orjson

from idling_ws.delivery.fanout import Fanout
from idling_ws.delivery.publisher import Publisher
from idling_ws.delivery.pulses import FORGOTTEN_S, HISTORY, SILENT_S, Pulses
from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import JsonObject, UnavailableError
from idling_ws.store.redis import Keys
from idling_ws.tasks import Tasks
from idling_ws.wire import frames
from idling_ws.wire.websocket import text_frame

log = logging.getLogger(__name__)

VIEW, TAIL = "admin", "admin.entries"
TICK_S = 1.0
# Entries that one instance tells of in a second; how many there were is told as well.
SAMPLE = 20
MAX_TAIL = 200
ANSWER_S = 1.5
MAX_CONNECTIONS_TOLD = 100
MAX_KINDS = 10


class Watcher(Protocol):
    """A socket that subscribed."""

    def send_notice(self, topic: str, framed: bytes) -> None:
        """Take a notice; a later one may replace it."""


class Roster:
    """All instances as this one hears of them. ``figures`` says how this one does, at each tick."""

    def __init__(
        self, clock: Clock, fanout: Fanout, publisher: Publisher, pulses: Pulses, keys: Keys, instance: str
    ) -> None:
        self._clock = clock
        self._fanout = fanout
        self._publisher = publisher
        self._keys = keys
        self._instance = instance
        self._pulses = pulses
        self.figures: Callable[[], JsonObject] = dict
        self.connections: Callable[[int], list[JsonObject]] = lambda user_id: []
        """The connections of a user here."""
        # The last pulse of each instance, and when it was by our own clock. Others' as of the last look.
        self._known: dict[str, tuple[JsonObject, float]] = {}
        self._watchers: dict[str, dict[Watcher, None]] = {VIEW: {}, TAIL: {}}
        self._tailed_until = 0.0
        self._sample: list[tuple[int, int, bytes]] = []
        self._committed = 0
        self._tail: list[JsonObject] = []
        self._tail_count = 0
        self._questions: dict[str, tuple[dict[str, list[JsonObject]], asyncio.Event]] = {}
        self._tasks = Tasks()
        # What is known here, second by second, for when nobody else says.
        self._history: deque[JsonObject] = deque(maxlen=HISTORY)

    def start(self) -> None:
        """Begin to tell."""
        self._fanout.handle(self._keys.control, self.heard)
        self._fanout.handle(self._keys.answers(self._instance), self.heard)
        self._tasks.start(self._run(), "roster")

    async def stop(self) -> None:
        """Say goodbye, and tell no more."""
        await self._tasks.stop()
        with contextlib.suppress(UnavailableError):
            await self._pulses.end()

    # -- who watches -----------------------------------------------------------------

    def watch(self, topic: str, watcher: Watcher) -> None:
        """Send notices of ``topic`` from now on, the first within a tick."""
        if topic == TAIL and not self._watchers[TAIL]:
            self._fanout.handle(self._keys.tailing, self.heard)
        self._watchers[topic][watcher] = None

    def unwatch(self, topic: str, watcher: Watcher) -> None:
        """Send no more; harmless when it does not watch."""
        was_watched = bool(self._watchers[topic])
        self._watchers[topic].pop(watcher, None)
        if topic == TAIL and was_watched and not self._watchers[TAIL]:
            self._fanout.unsubscribe(self._keys.tailing)

    def note_entry(self, user_id: int, seq: int, frame: bytes) -> None:
        """Hear of an entry that was committed here; all but free while nobody watches."""
        if self._clock.monotonic() < self._tailed_until:
            self._committed += 1
            if len(self._sample) < SAMPLE:
                self._sample.append((user_id, seq, frame))

    # -- what is known -----------------------------------------------------------------

    async def look(self) -> None:
        """Read how all do. Raises ``UnavailableError`` when nobody says; what was known is known still."""
        found, now = await self._pulses.read(), self._clock.monotonic()
        mine = self._known.get(self._instance)
        self._known = {name: (pulse, now - age_s) for name, (pulse, age_s) in found.items()}
        if mine is not None:
            self._known[self._instance] = mine

    async def history(self) -> list[JsonObject]:
        """Return what all did together, second by second; what this instance knows of it where nobody says."""
        try:
            return await self._pulses.history()
        except UnavailableError:
            return list(self._history)

    def instances(self) -> list[JsonObject]:
        """Return every instance as of the last look, the longest up first; this one always."""
        now = self._clock.monotonic()
        return sorted(
            (
                {**pulse, "silent_s": round(now - at, 1) if now - at > SILENT_S else 0}
                for pulse, at in self._known.values()
            ),
            key=lambda pulse: (str(pulse.get("started_at")), str(pulse["instance"])),
        )

    async def connections_of(self, user_id: int) -> tuple[list[JsonObject], list[str]]:
        """Return where a user is connected, on all instances, and which of those did not say."""
        with contextlib.suppress(UnavailableError):
            await self.look()
        question = secrets.token_hex(8)
        asked = {pulse["instance"] for pulse in self.instances() if not pulse["silent_s"]} - {self._instance}
        answers: dict[str, list[JsonObject]] = {}
        news = asyncio.Event()
        self._questions[question] = answers, news
        self._say(self._keys.control, {"kind": "where", "question": question, "user": user_id})
        try:
            async with asyncio.timeout(ANSWER_S):
                while not asked <= answers.keys():
                    await news.wait()
                    news.clear()
        except TimeoutError:
            log.info("not every instance said where user %d is connected", user_id)
        finally:
            del self._questions[question]
        found = self._here(user_id)
        for instance in sorted(answers):
            found += [{**one, "instance": instance} for one in answers[instance]]
        return found, sorted(asked - answers.keys())

    def _here(self, user_id: int) -> list[JsonObject]:
        return [{**one, "instance": self._instance} for one in self.connections(user_id)[:MAX_CONNECTIONS_TOLD]]

    # -- the channels ------------------------------------------------------------------

    def _say(self, channel: bytes, message: JsonObject) -> None:
        self._publisher.send(channel, orjson.dumps({**message, "instance": self._instance}))

    def heard(self, message: bytes) -> None:
        """Take what an instance says to this one, or to all."""
        try:
            told: dict[str, Any] = orjson.loads(message)
            instance = str(told["instance"])
            if instance != self._instance:
                self._take(instance, told)
        except (ValueError, KeyError, TypeError, AttributeError):
            log.warning("a message between instances could not be read")

    def _take(self, instance: str, told: dict[str, Any]) -> None:
        kind = told["kind"]
        if kind == "where":
            here = self.connections(int(told["user"]))[:MAX_CONNECTIONS_TOLD]
            answer = {"kind": "there", "question": told["question"], "connections": here}
            self._say(self._keys.answers(instance), answer)
        elif kind == "there" and told["question"] in self._questions:
            answers, news = self._questions[told["question"]]
            answers[instance] = list(told["connections"])
            news.set()
        elif kind == "tail":
            self._note_tail(instance, int(told["committed"]), list(told["entries"]))

    def _note_tail(self, instance: str, committed: int, entries: list[JsonObject]) -> None:
        if self._watchers[TAIL]:
            self._tail_count += committed
            self._tail += [{**entry, "instance": instance} for entry in entries]
            del self._tail[:-MAX_TAIL]

    # -- the tick ----------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            try:
                await self.tick()
            except Exception:
                log.exception("the roster could not be told")
            await asyncio.sleep(TICK_S)

    async def tick(self) -> None:
        """Write down how this one does, and tell whoever watches how all do."""
        now = self._clock.monotonic()
        pulse: JsonObject = {"instance": self._instance, **self.figures()}
        self._known[self._instance] = pulse, now
        try:
            if await self._pulses.write(pulse, tails=bool(self._watchers[TAIL])):
                self._tailed_until = now + SILENT_S
            is_keeper = self._pulses.is_kept_here
            if is_keeper or self._watchers[VIEW]:
                await self.look()
            if is_keeper:
                await self._pulses.keep(_together(self.instances()))
        except UnavailableError:
            log.debug("nobody says how the other instances do")
        self._known = {name: held for name, held in self._known.items() if now - held[1] < FORGOTTEN_S}
        self._tell_tail()
        instances = self.instances()
        self._history.append(_together(instances))
        if self._watchers[VIEW]:
            self._notice(VIEW, {"instances": instances, "together": self._history[-1]})
        if self._watchers[TAIL] and self._tail_count:
            entries, count = self._tail, self._tail_count
            self._tail, self._tail_count = [], 0
            self._notice(TAIL, {"count": count, "entries": entries})

    def _tell_tail(self) -> None:
        sample, self._sample = self._sample, []
        committed, self._committed = self._committed, 0
        if committed:
            entries = [_told(*entry) for entry in sample]
            self._say(self._keys.tailing, {"kind": "tail", "committed": committed, "entries": entries})
            self._note_tail(self._instance, committed, entries)

    def _notice(self, topic: str, data: JsonObject) -> None:
        framed = text_frame(frames.notice(topic, data))
        for watcher in tuple(self._watchers[topic]):
            watcher.send_notice(topic, framed)


def _told(user_id: int, seq: int, frame: bytes) -> JsonObject:
    """Return what the tail says of an entry: nothing that anybody wrote."""
    kinds = [item["kind"] for item in orjson.loads(frame)["items"][:MAX_KINDS]]
    return {"user": user_id, "seq": seq, "kinds": kinds, "bytes": len(frame)}


def _together(instances: list[JsonObject]) -> JsonObject:
    """Return what the instances that are heard do together: sums, and the worst of what cannot be added up."""
    live = [one for one in instances if not one["silent_s"]]
    summed = {
        name: round(sum(one.get(name, 0) for one in live), 1)
        for name in ("connections", "mutations_per_s", "deliveries_per_s", "errors_per_s")
    }
    worst = {
        name: max((one[name] for one in live if one.get(name) is not None), default=None)
        for name in ("lag_ms", "confirm_ms")
    }
    return {**summed, **worst, "instances": len(live)}
