"""A device of the load test: a client whose every move is timed, counted and written down."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

from idling_ws.client import Ending, Entry, Hooks, IdlingClient, Mutation, Outcome, Status, Verdict, Welcome
from idling_ws.client.shapes import USER
from idling_ws.loadtest.measures import Measures
from idling_ws.loadtest.scenarios import Wish
from idling_ws.proof.digests import digest_of, request_digest, verdict_digest
from idling_ws.proof.history import Recorder

# Beyond so many without a verdict a device asks for nothing new; what it left out is counted.
MOST_PENDING = 64

# Mutations whose entries are timed on other devices, the oldest forgotten first.
MOST_TIMED = 50_000


class Stopwatch:
    """When each mutation was due, for all devices of a process."""

    def __init__(self) -> None:
        self._due: dict[str, tuple[str, float]] = {}

    def start(self, mid: str, device: str, at: float) -> None:
        """Note that ``device`` was to ask for ``mid`` at ``at``, unless another was first."""
        if len(self._due) >= MOST_TIMED:
            del self._due[next(iter(self._due))]
        self._due.setdefault(mid, (device, at))

    def elsewhere(self, mid: str, device: str) -> float | None:
        """Return when ``mid`` was due, if another device asked for it."""
        asked = self._due.get(mid)
        return None if asked is None or asked[0] == device else asked[1]


class Device(Hooks):
    """One device. ``settled_hook`` is called after each of its verdicts."""

    def __init__(
        self, name: str, user: int, measures: Measures, stopwatch: Stopwatch, recorder: Recorder | None
    ) -> None:
        self.name = name
        self.user = user
        self.client: IdlingClient
        self.settled_hook: Callable[[Device, Mutation], None] | None = None
        self._measures = measures
        self._stopwatch = stopwatch
        self._recorder = recorder
        self._asked: dict[str, tuple[float, str]] = {}
        self._loop = asyncio.get_running_loop()
        self._line_up = False
        self._write("device", user=user)

    def _write(self, op: str, **fields: Any) -> None:
        if self._recorder is not None:
            self._recorder.write(op, d=self.name, **fields)

    # --- asking ---------------------------------------------------------------------------

    def ask(self, wish: Wish, due: float, *, mid: str | None = None) -> Mutation | None:
        """Submit what was due at ``due``; None when too much is pending already."""
        if len(self._asked) >= MOST_PENDING or (mid is not None and mid in self._asked):
            self._measures.counts["held_back"] += 1
            return None
        mutation = self.client.submit(wish.name, wish.args, if_version=wish.if_version, mid=mid)
        self._asked[mutation.mid] = (due, request_digest(wish.name, wish.args, wish.if_version))
        self._stopwatch.start(mutation.mid, self.name, due)
        self._measures.counts["mutations"] += 1
        return mutation

    async def ask_over_rest(self, wish: Wish, mid: str) -> None:
        """Send it by REST, whatever else carries it, and write down what was answered."""
        wire = Mutation(mid, wish.name, wish.args, wish.if_version).to_wire()
        request = request_digest(wish.name, wish.args, wish.if_version)
        self._write("send", mid=mid, name=wish.name, request=request, via="rest")
        self._measures.counts["rest_sendings"] += 1
        (answer,) = await self.client.rest.mutations([wire])
        if answer["status"] == "error":
            self.error(answer["error"], mid)
            return
        self._told(Verdict.read(answer), "rest", request)

    # --- hooks ----------------------------------------------------------------------------

    def connecting(self, transport: str, url: str, cursor: str | None) -> None:
        """A line is about to be opened."""
        self._write("connect", via=transport, url=url, cursor=cursor)

    def welcomed(self, transport: str, welcome: Welcome) -> None:
        """Count it in."""
        if not self._line_up:
            self._line_up = True
            self._measures.connected += 1
        self._measures.counts["resumed" if welcome.resumed else "fresh"] += 1
        self._write(
            "welcome",
            via=transport,
            head=str(welcome.cursor),
            resumed=welcome.resumed,
            reason=welcome.reason,
            state=None if welcome.state is None else digest_of(welcome.state),
        )

    def ended(self, transport: str, ending: Ending) -> None:
        """Count it out."""
        if self._line_up:
            self._line_up = False
            self._measures.connected -= 1
        self._measures.counts["closes"] += 1
        self._measures.closes[str(ending.code)] += 1
        self._write("close", via=transport, code=ending.code, reason=ending.reason)

    def resuming(self, cursor: str) -> None:
        """The client saw a gap."""
        self._measures.counts["resumes"] += 1
        self._write("resume", cursor=cursor)

    def sent(self, mutation: Mutation, transport: str) -> None:
        """A mutation went out."""
        self._measures.counts["sendings"] += 1
        if self._recorder is not None:
            asked = self._asked.get(mutation.mid)
            request = asked[1] if asked else request_digest(mutation.name, mutation.args, mutation.if_version)
            self._write("send", mid=mutation.mid, name=mutation.name, request=request, via=transport)

    def entry(self, entry: Entry, outcome: Outcome, verdict: Verdict | None) -> None:
        """An entry came in."""
        counts = self._measures.counts
        counts["entries"] += 1
        if outcome is Outcome.KNOWN:
            counts["repeats"] += 1
        elif outcome is Outcome.GAP:
            counts["gaps"] += 1
        elif verdict is not None:
            due = self._stopwatch.elsewhere(verdict.mid, self.name)
            if due is not None:
                self._measures.delivered_after(self._loop.time() - due)
        if self._recorder is not None:
            self._write_entry(entry, outcome, verdict)

    def _write_entry(self, entry: Entry, outcome: Outcome, verdict: Verdict | None) -> None:
        fields: dict[str, Any] = {
            "stream": entry.stream,
            "seq": entry.seq,
            "digest": digest_of(entry.source),
            "outcome": outcome.value,
        }
        if entry.stream == USER:
            effects = [item for item in entry.items if item.get("kind") != "verdict"]
            fields["effects"] = [str(item.get("kind")) for item in effects]
            fields["versions"] = _versions(effects)
        if verdict is not None:
            fields |= _verdict_fields(verdict)
        self._write("entry", **fields)

    def verdict(self, verdict: Verdict, transport: str) -> None:
        """A verdict came outside of the stream."""
        asked = self._asked.get(verdict.mid)
        self._told(verdict, transport, asked[1] if asked else None)

    def _told(self, verdict: Verdict, via: str, request: str | None) -> None:
        self._measures.counts["told"] += 1
        self._write(
            "verdict",
            seq=verdict.seq,
            duplicate=verdict.duplicate,
            via=via,
            request=request,
            **_verdict_fields(verdict),
        )

    def settled(self, mutation: Mutation) -> None:
        """One of its own ended."""
        counts = self._measures.counts
        counts["settled"] += 1
        counts[str(mutation.status)] += 1
        if mutation.status is Status.ROLLED_BACK and mutation.verdict is not None:
            self._measures.rejected[str(mutation.verdict.code)] += 1
        due, _ = self._asked.pop(mutation.mid, (None, ""))
        if due is not None:
            self._measures.confirmed_after(self._loop.time() - due)
        if self.settled_hook is not None:
            self.settled_hook(self, mutation)

    def error(self, error: dict[str, Any], mid: str | None) -> None:
        """A sending consumed nothing."""
        code = str(error.get("code"))
        self._measures.errors[code] += 1
        self._write("error", code=code, mid=mid)

    # --- the end ----------------------------------------------------------------------------

    @property
    def unsettled(self) -> list[str]:
        """The mids without a verdict."""
        return [mutation.mid for mutation in self.client.pending]

    async def until_quiet(self) -> None:
        """Return once it is connected, has all it knows of, and waits for no verdict."""
        client = self.client
        await client.until(lambda: client.live and not client.pending)

    def write_final(self, goal: str | None) -> None:
        """Write down where it ended, and where it should have."""
        self._write(
            "final",
            cursor=self.client.cursor,
            state=digest_of(self.client.confirmed_state),
            goal=goal,
            unsettled=self.unsettled,
        )


def pick(devices: list[Device], rng: random.Random, able: Callable[[Device], bool]) -> Device | None:
    """Return one of the devices at random that is able, looking at a few; None when none was."""
    for _ in range(8):
        device = rng.choice(devices)
        if able(device):
            return device
    return None


def _verdict_fields(verdict: Verdict) -> dict[str, Any]:
    return {
        "mid": verdict.mid,
        "status": verdict.status,
        "verdict": verdict_digest(verdict.status, verdict.result, verdict.error, verdict.current),
        "code": verdict.code,
    }


def _versions(effects: list[dict[str, Any]]) -> dict[str, int]:
    versions: dict[str, int] = {}
    for item in effects:
        patch = item.get("patch")
        for thing in ("profile", "preferences"):
            if isinstance(patch, dict) and isinstance(patch.get(thing), dict) and "version" in patch[thing]:
                versions[thing] = patch[thing]["version"]
    return versions
