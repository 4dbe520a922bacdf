"""The protocol core: what it sends, what it holds back, and when it asks for what is missing."""

from __future__ import annotations

import pytest

from idling_ws.client.errors import ProtocolError
from idling_ws.client.lifecycle import SETTLED, TRANSITIONS, Status, Turn
from idling_ws.client.outbox import Mutation
from idling_ws.client.protocol import ANSWER_TIMEOUT_S, ClientProtocol
from idling_ws.client.replica import Replica
from idling_ws.client.shapes import Cursor
from tests.support.client_frames import CLIENT, entry, kinds, opened, submitted, types, welcome


def test_hello_carries_the_cursor_and_the_token() -> None:
    """A client that has a place says so."""
    core = ClientProtocol(CLIENT, replica=Replica(Cursor("e1", 3, 1), {"a": 1}))
    core.opened(0.0, token="secret")
    assert core.take(0.0) == [{"type": "hello", "client": CLIENT, "token": "secret", "cursor": "e1.3.1"}]


def test_nothing_but_hello_goes_out_before_the_welcome() -> None:
    """A mutation waits until the server knows us, and until what was missed is applied."""
    core = ClientProtocol(CLIENT, replica=Replica(Cursor("e1", 3, 0), {}))
    submitted(core, "m1")
    core.opened(0.0)
    assert types(core.take(0.0)) == ["hello"]
    core.receive(welcome(4), 0.0)
    assert types(core.take(0.0)) == []
    core.receive(entry(4, {"a": 1}), 0.0)
    assert types(core.take(0.0)) == ["mutate"]


def test_a_welcome_with_a_state_replaces_what_was_there() -> None:
    """A fresh start leaves nothing of the old."""
    core = opened({"a": 1}, user=5)
    core.lost()
    core.opened(1.0)
    core.receive(welcome(9, state={"b": 2}), 1.0)
    assert core.state == {"b": 2}
    assert str(core.replica.cursor) == "e1.9.0"


def test_an_entry_settles_its_mutation_together_with_its_effects() -> None:
    """Prediction out and truth in, in one step."""
    core = opened({"profile": {"name": "old", "version": 1}})
    mutation = submitted(core, "m1", name="new")
    core.take(0.0)
    assert core.state["profile"] == {"name": "new", "version": 1}
    events = core.receive(entry(1, {"profile": {"name": "new", "version": 2}}, mid="m1"), 0.1)
    assert kinds(events) == ["EntryArrived", "Settled"]
    assert mutation.status is Status.CONFIRMED
    assert core.state == core.replica.state == {"profile": {"name": "new", "version": 2}}


def test_a_rollback_takes_the_prediction_back() -> None:
    """The state slides back to the truth."""
    core = opened({"profile": {"name": "old"}})
    mutation = submitted(core, "m1", name="taken")
    core.take(0.0)
    core.receive(entry(1, mid="m1", status="rolled_back", error={"code": "name_taken"}), 0.1)
    assert mutation.status is Status.ROLLED_BACK
    assert mutation.verdict is not None
    assert mutation.verdict.code == "name_taken"
    assert core.state == {"profile": {"name": "old"}}


def test_pending_changes_are_replayed_over_another_devices_entry() -> None:
    """An older confirmed value never shows over a newer pending one."""
    core = opened({"preferences": {"theme": "light", "sounds": True}})
    submitted(core, "m1", "preferences.set", values={"theme": "dark"})
    core.receive(entry(1, {"preferences": {"theme": "system", "sounds": False}}), 0.0)
    assert core.state == {"preferences": {"theme": "dark", "sounds": False}}


def test_known_entries_are_dropped_and_a_gap_is_resumed_once() -> None:
    """Delivery at least once, applying exactly once, and no storm of resumes."""
    core = opened({})
    core.receive(entry(1, {"n": 1}), 0.0)
    assert kinds(core.receive(entry(1, {"n": 99}), 0.0)) == ["EntryArrived"]
    assert core.state == {"n": 1}
    assert "Resuming" in kinds(core.receive(entry(3, {"n": 3}), 0.0))
    assert "Resuming" not in kinds(core.receive(entry(4, {"n": 4}), 0.1))
    assert core.take(0.1) == [{"type": "resume", "cursor": "e1.1.0"}]
    for seq in (2, 3, 4):
        core.receive(entry(seq, {"n": seq}), 0.2)
    assert core.state == {"n": 4}
    assert core.live


def test_a_gap_that_stays_is_asked_for_again() -> None:
    """A resume may be lost as well."""
    core = opened({})
    core.receive(entry(2, {"n": 2}), 0.0)
    core.take(0.0)
    assert kinds(core.tick(2.5)) == ["Resuming"]
    assert types(core.take(2.5))[-1:] == ["resume"]


def test_a_heartbeat_that_stays_ahead_ends_in_a_resume() -> None:
    """The last entries were lost, so no gap shows: the head tells."""
    core = opened({})
    core.receive({"type": "heartbeat", "cursor": "e1.2.0"}, 10.0)
    assert core.tick(12.0) == []
    assert kinds(core.tick(15.1)) == ["Resuming"]


