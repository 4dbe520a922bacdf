"""What counts as a leak: a line that rises through its noise, by more than is allowed, and nothing else."""

from __future__ import annotations

import random

import pytest

from idling_ws.loadtest.soak import ALLOWED, Life, Reading, growth_of, left_behind, plain_numbers, slope_of, trend_of

MEMORY, TASKS, FDS = ALLOWED
MIB = 1 << 20


def readings(values: list[float], name: str = "memory_bytes") -> list[Reading]:
    """Return one reading a second."""
    quiet = {"memory_bytes": 100.0 * MIB, "tasks": 30.0, "fds": 60.0}
    return [Reading(float(second), **{**quiet, name: value}) for second, value in enumerate(values)]


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_no_leak(seed: int) -> None:
    """Memory that goes up and down by a tenth, tasks that come and go."""
    draw = random.Random(seed)
    memory = [100 * MIB * draw.uniform(0.95, 1.05) for _ in range(120)]
    assert not growth_of("", MEMORY, readings(memory)).leaks
    assert not growth_of("", TASKS, readings([float(draw.randint(20, 60)) for _ in range(120)], "tasks")).leaks


@pytest.mark.parametrize("seed", range(5))
def test_a_slow_leak_is_found_in_the_noise(seed: int) -> None:
    """Five per cent over the time, under noise of two; one task in six readings."""
    draw = random.Random(seed)
    memory = [100 * MIB * (1 + 0.05 * n / 120) * draw.uniform(0.99, 1.01) for n in range(120)]
    assert growth_of("", MEMORY, readings(memory)).leaks
    assert growth_of("", TASKS, readings([30.0 + n // 6 + draw.randint(0, 3) for n in range(120)], "tasks")).leaks


def test_devices_that_move_to_another_instance_are_no_leak() -> None:
    """Each brings a task and a file for its connection; what is there beside these counts."""
    moving = [Reading(float(n), 100.0 * MIB, 30.0 + n, 60.0 + 2 * n, float(n), float(n)) for n in range(120)]
    assert not growth_of("", TASKS, moving).leaks
    assert not growth_of("", FDS, moving).leaks
    staying = [Reading(float(n), 100.0 * MIB, 30.0 + n, 60.0 + n) for n in range(120)]
    assert growth_of("", TASKS, staying).leaks
    assert growth_of("", FDS, staying).leaks


def test_a_step_down_or_one_wild_reading_is_no_leak() -> None:
    """The median of all pairs does not see it."""
    assert not growth_of("", FDS, readings([60.0] * 59 + [500.0] + [60.0] * 60, "fds")).leaks
    assert growth_of("", FDS, readings([80.0] * 60 + [60.0] * 60, "fds")).growth <= 0


def test_a_little_growth_is_allowed() -> None:
    """Below two per cent, however steady."""
    grown = growth_of("", MEMORY, readings([100.0 * MIB * (1 + 0.015 * n / 120) for n in range(120)]))
    assert grown.trend_z > 10
    assert not grown.leaks


def test_many_readings_are_thinned_out() -> None:
    """A soak of hours must not take hours to judge; the slope stays what it is."""
    assert growth_of("", FDS, readings([60.0 + n / 100 for n in range(5000)], "fds")).growth == pytest.approx(
        50, rel=0.01
    )


def test_slope_and_trend() -> None:
    """By hand: a straight line; nothing; and what falls."""
    assert slope_of([(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]) == 2.0
    assert trend_of([5.0] * 20) == 0.0
    assert trend_of([float(n) for n in range(20)]) > 5
    assert trend_of([float(-n) for n in range(20)]) < -5


def test_tasks_left_behind_are_counted_by_life() -> None:
    """More after than before; a process that died in between has nothing to compare."""
    before, after = readings([30.0, 33.0], "tasks")
    assert left_behind(Life("", 0.0, before=before, after=after)) == 3
    assert left_behind(Life("", 0.0, before=after, after=before)) == 0
    assert left_behind(Life("", 0.0, before=before)) == 0


def test_metrics_without_labels_are_read() -> None:
    """Those with labels, and comments, are left alone."""
    text = '# HELP a b\na 1.5\nb{x="1"} 2\nprocess_open_fds 3e1\n\n'
    assert plain_numbers(text) == {"a": 1.5, "process_open_fds": 30.0}
