"""docs/scaling.md holds what the simulation prints, which goes by what docs/performance.md says was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.scale_model import LIMITS, SCALES, Need, breaks_at, read_costs
from scripts.simulate_scale import tables

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"


def test_every_table_of_the_page_is_the_simulations() -> None:
    """Each as it is printed, and none beside them."""
    page = PAGE.read_text(encoding="utf-8")
    printed = list(tables(read_costs()))
    for table in printed:
        assert f"\n\n{table}\n" in page, table
    assert page.count("\n|---") == len(printed)


def test_a_limit_is_where_it_is_passed() -> None:
    """Just below it is kept, just above it is not."""
    costs = read_costs()
    for name, _, amount, limit in LIMITS:
        people = breaks_at(amount, limit, costs)
        assert amount(Need(people * 0.98, costs)) <= limit < amount(Need(people * 1.03, costs)), name


def test_the_arithmetic_of_the_page_is_right() -> None:
    """The sum that is worked out in words, for a million people."""
    costs = read_costs()
    need = Need(SCALES[1], costs)
    assert round(need.changes_per_s * costs.change_s, 1) == 7.0
    assert round(need.sockets * costs.heartbeat_share, 1) == 3.6
    assert round(need.process_cores, 1) == 11.4
    assert round(need.changes_per_s * costs.postgres_change_s, 1) == 3.1
    assert round(need.postgres_cores - need.changes_per_s * costs.postgres_change_s, 1) == 0.9
    assert round(need.look_s, 2) == 0.36
    assert round(need.processes * need.look_s) == 27
    assert round(need.changes_per_s * costs.redis_change_s, 2) == 0.26
    assert round(need.signs_per_s) == 76_667
    assert round(need.signs_per_s * costs.redis_sign_s, 2) == 0.11
    assert round(need.processes * costs.redis_second_s, 3) == 0.002
    assert round(Need(SCALES[2], costs).signs_per_s * costs.redis_sign_s, 1) == 1.1


def test_a_cost_that_is_not_measured_is_named(tmp_path: Path) -> None:
    """Rather than taken for nothing."""
    page = tmp_path / "performance.md"
    page.write_text("| what | measured |\n|---|---|\n| durable mutation, confirmed | 400 | 420 (1, 2) |\n")
    with pytest.raises(KeyError, match="entry from another instance"):
        read_costs(page)
