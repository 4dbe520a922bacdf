"""The roster: which instances are up and how they do, told by each to all once a second.

A pulse is small, and nobody depends on one: an instance that cannot be heard is shown as silent
and then not at all. While somebody anywhere watches the tail, pulses carry a bounded sample of
what was committed: whose stream, which ``seq``, which kinds, and never what stands in it. The
same channel carries questions: where is this user connected? Whoever does not answer in time
is named.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import orjson

from idling_ws.delivery.publisher import Publisher
from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import JsonObject
from idling_ws.store.redis import Keys
from idling_ws.tasks import Tasks
from idling_ws.wire import frames
from idling_ws.wire.websocket import text_frame

log = logging.getLogger(__name__)

VIEW, TAIL = "admin", "admin.entries"
TICK_S = 1.0
# Without a pulse for so long an instance is silent, and later forgotten.
SILENT_S = 5.0
FORGOTTEN_S = 60.0
# Entries that one pulse tells of; how many there were is told as well.
SAMPLE = 20
MAX_TAIL = 200
HISTORY = 120
ANSWER_S = 1.5
MAX_CONNECTIONS_TOLD = 100
MAX_KINDS = 10


class Watcher(Protocol):
    """A socket that subscribed."""

    def send_notice(self, topic: str, framed: bytes) -> None:
        """Take a notice; a later one may replace it."""


class Roster:
    """All instances as this one hears of them. ``figures`` says how this one does, at each tick."""

    def __init__(self, clock: Clock, publisher: Publisher, keys: Keys, instance: str) -> None:
        self._clock = clock
        self._publisher = publisher
        self._channel = keys.control
        self._instance = instance
        self.figures: Callable[[], JsonObject] = dict
        self.connections: Callable[[int], list[JsonObject]] = lambda user_id: []
        """The connections of a user here."""
        self._pulses: dict[str, tuple[JsonObject, float]] = {}
        self._watchers: dict[str, dict[Watcher, None]] = {VIEW: {}, TAIL: {}}
        self._tailed_until = 0.0
        self._sample: list[tuple[int, int, bytes]] = []
        self._committed = 0
        self._tail: list[JsonObject] = []
        self._tail_count = 0
        self._questions: dict[str, tuple[dict[str, list[JsonObject]], asyncio.Event]] = {}
        self._tasks = Tasks()
        self.history: deque[JsonObject] = deque(maxlen=HISTORY)
        """What all instances did together, second by second."""

    def start(self) -> None:
        """Begin to tell."""
        self._tasks.start(self._run(), "roster")

    async def stop(self) -> None:
        """Say goodbye, and tell no more."""
        await self._tasks.stop()
        self._say({"kind": "gone"})

    # -- who watches -----------------------------------------------------------------

    def watch(self, topic: str, watcher: Watcher) -> None:
        """Send notices of ``topic`` from now on, the first within a tick."""
        self._watchers[topic][watcher] = None

    def unwatch(self, topic: str, watcher: Watcher) -> None:
        """Send no more; harmless when it does not watch."""
        self._watchers[topic].pop(watcher, None)

    def note_entry(self, user_id: int, seq: int, frame: bytes) -> None:
        """Hear of an entry that was committed here; all but free while nobody watches."""
        if self._clock.monotonic() < self._tailed_until:
            self._committed += 1
            if len(self._sample) < SAMPLE:
                self._sample.append((user_id, seq, frame))

    # -- what is known -----------------------------------------------------------------

    def instances(self) -> list[JsonObject]:
        """Return every instance that was heard of lately, the longest up first; this one always."""
        now = self._clock.monotonic()
        return sorted(
            (
                {**pulse, "silent_s": round(now - at, 1) if now - at > SILENT_S else 0}
                for pulse, at in self._pulses.values()
            ),
            key=lambda pulse: (str(pulse.get("started_at")), str(pulse["instance"])),
        )

    async def connections_of(self, user_id: int) -> tuple[list[JsonObject], list[str]]:
        """Return where a user is connected, on all instances, and which of those did not say."""
        question = secrets.token_hex(8)
        asked = {pulse["instance"] for pulse in self.instances() if not pulse["silent_s"]} - {self._instance}
        answers: dict[str, list[JsonObject]] = {}
        news = asyncio.Event()
        self._questions[question] = answers, news
        self._say({"kind": "where", "question": question, "user": user_id})
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

    # -- the channel -------------------------------------------------------------------

    def _say(self, message: JsonObject) -> None:
        self._publisher.send(self._channel, orjson.dumps({**message, "instance": self._instance}))

    def heard(self, message: bytes) -> None:
        """Take what an instance says to all."""
        try:
            told: dict[str, Any] = orjson.loads(message)
            instance = str(told["instance"])
            if instance != self._instance:
                self._take(instance, told)
        except (ValueError, KeyError, TypeError, AttributeError):
            log.warning("a message between instances could not be read")

    def _take(self, instance: str, told: dict[str, Any]) -> None:
        kind = told.pop("kind")
        if kind == "pulse":
            self._note_pulse(told)
        elif kind == "gone":
            self._pulses.pop(instance, None)
        elif kind == "where":
            here = self.connections(int(told["user"]))[:MAX_CONNECTIONS_TOLD]
            self._say({"kind": "there", "question": told["question"], "connections": here})
        elif kind == "there" and told["question"] in self._questions:
            answers, news = self._questions[told["question"]]
            answers[instance] = list(told["connections"])
            news.set()

    def _note_pulse(self, pulse: JsonObject) -> None:
        now = self._clock.monotonic()
        if pulse.pop("tails", False):
            self._tailed_until = now + SILENT_S
        entries = pulse.pop("entries", ())
        if self._watchers[TAIL]:
            self._tail_count += pulse.pop("committed", 0)
            self._tail += [{**entry, "instance": pulse["instance"]} for entry in entries]
            del self._tail[:-MAX_TAIL]
        pulse.pop("committed", None)
        self._pulses[str(pulse["instance"])] = pulse, now

    # -- the tick ----------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            try:
                self.tick()
            except Exception:
                log.exception("the roster could not be told")
            await asyncio.sleep(TICK_S)

    def tick(self) -> None:
        """Tell the others how this one does, and whoever watches how all do."""
        now = self._clock.monotonic()
        sample, self._sample = self._sample, []
        committed, self._committed = self._committed, 0
        pulse: JsonObject = {"kind": "pulse", "instance": self._instance, **self.figures()}
        if self._watchers[TAIL]:
            pulse["tails"] = True
        if committed:
            pulse |= {"committed": committed, "entries": [_told(*entry) for entry in sample]}
        self._publisher.send(self._channel, orjson.dumps(pulse))
        del pulse["kind"]
        self._note_pulse(pulse)
        self._pulses = {name: held for name, held in self._pulses.items() if now - held[1] < FORGOTTEN_S}
        instances = self.instances()
        self.history.append(_together(instances))
        if self._watchers[VIEW]:
            self._notice(VIEW, {"instances": instances, "together": self.history[-1]})
        if self._watchers[TAIL] and self._tail_count:
            entries, count = self._tail, self._tail_count
            self._tail, self._tail_count = [], 0
            self._notice(TAIL, {"count": count, "entries": entries})

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
