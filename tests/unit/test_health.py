"""Health: what lasts becomes a condition, what flickers does not, and people hear what they can notice."""

from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from idling_ws.domain.notices import (
    CANARY_DEAF,
    CLOCK_JUMP,
    DATABASE_AWAY,
    ENDED,
    ERRORS_MANY,
    RAISED,
    REPLICA_AWAY,
    Notice,
)
from idling_ws.watching.clock_watch import NOTED_S, ClockWatch
from idling_ws.watching.disk import DiskWatch
from idling_ws.watching.health import Health
from idling_ws.watching.time_of_day import TimeOfDay
from tests.support.clocks import MovableClock


class Place:
    """An instance's health over a clock and faults that a test sets."""

    def __init__(self, disk: DiskWatch | None = None) -> None:
        self.clock = MovableClock()
        self.now = SimpleNamespace(database=True, redis=True, replicas=True, errors=0)
        self.told: list[dict[str, bool]] = []
        self.conditions: list[tuple[str, bool]] = []
        self.time = TimeOfDay(self.clock)
        self.health = Health(
            self.clock,
            database_takes_changes=lambda: bool(self.now.database),
            redis_is_heard=lambda: bool(self.now.redis),
            replicas_are_well=lambda: bool(self.now.replicas),
            disk=disk or DiskWatch([Path("/")], 0),
            clock_watch=ClockWatch(self.time),
            errors_last_minute=lambda: int(self.now.errors),
            max_errors=20,
        )
        self.health.on_change = lambda topic, notice: self.told.append(json.loads(notice)["data"])
        self.health.on_condition = self.heard

    def heard(self, kind: str, since: datetime, *, begins: bool) -> None:
        self.conditions.append((kind, begins))

    def is_told_on_arrival(self) -> bool:
        """Whether a device that comes in is told anything."""
        return self.health.notice is not None

    def pass_by(self, seconds: int) -> None:
        """Let time pass, looking every second."""
        for _ in range(seconds):
            self.clock.move(1.0)
            self.health.look()


def test_what_flickers_is_told_to_nobody() -> None:
    """A question that the database missed, a second without an echo."""
    place = Place()
    place.health.look()
    for _ in range(5):
        place.now.database, place.now.redis = False, False
        place.pass_by(1)
        place.now.database, place.now.redis = True, True
        place.pass_by(1)
    assert (place.told, place.conditions, place.health.notice) == ([], [], None)


def test_a_database_that_is_away_is_told_to_people_and_then_to_operators() -> None:
    """Once each, and once each when it is back; to operators not before it has stayed."""
    place = Place()
    place.pass_by(1)
    began = place.clock.now() + timedelta(seconds=1)
    place.now.database = False
    place.pass_by(4)
    assert place.told == [{"saving": False, "uploads": False, "prompt": True}]
    assert place.is_told_on_arrival()
    assert place.conditions == []
    place.pass_by(30)
    assert place.conditions == [(DATABASE_AWAY, True)]
    assert place.health.conditions() == [(DATABASE_AWAY, began)]
    place.now.database = True
    place.pass_by(1)
    assert place.told[1:] == [{"saving": True, "uploads": True, "prompt": True}]
    assert not place.is_told_on_arrival()
    place.pass_by(5)
    place.now.database = False  # and away again, before it was over: one notice, not two
    place.pass_by(20)
    place.now.database = True
    place.pass_by(30)
    assert place.conditions == [(DATABASE_AWAY, True), (DATABASE_AWAY, False)]


def test_a_canary_that_is_missed_is_told() -> None:
    """People: what happens elsewhere may come late."""
    place = Place()
    place.now.redis = False
    place.pass_by(15)
    assert place.told == [{"saving": True, "uploads": True, "prompt": False}]
    assert place.conditions == [(CANARY_DEAF, True)]


