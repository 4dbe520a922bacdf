"""The small parts of the client: backoff, the ladder of transports, event streams, ids."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idling_ws.client.event_stream import EventStreamParser, StreamEvent
from idling_ws.client.ladder import FIRST_CLIMB_S, Ladder
from idling_ws.client.mids import new_mid
from idling_ws.client.pace import Pace
from idling_ws.client.predictions import PREDICTIONS
from idling_ws.client.reconnecting import LONGEST_S, Band, Ending, Reconnect, band_of


@pytest.mark.parametrize(
    ("code", "band"),
    [
        (4000, Band.STAY_AWAY),
        (4099, Band.STAY_AWAY),
        (4100, Band.BACK_OFF),
        (4199, Band.BACK_OFF),
        (4200, Band.RETURN),
        (4299, Band.RETURN),
        (1012, Band.RETURN),
        (1001, Band.RETURN),
        (1006, Band.BACK_OFF),
        (1009, Band.BACK_OFF),
        (4300, Band.BACK_OFF),
    ],
)
def test_the_band_of_a_close_code_says_what_to_do(code: int, band: Band) -> None:
    """Also for codes that are not invented yet."""
    assert band_of(code) is band


def test_staying_away_means_no_delay_at_all() -> None:
    """There is no next attempt."""
    assert Reconnect(random.Random(1)).delay_s(Ending(4003)) is None


@given(seed=st.integers(), failures=st.integers(1, 30))
def test_backoff_is_never_under_a_second_and_never_over_a_minute(seed: int, failures: int) -> None:
    """Full jitter between the two, whatever the luck."""
    reconnect = Reconnect(random.Random(seed))
    for _ in range(failures):
        delay_s = reconnect.delay_s(Ending(4100))
        assert delay_s is not None
        assert 1.0 <= delay_s <= LONGEST_S


def test_an_invitation_to_return_is_honoured_but_not_hammered() -> None:
    """The server's retry_ms counts; the third short-lived line in a row backs off."""
    reconnect = Reconnect(random.Random(1))
    sent_away = Ending(4200, retry_ms=700, welcomed=True, lasted_s=0.1)
    assert reconnect.delay_s(sent_away) == 0.7
    assert reconnect.delay_s(sent_away) == 0.7
    third = reconnect.delay_s(sent_away)
    assert third is not None
    assert third >= 1.0
    assert reconnect.delay_s(Ending(4201, welcomed=True, lasted_s=60.0)) < 0.3  # type: ignore[operator] # not None


def test_the_ladder_steps_down_after_two_failures_and_round_again() -> None:
    """A way that is shut is left; with all shut, each is tried in turn."""
    ladder = Ladder()
    seen = []
    for _ in range(7):
        seen.append(ladder.current)
        ladder.ended(Ending(1006))
    assert seen == ["ws", "ws", "sse", "sse", "poll", "poll", "ws"]


def test_a_server_that_answers_is_no_reason_to_step_down() -> None:
    """Overload is not a proxy in the way."""
    ladder = Ladder()
    for _ in range(5):
        ladder.ended(Ending(4100))
    assert ladder.current == "ws"


def test_a_failed_climb_returns_to_its_rung_and_waits_longer() -> None:
    """One try is enough, and each costs more patience; a success ends it."""
    ladder = Ladder()
    ladder.ended(Ending(1006))
    ladder.ended(Ending(1006))
    assert (ladder.current, ladder.climb_after_s) == ("sse", FIRST_CLIMB_S)
    ladder.climb()
    assert (ladder.current, ladder.climb_after_s) == ("ws", None)
    ladder.ended(Ending(1006))
    assert (ladder.current, ladder.climb_after_s) == ("sse", 2 * FIRST_CLIMB_S)
    ladder.climb()
    ladder.ended(Ending(1006, welcomed=True))
    assert ladder.current == "ws"


def test_unknown_transports_are_refused() -> None:
    """A typo is not a silent fallback."""
    with pytest.raises(ValueError, match="transports are"):
        Ladder(("websocket",))


STREAM = (
    b': hello\n\nevent: entry\nid: e1.1.0\ndata: {"a":1}\n\n'
    b"event: entry\r\nid: e1.2.0\r\ndata: one\r\ndata: two\r\n\r\n: still here\r\rdata:plain\r\rid: 9\n\n"
)
EVENTS = [
    StreamEvent("entry", b'{"a":1}', "e1.1.0"),
    StreamEvent("entry", b"one\ntwo", "e1.2.0"),
    StreamEvent("message", b"plain", "e1.2.0"),
]


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_an_event_stream_may_be_cut_anywhere(cuts: list[int]) -> None:
    """Line ends of all three kinds, comments, several data lines, in any chunks."""
    parser = EventStreamParser()
    marks = [0, *sorted(cuts), len(STREAM)]
    events = [event for start, end in itertools.pairwise(marks) for event in parser.feed(STREAM[start:end])]
    assert events == EVENTS


def test_ids_are_version_7_and_unique() -> None:
    """RFC 9562: the version and variant bits are where they belong."""
    mids = {new_mid() for _ in range(1000)}
    assert len(mids) == 1000
    assert all(len(mid) == 32 and mid[12] == "7" and mid[16] in "89ab" for mid in mids)


@given(times=st.lists(st.floats(0, 10), min_size=1, max_size=200), per_s=st.floats(0.5, 100))
def test_the_pace_is_never_exceeded(times: list[float], per_s: float) -> None:
    """In any window: at most one second's worth at once, then the rate."""
    pace = Pace(per_s, 0.0)
    sent = []
    for now in sorted(times):
        if pace.next_at(now) <= now:
            pace.spend(now)
            sent.append(now)
    for first, start in enumerate(sent):
        allowed = max(1.0, per_s) + per_s * (sent[-1] - start) + 1e-6
        assert len(sent) - first <= allowed


@pytest.mark.parametrize("name", sorted(PREDICTIONS))
def test_no_prediction_fails_on_arguments_that_the_server_will_refuse(name: str) -> None:
    """A guess may be poor, but it never takes the client down."""
    for args in ({}, {"values": None}, {"emoji": None}, {"id": 3}):
        for state in ({}, {"session": {"id": "s"}, "favorites": ["x"]}):
            PREDICTIONS[name](state, args)
