"""Scenarios: what the devices of a run do, as one table.

Devices of one user do not agree with each other, so part of what they ask for is
rejected by the rules: that too is a verdict that must come, once and the same for all.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """One mutation that a device is going to ask for."""

    name: str
    args: dict[str, Any]
    if_version: int | None = None


Choose = Callable[[State, random.Random], Wish]

_WORDS = ("tea", "rain", "a long walk", "old records", "nothing at all", "the cat", "clouds", "a book", "café ☕")
_STALE_SHARE = 0.1


def _session(state: State, rng: random.Random) -> Wish:
    session = state.get("session")
    if not session or "id" not in session:
        return Wish("session.start", {"activity": rng.choice(_WORDS)})
    turns = ["session.update", "session.update", "session.end"]
    turns.append("session.pause" if session.get("status") == "active" else "session.resume")
    name = rng.choice(turns)
    args = {"id": session["id"]}
    if name == "session.update":
        args["activity"] = rng.choice(_WORDS)
        return Wish(name, args, _version(session, rng))
    return Wish(name, args)


def _preferences(state: State, rng: random.Random) -> Wish:
    values: dict[str, Any] = {
        "theme": rng.choice(("system", "light", "dark")),
        "density": rng.choice(("cozy", "compact")),
        "sounds": rng.random() < 0.5,
    }
    kept = rng.sample(sorted(values), rng.randint(1, 3))
    wanted = {"values": {key: values[key] for key in kept}}
    return Wish("preferences.set", wanted, _version(state.get("preferences") or {}, rng))


def _profile(state: State, rng: random.Random) -> Wish:
    if rng.random() < 0.1:
        # A small pool, so that some are taken.
        return Wish("profile.update", {"name": f"Idler {rng.randint(1, 10_000)}"})
    bio = " ".join(rng.choices(_WORDS, k=rng.randint(1, 6)))
    return Wish("profile.update", {"bio": bio}, _version(state.get("profile") or {}, rng))


def _version(thing: State, rng: random.Random) -> int | None:
    """Now and then compare-and-swap, and often enough against a version that is gone."""
    version = thing.get("version")
    if rng.random() >= _STALE_SHARE or not isinstance(version, int) or version < 1:
        return None
    return max(1, version - rng.randint(0, 1))


@dataclass(frozen=True, slots=True)
class Scenario:
    """What devices choose from, how often they repeat themselves, and whether all leave at once."""

    summary: str
    choices: Mapping[Choose, float] = field(default_factory=dict)
    # The share of mutations sent three times at once: here, on another device, and over REST.
    repeat_share: float = 0.0
    # The share after which the used mid is sent again with other arguments, which must be refused.
    reuse_share: float = 0.0
    # Only the first device of each user writes; the others listen.
    one_writer: bool = False
    # Every so often all connections are cut at once.
    storm_every_s: float | None = None

    def choose(self, state: State, rng: random.Random) -> Wish:
        """Return what a device with that state does next."""
        (choose,) = rng.choices(list(self.choices), list(self.choices.values()))
        return choose(state, rng)


_ALL: dict[Choose, float] = {_session: 5, _preferences: 3, _profile: 2}

SCENARIOS: dict[str, Scenario] = {
    "mixed": Scenario("sessions, preferences and profiles, some repeated", _ALL, 0.05, 0.01),
    "sessions": Scenario("start, update, pause, resume and end", {_session: 1}),
    "preferences": Scenario("preferences only: small and always allowed", {_preferences: 1}),
    "profile": Scenario("profiles only: larger, with names that may be taken", {_profile: 1}),
    "repeat": Scenario("every mutation three times at once, over three ways", _ALL, 1.0, 0.2),
    "fanout": Scenario("one device of each user writes, the others listen", {_preferences: 1}, one_writer=True),
    "reconnect": Scenario("all connections are cut at once, every 10 s", _ALL, storm_every_s=10.0),
    "idle": Scenario("connected, and nothing more"),
}
