"""Counting what goes wrong: never without end, and the last minute of what is a fault of ours."""

from __future__ import annotations

import pytest

from idling_ws.observe.error_counts import BROWSER, MAX_COUNTS, OTHER, ErrorCounts
from idling_ws.wire.tracing import trace_id_of
from tests.support.clocks import MovableClock

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


def test_there_are_never_too_many_rows() -> None:
    """What comes beyond the bound is counted all the same, under one name."""
    counts = ErrorCounts(MovableClock())
    for n in range(MAX_COUNTS + 50):
        counts.add("conflict", f"/route/{n}")
    totals = counts.totals()
    assert len(totals) == MAX_COUNTS + 1
    assert totals["conflict", OTHER] == 50
    assert sum(totals.values()) == MAX_COUNTS + 50


def test_the_last_minute_knows_what_is_grave() -> None:
    """Faults of this side, for sixty seconds; not what people did wrong, nor what a browser says of itself."""
    clock = MovableClock()
    counts = ErrorCounts(clock)
    for code, route in (("internal", "ws"), ("unavailable", "/api/profile"), ("provider_wrong", "/auth/callback")):
        counts.add(code, route)
    counts.add("conflict", "ws")
    counts.add("TypeError", BROWSER, 100)
    counts.add("unavailable", "ws", 100, is_a_fault=False)
    assert counts.grave_last_minute() == 3
    clock.move(30)
    counts.add("internal", "ws", 2)
    assert counts.grave_last_minute() == 5
    clock.move(31)
    assert counts.grave_last_minute() == 2
    clock.move(3600)
    assert counts.grave_last_minute() == 0


@pytest.mark.parametrize(
    ("traceparent", "is_good"),
    [
        (f"00-{TRACE}-{PARENT}-01", True),
        (f"00-{TRACE}-{PARENT}-00", True),
        (f"01-{TRACE}-{PARENT}-01-what-comes-later", True),
        (f"00-{TRACE}-{PARENT}-01-more", False),
        (f"ff-{TRACE}-{PARENT}-01", False),
        (f"00-{'0' * 32}-{PARENT}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE.upper()}-{PARENT}-01", False),
        (f"01-{TRACE}-{PARENT}-01-" + "x" * 300, False),
        (None, False),
        (7, False),
    ],
)
def test_a_traceparent_is_read_as_the_recommendation_says(traceparent: object, is_good: bool) -> None:
    """Its trace id, or a new one of our own."""
    trace_id = trace_id_of(traceparent)
    assert (trace_id == TRACE) is is_good
    assert len(trace_id) == (32 if is_good else 16)
