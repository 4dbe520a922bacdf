"""The time of day of the place: whatever one clock is set to, two that agree are believed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from idling_ws.watching.time_of_day import TimeOfDay
from tests.support.clocks import MovableClock

HOUR_S = 3600.0


class Place:
    """A machine and a database, each with a clock that can be set, and the time that is made of them."""

    def __init__(self, *, database_off_s: float = 0.0) -> None:
        self.machine, self.true = MovableClock(), MovableClock()
        self.database_off_s = database_off_s
        self.time = TimeOfDay(self.machine)
        self.ask()

    def ask(self, *, took_s: float = 0.0) -> None:
        """Let the database say what time it is; its answer takes a while."""
        asked_at = self.machine.monotonic()
        told = self.true.now() + timedelta(seconds=self.database_off_s)
        self.pass_by(took_s)
        self.time.hear(told, asked_at)

    def pass_by(self, seconds: float) -> None:
        self.machine.move(seconds)
        self.true.move(seconds)

    def off_s(self) -> float:
        """How far the time of the place is from what it should be."""
        return (self.time.now() - self.true.now()).total_seconds()


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S, 2.5])
def test_a_machine_whose_clock_is_set_keeps_the_place_s_time(jump_s: float) -> None:
    """At once, before anybody looked, and for as long as it is wrong; then it is followed again."""
    place = Place()
    place.machine.set_time_of_day(jump_s)
    assert abs(place.off_s()) < 0.002
    for _ in range(3):
        place.pass_by(600)
        place.ask()
        place.time.settle()
        assert abs(place.off_s()) < 0.002
        assert place.time.machine_off_s == pytest.approx(jump_s, abs=0.01)
    place.machine.set_time_of_day(-jump_s)
    place.time.settle()
    assert abs(place.off_s()) < 0.002
    assert abs(place.time.machine_off_s) < 0.002


def test_small_corrections_are_followed() -> None:
    """As a time service makes them, however far they add up to."""
    place = Place()
    for _ in range(20):
        place.machine.set_time_of_day(0.5)
        place.time.settle()
    assert place.off_s() == pytest.approx(10, abs=0.01)


def test_a_machine_that_starts_with_a_wrong_clock_takes_the_database_s() -> None:
    """All instances of a place have the same one."""
    place = Place(database_off_s=HOUR_S)
    assert place.off_s() == pytest.approx(HOUR_S, abs=0.01)
    place.time.settle()
    assert place.off_s() == pytest.approx(HOUR_S, abs=0.01)


def test_a_database_whose_clock_is_set_is_not_followed() -> None:
    """The machine's own two clocks agree."""
    place = Place()
    place.database_off_s = HOUR_S
    place.ask()
    place.time.settle()
    assert abs(place.off_s()) < 0.002


def test_a_machine_and_a_database_that_agree_are_followed() -> None:
    """Both slept, or both were set right."""
    place = Place()
    place.machine.set_time_of_day(HOUR_S)
    place.database_off_s = HOUR_S
    place.time.settle()
    assert abs(place.off_s()) < 0.002, "nobody has asked the database yet"
    place.ask()
    place.time.settle()
    assert place.off_s() == pytest.approx(HOUR_S, abs=0.01)


def test_an_answer_that_took_long_says_nothing_of_the_time() -> None:
    """It may have waited on either way."""
    place = Place()
    place.database_off_s = HOUR_S
    place.ask(took_s=5)
    place.machine.set_time_of_day(HOUR_S)
    place.time.settle()
    assert abs(place.off_s()) < 0.002