def test_a_heartbeat_that_is_caught_up_with_asks_for_nothing() -> None:
    """The entries were just on their way."""
    core = opened({})
    core.receive({"type": "heartbeat", "cursor": "e1.1.0"}, 10.0)
    core.receive(entry(1, {"n": 1}), 11.0)
    assert core.tick(15.1) == []


def test_what_was_on_the_line_goes_out_again_first_with_the_same_mid() -> None:
    """In doubt after a cut, resent in order, ahead of what was never sent."""
    core = opened({})
    first = submitted(core, "m1")
    core.take(0.0)
    core.lost()
    assert first.status is Status.IN_DOUBT
    submitted(core, "m2")
    core.opened(1.0)
    core.take(1.0)
    core.receive(welcome(0), 1.0)
    assert [frame["mid"] for frame in core.take(1.0)] == ["m1", "m2"]
    assert first.status is Status.IN_DOUBT


def test_a_doubt_is_ended_by_the_missed_entry_without_another_sending() -> None:
    """It had arrived: its entry is among those missed."""
    core = opened({})
    mutation = submitted(core, "m1")
    core.take(0.0)
    core.lost()
    core.opened(1.0)
    core.take(1.0)
    core.receive(welcome(1), 1.0)
    core.receive(entry(1, {"a": 1}, mid="m1"), 1.0)
    assert mutation.status is Status.CONFIRMED
    assert core.take(1.0) == []


def test_a_stored_verdict_waits_for_its_entry() -> None:
    """The verdict alone never shows: not settled before the state has the effects."""
    core = opened({})
    mutation = submitted(core, "m1", name="new")
    core.take(0.0)
    verdict = {"type": "verdict", "mid": "m1", "status": "confirmed", "seq": 1, "duplicate": True}
    assert kinds(core.receive(verdict, 0.1)) == ["VerdictArrived"]
    assert not mutation.settled
    # And it is not sent again meanwhile, however long its entry takes.
    core.tick(ANSWER_TIMEOUT_S * 2)
    submitted(core, "m2")
    assert [frame["mid"] for frame in core.take(ANSWER_TIMEOUT_S * 2) if "mid" in frame] == ["m2"]
    core.receive(entry(1, {"profile": {"name": "new"}}, mid="m1"), 30.0)
    assert mutation.status is Status.CONFIRMED


def test_a_stored_verdict_is_settled_by_a_snapshot_that_has_its_entry() -> None:
    """The entry itself will not come any more."""
    core = opened({})
    mutation = submitted(core, "m1")
    core.take(0.0)
    core.receive({"type": "verdict", "mid": "m1", "status": "confirmed", "seq": 1}, 0.1)
    core.lost()
    core.opened(1.0)
    core.receive(welcome(1, state={"a": 1}), 1.0)
    assert mutation.status is Status.CONFIRMED


def test_a_refusal_without_an_entry_ends_at_once() -> None:
    """Validation is not stored: there is nothing to wait for."""
    core = opened({})
    mutation = submitted(core, "m1")
    core.take(0.0)
    error = {"code": "invalid_arguments", "retryable": False}
    core.receive({"type": "verdict", "mid": "m1", "status": "rolled_back", "error": error}, 0.1)
    assert mutation.status is Status.ROLLED_BACK


def test_what_was_not_consumed_goes_out_again_when_the_server_says() -> None:
    """And holds back what was asked for after it."""
    core = opened({})
    first = submitted(core, "m1")
    core.take(0.0)
    error = {"code": "unavailable", "class": "database", "retryable": True, "retry_after_ms": 700}
    core.receive({"type": "error", "mid": "m1", "error": error}, 0.1)
    assert first.status is Status.QUEUED
    submitted(core, "m2")
    assert core.take(0.5) == []
    assert core.deadline(0.5) == pytest.approx(0.8)
    assert [frame["mid"] for frame in core.take(0.8)] == ["m1", "m2"]


def test_a_refusal_that_will_not_change_ends_a_mutation_that_was_sent_once() -> None:
    """Sending it again could not help."""
    core = opened({})
    mutation = submitted(core, "m1")
    core.take(0.0)
    core.receive({"type": "error", "mid": "m1", "error": {"code": "bad_frame", "retryable": False}}, 0.1)
    assert mutation.status is Status.ROLLED_BACK


@pytest.mark.parametrize("error_class", ["auth", "system"])
def test_a_defect_of_the_server_is_no_verdict(error_class: str) -> None:
    """It says nothing about the change itself, so the change is asked for again."""
    core = opened({})
    mutation = submitted(core, "m1")
    core.take(0.0)
    error = {"code": "internal", "class": error_class, "retryable": False}
    core.receive({"type": "error", "mid": "m1", "error": error}, 0.1)
    assert mutation.status is Status.QUEUED


