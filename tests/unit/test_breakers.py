"""Breakers: whoever failed is left alone, tried by one, and asked again; by the steady clock."""

from __future__ import annotations

import asyncio

import pytest

from idling_ws.breakers import MAX_BREAKERS, Breaker, Breakers, LeftAloneError
from tests.support.clocks import MovableClock


def fail(breaker: Breaker, kind: type[BaseException] = OSError) -> None:
    with pytest.raises(kind), breaker.guard(OSError):
        raise kind


def state(breaker: Breaker) -> str:
    return breaker.state


def rests(breaker: Breaker) -> bool:
    return breaker.is_resting


def test_failures_in_a_row_open_it_and_one_that_went_well_between_does_not() -> None:
    """Three in a row; what went well begins anew."""
    clock = MovableClock()
    breaker = Breakers(clock).named("x", failures=3, rest_s=10.0)
    for _ in range(2):
        fail(breaker)
    with breaker.guard(OSError):
        pass
    for _ in range(2):
        fail(breaker)
        assert state(breaker) == "closed"
    fail(breaker)
    assert (state(breaker), breaker.opened) == ("opened", 1)
    with pytest.raises(LeftAloneError), breaker.guard(OSError):
        pytest.fail("it was asked")
    assert breaker.refused == 1


def test_after_its_rest_one_tries_and_the_others_wait_for_what_becomes_of_it() -> None:
    """It goes well: closed. It fails: another rest, as long as the first."""
    clock = MovableClock()
    breaker = Breakers(clock).named("x", failures=1, rest_s=10.0)
    fail(breaker)
    clock.move(9.9)
    assert rests(breaker)
    clock.move(0.2)
    assert not rests(breaker)
    with breaker.guard(OSError):
        assert state(breaker) == "half-opened"
        with pytest.raises(LeftAloneError), breaker.guard(OSError):
            pytest.fail("a second one tried at the same time")
    assert state(breaker) == "closed"
    fail(breaker)
    clock.move(10.1)
    fail(breaker)
    assert (state(breaker), rests(breaker)) == ("opened", True)
    clock.move(10.1)
    with breaker.guard(OSError):
        pass
    assert state(breaker) == "closed"


def test_what_is_not_a_failure_of_theirs_changes_nothing() -> None:
    """A caller who gave up, and an answer that says no: neither opens nor closes it."""
    clock = MovableClock()
    breaker = Breakers(clock).named("x", failures=1, rest_s=10.0)
    for kind in (asyncio.CancelledError, ValueError):
        fail(breaker, kind)
    assert state(breaker) == "closed"
    fail(breaker)
    clock.move(11)
    fail(breaker, asyncio.CancelledError)
    assert state(breaker) == "half-opened"
    assert not rests(breaker), "the next one may try"


def test_who_was_asked_before_it_opened_and_ends_well_later_does_not_close_it() -> None:
    """Only a trial does: the answer is of before."""
    breaker = Breakers(MovableClock()).named("x", failures=1, rest_s=10.0)
    with breaker.guard(OSError):
        fail(breaker)
    assert state(breaker) == "opened"


def test_the_time_of_day_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock set back an hour leaves nobody alone for an hour, and one set ahead wakes nobody."""
    clock = MovableClock()
    breaker = Breakers(clock).named("x", failures=1, rest_s=10.0)
    fail(breaker)
    monkeypatch.setattr("time.time", lambda: 4e9)
    assert rests(breaker)
    monkeypatch.setattr("time.time", lambda: 1.0)
    clock.move(11)
    with breaker.guard(OSError):
        pass
    assert state(breaker) == "closed"


def test_there_are_never_too_many() -> None:
    """Names beyond the bound share one."""
    breakers = Breakers(MovableClock())
    made = {id(breakers.named(f"sign-in:host-{n}", failures=1, rest_s=1.0)) for n in range(MAX_BREAKERS + 20)}
    assert len(made) == MAX_BREAKERS + 1
    assert breakers.named("sign-in:another", failures=1, rest_s=1.0).name == "sign-in:others"
    assert dict(breakers.levels())["sign-in:others"] == 0