def test_a_replica_that_is_away_is_told_to_operators_alone() -> None:
    """People can do everything meanwhile."""
    place = Place()
    place.now.replicas = False
    place.pass_by(15)
    place.now.replicas = True
    place.pass_by(15)
    assert place.told == []
    assert place.conditions == [(REPLICA_AWAY, True), (REPLICA_AWAY, False)]


def test_many_errors_are_told_but_not_those_of_a_database_that_is_away() -> None:
    """That has a name of its own."""
    place = Place()
    place.now.errors = 19
    place.pass_by(3)
    assert place.conditions == []
    place.now.errors = 20
    place.pass_by(3)
    assert place.conditions == [(ERRORS_MANY, True)]
    other = Place()
    other.now.errors, other.now.database = 500, False
    other.pass_by(10)
    other.now.database = True
    other.pass_by(30)
    assert other.conditions == [(DATABASE_AWAY, True), (DATABASE_AWAY, False)], "what it left behind is not news"
    other.pass_by(60)
    assert other.conditions[2:] == [(ERRORS_MANY, True)], "but what goes on is"


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, 2.5])
def test_a_clock_that_jumps_is_noticed_once_and_changes_no_duration(jump_s: float) -> None:
    """Named for a minute; a fault that lasts is as old as it was."""
    place = Place()
    heard: list[float] = []
    place.health.clock_watch.on_jump = lambda: heard.append(place.health.clock_watch.last_jump_s)
    place.now.redis = False
    place.pass_by(8)
    place.clock.set_time_of_day(jump_s)
    place.pass_by(1)
    assert place.conditions == [(CLOCK_JUMP, True)], "the other is not ten seconds old yet"
    assert place.health.parts()["clock"] == "jumped"
    place.pass_by(int(NOTED_S) + 20)
    assert (CLOCK_JUMP, False) in place.conditions
    assert place.health.parts()["clock"] == "ok"
    assert [pytest.approx(jump_s)] == heard
    assert place.health.clock_watch.jumps == 1


async def test_a_disk_is_full_below_what_is_wanted(tmp_path: Path) -> None:
    """Also where the folder is not there yet."""
    place = Place(DiskWatch([tmp_path / "not" / "there"], 10**18))
    await place.health.disk.look()
    place.pass_by(1)
    assert place.health.parts()["disk"] == "full"
    assert place.told == [{"saving": True, "uploads": False, "prompt": True}]
    assert place.health.disk.free_bytes > 0
    place.health.disk._min_bytes = 1
    await place.health.disk.look()
    assert not place.health.disk.is_full


def test_a_notice_says_how_long_it_took() -> None:
    """In seconds or minutes; one of a kind that is not known here is told by its name."""
    began = datetime(2026, 1, 1)  # noqa: DTZ001 -- only the difference counts
    short = Notice("n", DATABASE_AWAY, began, began + timedelta(seconds=7))
    assert short.told(ENDED) == ("success", "The database takes changes again", "It took 7 s.")
    long = Notice("n", DATABASE_AWAY, began, began + timedelta(minutes=61))
    assert long.told(ENDED)[2] == "It took 61 min."
    assert short.told(RAISED)[0] == "error"
    assert Notice("n", "of_tomorrow", began).told(RAISED) == ("warning", "of_tomorrow: raised", None)


async def test_a_disk_that_hangs_holds_one_thread_and_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was known stays; the next look waits for the same answer."""
    monkeypatch.setattr("idling_ws.watching.disk.LOOK_TIMEOUT_S", 0.01)
    answers = threading.Event()
    asked = 0

    def hang(folder: Path) -> SimpleNamespace:
        nonlocal asked
        asked += 1
        answers.wait(60)
        return SimpleNamespace(free=5)

    monkeypatch.setattr("idling_ws.watching.disk.shutil.disk_usage", hang)
    watch = DiskWatch([Path("/")], 10)
    for _ in range(3):
        await watch.look()
    assert (asked, watch.is_full) == (1, False)
    answers.set()
    assert watch._measuring is not None
    assert await watch._measuring == 5
