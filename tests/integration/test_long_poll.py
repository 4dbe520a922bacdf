"""The stream by long-poll."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.bystander import Bystander
from tests.support.instances import Instance
from tests.support.rows import add_announcements, add_entries, run_sql
from tests.support.shapes import is_problem
from tests.support.stream_calls import at, head_of, poll, write
from tests.support.wire_client import call, sign_in

Pair = tuple[Instance, Instance]


async def test_a_poll_answers_at_once_when_something_was_missed(pair: Pair, pair_url: str) -> None:
    """A page of it, and the cursor to go on with; at the head, nothing at all is 204."""
    login = await sign_in(pair[0].url)
    start = cursor = await head_of(pair[0], login)
    add_announcements(pair_url, 2)
    add_entries(pair_url, login.user_id, 450)
    head = await head_of(pair[0], login)
    found: list[tuple[str, int]] = []
    while cursor != head:
        answer = await poll(pair[1], login, cursor, wait_s=60)
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.json.keys() == {"entries", "cursor"}
        found += [(entry["stream"], entry["seq"]) for entry in answer.json["entries"]]
        cursor = answer.json["cursor"]
    all_seq = int(start.split(".")[2])
    assert [seq for stream, seq in found if stream == "all"] == [all_seq + 1, all_seq + 2]
    assert [seq for stream, seq in found if stream == "user"] == list(range(1, 451))
    nothing = await poll(pair[1], login, head)
    assert (nothing.status, nothing.body) == (204, b"")


async def test_a_poll_waits_for_what_comes(pair: Pair) -> None:
    """Written on the other instance."""
    login = await sign_in(pair[0].url)
    head = await head_of(pair[0], login)
    waiting = asyncio.create_task(poll(pair[0], login, head, wait_s=60))
    await write(pair[1], login, "now")
    answer = await waiting
    assert (answer.status, answer.json["cursor"]) == (200, at(head, 1))
    assert [entry["seq"] for entry in answer.json["entries"]] == [1]


@pytest.mark.parametrize(
    ("cursor", "reason"), [("foreign.0.0", "epoch_changed"), ("{epoch}.1000.0", "bad_cursor"),
                           ("{epoch}.0.1000000", "bad_cursor"), ("{epoch}.1.{all}", "expired")]
)  # fmt: skip
async def test_a_poll_with_a_void_cursor_is_gone(pair: Pair, pair_url: str, cursor: str, reason: str) -> None:
    """410, with where to get a fresh state."""
    login = await sign_in(pair[0].url)
    add_entries(pair_url, login.user_id, 3)
    run_sql(pair_url, "DELETE FROM entries WHERE user_id = %s AND seq < 3", login.user_id)
    epoch, _, shared = (await head_of(pair[0], login)).split(".")
    answer = await poll(pair[0], login, cursor.replace("{epoch}", epoch).replace("{all}", shared))
    problem = is_problem(answer, 410, "cursor_void")
    assert (problem["reason"], problem["state"]) == (reason, "/api/snapshot")
    assert (await call(pair[0].url, "GET", problem["state"], token=login.token)).status == 200


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [("", 422, "invalid_arguments"), ("cursor=", 400, "bad_cursor"), ("cursor=x", 400, "bad_cursor"),
     ("cursor=a.0.0%0A", 400, "bad_cursor"), ("cursor=a.-1.0", 400, "bad_cursor"),
     ("cursor=a.0.0&wait_s=61", 422, "invalid_arguments"), ("cursor=a.0.0&wait_s=-1", 422, "invalid_arguments"),
     ("cursor=a.0.0&wait_s=nan", 422, "invalid_arguments"), ("cursor=a.0.0&wait_s=inf", 422, "invalid_arguments"),
     ("cursor=a.0.0&wait_s=x", 422, "invalid_arguments"), ("cursor=a.0.0&wait_s=", 422, "invalid_arguments")],
)  # fmt: skip
async def test_a_poll_that_asks_nonsense_is_a_problem(
    pair: Pair, bystander: Bystander, query: str, status: int, code: str
) -> None:
    """A malformed cursor is a mistake of the client's; one that is merely void is not."""
    login = await sign_in(pair[0].url)
    async with bystander.undisturbed():
        is_problem(await call(pair[0].url, "GET", f"/api/events?{query}", token=login.token), status, code)