def test_a_refusal_does_not_end_a_doubt() -> None:
    """An earlier sending may have been taken: only a verdict knows."""
    core = opened({})
    mutation = submitted(core, "m1")
    core.take(0.0)
    core.lost()
    core.opened(1.0)
    core.take(1.0)
    core.receive(welcome(0), 1.0)
    core.take(1.0)
    core.receive({"type": "error", "mid": "m1", "error": {"code": "internal", "retryable": False}}, 1.1)
    assert mutation.status is Status.IN_DOUBT
    assert [frame["mid"] for frame in core.take(5.0) if "mid" in frame] == ["m1"]


def test_a_late_answer_puts_a_mutation_in_doubt_and_sends_it_again() -> None:
    """The line lives, but nobody answered."""
    core = opened({})
    mutation = submitted(core, "m1")
    core.take(0.0)
    assert core.deadline(0.0) <= ANSWER_TIMEOUT_S
    core.tick(ANSWER_TIMEOUT_S)
    assert mutation.status is Status.IN_DOUBT
    assert [frame["mid"] for frame in core.take(ANSWER_TIMEOUT_S) if "mid" in frame] == ["m1"]


def test_no_more_are_in_flight_than_the_server_allows() -> None:
    """The rest waits, and an answer lets the next one go."""
    core = opened({})
    for number in range(6):
        submitted(core, f"m{number}")
    assert [frame["mid"] for frame in core.take(0.0)] == ["m0", "m1", "m2", "m3"]
    core.receive(entry(1, mid="m0"), 0.1)
    assert [frame["mid"] for frame in core.take(0.1)] == ["m4"]


def test_no_more_goes_out_in_a_second_than_the_server_allows() -> None:
    """A long outbox is spread instead of ending in 4101."""
    core = ClientProtocol(CLIENT)
    core.opened(0.0)
    core.take(0.0)
    limits = {"frame_bytes": 1000, "messages_per_s": 2, "pending_mutations": 100}
    core.receive(welcome(0, state={}, limits=limits), 0.0)
    for number in range(5):
        submitted(core, f"m{number}")
    assert len(core.take(0.0)) == 2
    assert core.deadline(0.0) == pytest.approx(0.5)
    assert len(core.take(0.5)) == 1


def test_what_could_never_fit_a_frame_is_refused_at_once() -> None:
    """Better here than by a close that repeats itself at every reconnect."""
    core = opened({})
    with pytest.raises(ValueError, match="frame has room"):
        core.submit(Mutation("m1", "profile.update", {"bio": "x" * 40_000}))


def test_a_mid_cannot_be_pending_twice() -> None:
    """One id, one change."""
    core = opened({})
    submitted(core, "m1")
    with pytest.raises(ValueError, match="pending already"):
        submitted(core, "m1")


def test_heartbeats_and_acks_go_out_in_time() -> None:
    """One ack for many entries, one heartbeat each period."""
    core = opened({})
    core.receive(entry(1, {"n": 1}), 3.0)
    core.receive(entry(2, {"n": 2}), 3.5)
    assert core.deadline(3.5) == 4.0
    assert core.take(4.0) == [{"type": "ack", "cursor": "e1.2.0"}]
    assert core.take(24.9) == []
    assert core.take(25.0) == [{"type": "heartbeat"}]


def test_a_silent_line_is_dead() -> None:
    """Twice the heartbeat and ten seconds without a frame."""
    core = opened({})
    assert core.tick(59.0) == []
    assert kinds(core.tick(60.0)) == ["LineSilent"]


def test_a_token_is_refreshed_before_it_runs_out() -> None:
    """At four fifths of its life, and again after the refresh."""
    core = ClientProtocol(CLIENT)
    core.opened(0.0)
    core.receive(welcome(0, state={}, token_expires_in_s=10), 0.0)
    assert kinds(core.tick(8.0)) == ["TokenAging"]
    core.receive({"type": "refreshed", "expires_in_s": 20}, 8.0)
    assert core.tick(23.9) == []
    assert kinds(core.tick(24.0)) == ["TokenAging"]


def test_what_it_does_not_know_it_ignores() -> None:
    """Servers may grow."""
    core = opened({})
    assert core.receive({"type": "novelty", "x": 1}, 0.0) == []


def test_what_is_not_idling_v1_is_an_error() -> None:
    """A known type with a broken body is not guessed at."""
    core = opened({})
    with pytest.raises(ProtocolError):
        core.receive({"type": "entry", "seq": 1}, 0.0)


def test_the_shared_stream_has_its_own_place() -> None:
    """Announcements advance the second number only, and change the same state."""
    core = opened({})
    core.receive(entry(1, {"announcements": {"a": {}}}, stream="all"), 0.0)
    assert str(core.replica.cursor) == "e1.0.1"
    assert core.state == {"announcements": {"a": {}}}


def test_every_status_has_every_way_out_that_the_table_promises() -> None:
    """Both verdicts end every open status, and nothing leaves a settled one."""
    for status in set(Status) - SETTLED:
        assert TRANSITIONS[status, Turn.CONFIRM] is Status.CONFIRMED
        assert TRANSITIONS[status, Turn.ROLL_BACK] is Status.ROLLED_BACK
    assert not [status for status, _turn in TRANSITIONS if status in SETTLED]
