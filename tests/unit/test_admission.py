"""Admission: who is sent away, for how long, and who is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from idling_ws.domain.errors import UnavailableError
from idling_ws.edge.admission import (
    LONGEST_SPREAD_MS,
    LOOKS,
    SHORTEST_RETRY_MS,
    SHORTEST_SPREAD_MS,
    Admission,
    comeback_ms,
    spread_ms,
)
from tests.support.clocks import MovableClock


class Place:
    """An admission with room for three, one of them coming in."""

    def __init__(self) -> None:
        self.connected = 0
        self.lags: list[float] = []
        self.admission = Admission(
            MovableClock(), lambda: self.connected, max_connections=3, max_arriving=1, max_lag_s=0.5
        )
        self.admission.on_lag = self.lags.append


@pytest.fixture
def place() -> Place:
    return Place()


def test_the_more_there_are_the_wider_they_are_spread() -> None:
    """Five hundred a second may come back; never less than a second, never more than a minute."""
    assert [spread_ms(count) for count in (0, 500, 5000, 10**6)] == [
        SHORTEST_SPREAD_MS,
        SHORTEST_SPREAD_MS,
        10_000,
        LONGEST_SPREAD_MS,
    ]
    drawn = [comeback_ms(5000) for _ in range(1000)]
    assert 0 <= min(drawn) < 1000
    assert 9000 < max(drawn) < 10_000


def test_one_too_many_on_their_way_in_is_sent_away_for_a_while(place: Place) -> None:
    """As long as the other is not in; each for a different while."""
    with place.admission.coming_in():
        waits = set()
        for _ in range(20):
            with pytest.raises(UnavailableError) as refused, place.admission.coming_in():
                pass
            assert refused.value.retry_after_ms is not None
            waits.add(refused.value.retry_after_ms)
        assert min(waits) >= SHORTEST_RETRY_MS
        assert len(waits) > 1
    assert place.admission.refused == 20
    with place.admission.coming_in():
        assert place.admission.arriving == 1
    assert place.admission.arriving == 0


def test_somebody_who_fails_to_come_in_is_not_counted_on(place: Place) -> None:
    """Else the door would close for good."""
    with pytest.raises(KeyError), place.admission.coming_in():
        raise KeyError
    assert place.admission.arriving == 0


def test_a_full_house_takes_no_connection(place: Place) -> None:
    """Until somebody leaves."""
    place.connected = 3
    with pytest.raises(UnavailableError):
        place.admission.check_connect()
    place.connected = 2
    place.admission.check_connect()


def looks(lags: list[float], place: Place) -> Iterator[bool]:
    """Yield after each look whether the loop counts as late."""
    for lag_s in lags:
        place.admission.note_lag(lag_s)
        yield place.admission.is_late


def test_the_loop_is_late_only_when_it_stays_late(place: Place) -> None:
    """A hiccup turns nobody away; one look in time ends it."""
    lags = [3.0, *[0.1] * LOOKS, *[0.6] * LOOKS, 0.1]
    assert list(looks(lags, place)) == [*[False] * (len(lags) - 2), True, False]
    assert place.lags == lags


def test_a_late_loop_lets_nobody_in_and_puts_reads_off(place: Place) -> None:
    """Who says hello already goes on: that costs more to begin again."""
    list(looks([1.0] * LOOKS, place))
    with pytest.raises(UnavailableError):
        place.admission.check_connect()
    with pytest.raises(UnavailableError):
        place.admission.check_read()
    with ExitStack() as stack:
        stack.enter_context(place.admission.coming_in())
    assert (place.admission.refused, place.admission.put_off) == (1, 1)


class _Away:
    """A database that is away for so many questions. ``retry_ms``: it is not that, and somebody says when to come."""

    def __init__(self, times: int, retry_ms: int | None = None) -> None:
        self.left = times
        self.retry_ms = retry_ms

    async def ask(self) -> str:
        """Answer, or not."""
        self.left -= 1
        if self.left >= 0:
            raise UnavailableError(retry_after_ms=self.retry_ms)
        return "in"


def _here() -> bool:
    return False


def _gone() -> bool:
    return True


async def test_who_listens_over_http_waits_for_the_database_and_for_nothing_else(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it answers; not longer than they want, not when they have gone, and not when told when to come again."""
    monkeypatch.setattr("idling_ws.edge.admission.ASK_AGAIN_S", 0.0)
    door, until = place.admission, MovableClock().monotonic() + 25.0
    assert await door.when_it_can(_Away(3).ask, until, lambda: False) == "in"
    for away, wanted, is_over in (
        (_Away(3), until - 26.0, _here),
        (_Away(3), until, _gone),
        (_Away(3, 1000), until, _here),
    ):
        with pytest.raises(UnavailableError):
            await door.when_it_can(away.ask, wanted, is_over)
        assert away.left == 2, "asked once"
    assert door.waiting == 0
