"""What the client reads from the wire, and merge patches as RFC 7386 has them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idling_ws.client.merge_patch import merged
from idling_ws.client.shapes import Cursor, Entry, Limits, ShapeError, Verdict, Welcome

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        # RFC 7386, appendix A, in its order.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_does_what_its_rfc_says(target: Any, patch: Any, result: Any) -> None:
    """Every example of the RFC's appendix holds."""
    assert merged(target, patch) == result


def _deep_copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _deep_copy(inner) for key, inner in value.items()}
    return [_deep_copy(inner) for inner in value] if isinstance(value, list) else value


@given(target=JSON, patch=JSON)
def test_a_patch_leaves_its_target_alone_and_is_idempotent(target: Any, patch: Any) -> None:
    """The old state stays as it was, and the same patch again changes nothing."""
    before = _deep_copy(target)
    once = merged(target, patch)
    assert before == target
    assert merged(once, patch) == once


@given(epoch=st.text("abcXYZ019", min_size=1), user=st.integers(0, 2**60), shared=st.integers(0, 2**60))
def test_a_cursor_is_read_as_it_was_written(epoch: str, user: int, shared: int) -> None:
    """Text and cursor are each other's inverse."""
    cursor = Cursor(epoch, user, shared)
    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize("text", ["", "e1", "e1.2", "e1.2.3.4", ".1.2", "e1.-1.2", "e1.x.2", "e1. 1.2"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    """No half-read cursors."""
    with pytest.raises(ShapeError):
        Cursor.parse(text)


def test_a_cursor_reaches_only_within_its_epoch() -> None:
    """Positions of two lives of the log cannot be compared."""
    assert Cursor("e1", 5, 2).reaches(Cursor("e1", 5, 1))
    assert not Cursor("e1", 5, 2).reaches(Cursor("e1", 5, 3))
    assert not Cursor("e1", 5, 2).reaches(Cursor("e2", 1, 1))


@pytest.mark.parametrize(
    "frame",
    [
        {"stream": "user", "seq": "1", "items": []},
        {"stream": "user", "seq": True, "items": []},
        {"stream": "other", "seq": 1, "items": []},
        {"stream": "user", "seq": 1, "items": {}},
        {"stream": "user", "seq": 1, "items": [1]},
        {"seq": 1, "items": []},
    ],
)
def test_a_broken_entry_is_refused(frame: dict[str, Any]) -> None:
    """An entry that cannot be trusted is not applied in part."""
    with pytest.raises(ShapeError):
        Entry.read(frame)


def test_the_verdict_of_an_entry_is_its_last_item() -> None:
    """It carries the entry's seq; an effect in last place is no verdict."""
    verdict = {"kind": "verdict", "mid": "m", "status": "confirmed"}
    made = Entry.read({"stream": "user", "seq": 7, "items": [{"kind": "x"}, verdict]})
    assert made.verdict() == Verdict("m", "confirmed", 7)
    assert Entry.read({"stream": "user", "seq": 7, "items": [{"kind": "x"}]}).verdict() is None


def test_a_verdict_with_an_unknown_status_is_refused() -> None:
    """There are two ways to end, and no third."""
    with pytest.raises(ShapeError):
        Verdict.read({"mid": "m", "status": "maybe"})


def test_a_fresh_welcome_needs_its_state() -> None:
    """A state is there exactly when not resumed."""
    frame = {"cursor": "e1.0.0", "resumed": False}
    with pytest.raises(ShapeError):
        Welcome.read(frame)
    assert Welcome.read({**frame, "state": {"a": 1}}).state == {"a": 1}
    assert Welcome.read({**frame, "resumed": True, "state": {"a": 1}}).state is None


def test_limits_that_are_not_given_are_careful_ones() -> None:
    """Zero, text and nothing keep the default."""
    assert Limits.read({"messages_per_s": 0, "frame_bytes": "x", "pending_mutations": 9}) == Limits(pending_mutations=9)
