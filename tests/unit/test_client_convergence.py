"""Whatever the network does, a device ends with the server's state and each change done once.

Hypothesis plays a network that drops, repeats, cuts and delays, over a model of the
server that is a list of entries. The client is the real core; time is a number.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from idling_ws.client.merge_patch import merged
from idling_ws.client.outbox import Mutation
from idling_ws.client.protocol import ClientProtocol
from tests.support.client_frames import CLIENT, JsonObject, entry, welcome

ACTIONS = st.sampled_from(
    [
        "other",
        "submit",
        "send",
        "send_and_cut",
        "deliver",
        "deliver",
        "drop",
        "repeat",
        "cut",
        "connect",
        "connect_void",
        "unavailable",
        "wait",
    ]
)


class World:
    """One client, one server, and a line between them that a test maltreats."""

    def __init__(self) -> None:
        self.now = 0.0
        self.client = ClientProtocol(CLIENT)
        self.entries: list[JsonObject] = []
        self.states: list[JsonObject] = [{"profile": {"version": 0}}]
        self.settled: dict[str, int] = {}
        self.wire: deque[JsonObject] | None = None
        self.mids = 0
        self.mutations: list[Mutation] = []
        self.settled_events: list[str] = []

    # --- the server ---------------------------------------------------------------------

    def commit(self, patch: JsonObject, mid: str | None) -> None:
        """Append one entry and put it on the wire."""
        frame = entry(len(self.entries) + 1, patch, **({} if mid is None else {"mid": mid}))
        self.entries.append(frame)
        self.states.append(merged(self.states[-1], patch))
        if self.wire is not None:
            self.wire.append(frame)

    def serve(self, frame: JsonObject) -> None:
        """Do what a server does with one frame of a client."""
        if frame["type"] == "resume" and self.wire is not None:
            seq = int(frame["cursor"].split(".")[1])
            self.wire.extend(self.entries[seq:])
        if frame["type"] != "mutate":
            return
        mid = frame["mid"]
        if mid in self.settled:
            if self.wire is not None:
                seq = self.settled[mid]
                verdict = {"type": "verdict", "mid": mid, "status": "confirmed", "seq": seq}
                self.wire.append(verdict | {"duplicate": True})
            return
        # Counting up shows every effect that is done twice.
        version = self.states[-1]["profile"]["version"] + 1
        self.settled[mid] = len(self.entries) + 1
        self.commit({"profile": {"version": version, **frame["args"]}}, mid)

    # --- what happens -------------------------------------------------------------------

    def connect(self, *, void: bool = False) -> None:
        """Open a line: hello, welcome, and the entries missed."""
        if self.wire is not None:
            return
        self.client.opened(self.now)
        hello = self.client.take(self.now)[0]
        self.wire = deque()
        if void or "cursor" not in hello:
            self.wire.append(welcome(len(self.entries), state=self.states[-1]))
        else:
            self.wire.append(welcome(len(self.entries)))
            self.wire.extend(self.entries[int(hello["cursor"].split(".")[1]) :])

    def cut(self) -> None:
        """Lose the line and all that is on it."""
        if self.wire is not None:
            self.wire = None
            self.client.lost()

    def send(self) -> None:
        """Carry what the client has to say to the server."""
        for frame in self.client.take(self.now):
            self.serve(frame)

    def refuse(self) -> None:
        """Let the server answer mutations with an error that consumes nothing."""
        error = {"code": "unavailable", "class": "database", "retryable": True}
        for frame in self.client.take(self.now):
            if frame["type"] == "mutate" and self.wire is not None:
                self.wire.append({"type": "error", "mid": frame["mid"], "error": error})
            else:
                self.serve(frame)

    def deliver(self, times: int = 1) -> None:
        """Carry the server's next frame to the client, so many times."""
        if self.wire:
            # The welcome is the line's first frame: without it there is no line.
            frame = self.wire.popleft()
            for _ in range(max(1, times) if frame["type"] == "welcome" else times):
                for event in self.client.receive(frame, self.now):
                    if hasattr(event, "mutation"):
                        self.settled_events.append(event.mutation.mid)

    def act(self, action: str) -> None:
        """Let one thing happen."""
        self.now += 0.3
        self.client.tick(self.now)
        match action:
            case "other":
                self.commit({"other": {"n": len(self.entries)}}, None)
            case "submit":
                self.mids += 1
                self.mutations.append(Mutation(f"m{self.mids}", "profile.update", {"name": f"n{self.mids}"}))
                self.client.submit(self.mutations[-1])
            case "send":
                self.send()
            case "send_and_cut":
                self.send()
                self.cut()
            case "deliver":
                self.deliver()
            case "drop":
                self.deliver(times=0)
            case "repeat":
                self.deliver(times=2)
            case "cut":
                self.cut()
            case "connect" | "connect_void":
                self.connect(void=action == "connect_void")
            case "unavailable":
                self.refuse()
            case "wait":
                self.now += 11.0

    def calm(self) -> None:
        """Let the network work, and time pass, until nothing is left to do."""
        for _ in range(200):
            self.connect()
            # Without it, the loss of the very last entry would show to nobody.
            self.wire = self.wire or deque()
            self.wire.append({"type": "heartbeat", "cursor": f"e1.{len(self.entries)}.0"})
            while self.wire:
                self.deliver()
            if not len(self.client.outbox) and self.client.live:
                return
            self.now = max(self.now + 0.01, min(self.client.deadline(self.now), self.now + 30))
            self.client.tick(self.now)
            self.send()
        raise AssertionError("it never came to rest")


@settings(max_examples=400, deadline=None)
@given(actions=st.lists(ACTIONS, max_size=40))
def test_any_interleaving_converges(actions: list[str]) -> None:
    """Drops, repeats, cuts, resets and refusals: one effect each, one verdict each, the same state."""
    world = World()
    for action in actions:
        world.act(action)
    world.calm()
    assert world.client.replica.state == world.states[-1]
    assert world.client.state == world.states[-1]
    assert sorted(world.settled_events) == sorted(mutation.mid for mutation in world.mutations)
    assert world.states[-1]["profile"]["version"] == len(world.mutations)


@settings(max_examples=200, deadline=None)
@given(actions=st.lists(ACTIONS, max_size=40))
def test_the_replica_only_ever_shows_states_that_the_server_had(actions: list[str]) -> None:
    """At every moment, the confirmed state is the server's state at exactly that cursor (P9)."""
    world = World()
    for action in actions:
        world.act(action)
        cursor = world.client.replica.cursor
        if cursor is not None:
            assert world.client.replica.state == world.states[cursor.user]


@settings(max_examples=100, deadline=None)
@given(actions=st.lists(ACTIONS, max_size=40))
def test_mutations_are_first_applied_in_the_order_of_asking(actions: list[str]) -> None:
    """On lines that refuse nothing, a later change never overtakes an earlier one."""
    world = World()
    for action in actions:
        world.act("send" if action == "unavailable" else action)
    world.calm()
    first: list[Any] = sorted(world.settled, key=lambda mid: world.settled[mid])
    assert first == [mutation.mid for mutation in world.mutations]
