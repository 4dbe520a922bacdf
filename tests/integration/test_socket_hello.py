"""The beginning of a socket: the welcome, and where it goes on from."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import pytest

from idling_ws.delivery.joining import PAGE
from tests.support.bystander import Bystander
from tests.support.instances import Instance
from tests.support.raw_socket import TEXT, frame_bytes
from tests.support.rows import add_entries, run_sql
from tests.support.wire_client import call, connect, sign_in, upgrade

Pair = tuple[Instance, Instance]


def message_frame(message: dict[str, Any]) -> bytes:
    """Return a message as bytes on the wire."""
    return frame_bytes(TEXT, json.dumps(message).encode())


# -- the welcome ---------------------------------------------------------------------


async def test_the_welcome_says_everything_that_a_client_needs(door: str) -> None:
    """Every member of the contract, and no other."""
    login = await sign_in(door)
    async with await connect(door, login.token) as device:
        welcome = device.welcome
    version = await call(door, "GET", "/version")
    assert welcome.keys() == {
        "type", "connection", "instance", "user", "cursor", "resumed", "reason", "state", "heartbeat_s", "limits",
        "token_expires_in_s", "server_time",
    }  # fmt: skip
    assert welcome["instance"] == version.json["instance"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{12}", welcome["connection"])
    assert welcome["user"] == {"id": login.user_id, "name": login.name, "roles": ["guest"]}
    assert re.fullmatch(r"[A-Za-z0-9_-]+\.0\.\d+", welcome["cursor"])
    assert (welcome["resumed"], welcome["reason"]) == (False, "new")
    assert welcome["heartbeat_s"] == 25
    assert welcome["limits"] == {"frame_bytes": 32768, "messages_per_s": 20, "pending_mutations": 64}
    assert 780 <= welcome["token_expires_in_s"] <= 900
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", welcome["server_time"])
    snapshot = await call(door, "GET", "/api/snapshot", token=login.token)
    assert snapshot.json == {"state": welcome["state"], "cursor": welcome["cursor"]}


# -- where it goes on ----------------------------------------------------------------


async def test_a_good_cursor_is_resumed_with_exactly_what_was_missed(door: str) -> None:
    """No state, no reason, the entries behind the cursor in order."""
    login = await sign_in(door)
    async with await connect(door, login.token) as device:
        for n in range(5):
            await device.mutate("profile.update", {"bio": f"bio {n}"})
        entries, state, head = device.entries, device.state, device.cursor
    epoch, _, shared = head.split(".")
    async with await connect(door, login.token, f"{epoch}.2.{shared}") as device:
        assert device.welcome["resumed"] is True
        assert "state" not in device.welcome
        assert "reason" not in device.welcome
        assert device.welcome["cursor"] == head
        await device.reach(head)
        assert device.entries == entries[2:]
    async with await connect(door, login.token, head, state=state) as device:
        assert device.welcome["resumed"] is True
        await device.mutate("profile.update", {"bio": "and on"})
        assert (len(device.entries), device.repeats) == (1, 0)


@pytest.mark.parametrize(
    ("cursor", "reason"),
    [
        ("", "bad_cursor"), ("x", "bad_cursor"), ("{epoch}.1", "bad_cursor"), ("{epoch}.-1.0", "bad_cursor"),
        ("{epoch}.01.0", "bad_cursor"), ("{epoch}.0.0\n", "bad_cursor"), ("{epoch}.0.0.0", "bad_cursor"),
        ("{epoch}.99999999999999999999.0", "bad_cursor"), ("{epoch}.\u0661.0", "bad_cursor"), (17, "bad_cursor"),
        (["{epoch}", 0, 0], "bad_cursor"), (False, "bad_cursor"), ({}, "bad_cursor"), ("\0.0.0", "bad_cursor"),
        ("{epoch}.1000.0", "bad_cursor"), ("{epoch}.0.100000", "bad_cursor"),
        ("{epoch}.999999999999999999.0", "bad_cursor"), ("foreign.0.0", "epoch_changed"), (None, "new"),
    ],
)  # fmt: skip
async def test_a_cursor_that_is_no_good_is_answered_with_a_fresh_state(
    door: str, bystander: Bystander, cursor: Any, reason: str
) -> None:
    """Malformed, of the future, or of another life of the log: the welcome says which."""
    login = await sign_in(door)
    head = (await call(door, "GET", "/api/snapshot", token=login.token)).json["cursor"]
    if isinstance(cursor, str):
        cursor = cursor.replace("{epoch}", head.split(".")[0])
    async with await upgrade(door) as wire, bystander.undisturbed():
        wire.send({"type": "hello", "client": {"id": uuid4().hex}, "token": login.token, "cursor": cursor})
        welcome = await wire.receive()
        assert (welcome["resumed"], welcome["reason"]) == (False, reason)
        assert welcome["cursor"] == head
        assert welcome["state"]["profile"]["id"] == login.user_id


async def test_a_cursor_from_before_the_retention_has_expired(pair: Pair, pair_url: str) -> None:
    """By age, even where the row is still there; and where the row has gone."""
    login = await sign_in(pair[0].url)
    add_entries(pair_url, login.user_id, 6)
    epoch = (await call(pair[0].url, "GET", "/api/snapshot", token=login.token)).json["cursor"].split(".")[0]
    run_sql(
        pair_url, "UPDATE entries SET at = now() - interval '7 days' WHERE user_id = %s AND seq <= 3", login.user_id
    )
    run_sql(pair_url, "DELETE FROM entries WHERE user_id = %s AND seq <= 2", login.user_id)
    shared = run_sql(pair_url, "SELECT seq FROM streams WHERE user_id = 0")[0][0]
    for seq, reason in ((0, "expired"), (1, "expired"), (2, "expired"), (3, None), (6, None)):
        async with await connect(pair[0].url, login.token, f"{epoch}.{seq}.{shared}") as device:
            assert (device.welcome["resumed"], device.welcome.get("reason")) == (reason is None, reason)


async def test_a_history_with_a_hole_has_expired_however_long_it_is(pair: Pair, pair_url: str) -> None:
    """An entry that went early, with more behind it than one page: what is left is not passed off as all."""
    login = await sign_in(pair[0].url)
    add_entries(pair_url, login.user_id, PAGE + 50)
    head = (await call(pair[0].url, "GET", "/api/snapshot", token=login.token)).json["cursor"]
    epoch, _, shared = head.split(".")
    run_sql(pair_url, "DELETE FROM entries WHERE user_id = %s AND seq = 3", login.user_id)
    async with await connect(pair[0].url, login.token, f"{epoch}.0.{shared}") as device:
        assert (device.welcome["resumed"], device.welcome["reason"]) == (False, "expired")
    async with await connect(pair[0].url, login.token, f"{epoch}.3.{shared}") as device:
        await device.reach(head)
        assert [entry["seq"] for entry in device.entries] == list(range(4, PAGE + 51))


async def test_a_cursor_too_far_behind_gets_a_fresh_state(pair: Pair, pair_url: str) -> None:
    """10,000 entries are replayed, one more is not."""
    login = await sign_in(pair[0].url)
    add_entries(pair_url, login.user_id, 10_001)
    head = (await call(pair[0].url, "GET", "/api/snapshot", token=login.token)).json["cursor"]
    epoch, _, shared = head.split(".")
    async with await connect(pair[0].url, login.token, f"{epoch}.1.{shared}") as device:
        assert device.welcome["resumed"] is True
        await device.reach(head)
        assert [entry["seq"] for entry in device.entries] == list(range(2, 10_002))
    async with await connect(pair[0].url, login.token, f"{epoch}.0.{shared}") as device:
        assert (device.welcome["resumed"], device.welcome["reason"]) == (False, "too_far")


# -- resume on an open socket --------------------------------------------------------


async def test_resume_sends_the_entries_behind_the_cursor_again(door: str) -> None:
    """To a client that lost its place; at the head there is nothing to send."""
    login = await sign_in(door)
    async with await connect(door, login.token) as device:
        for n in range(4):
            await device.mutate("profile.update", {"bio": f"bio {n}"})
        epoch, _, shared = device.cursor.split(".")
        device.send({"type": "resume", "cursor": f"{epoch}.1.{shared}"})
        again = [await device.receive() for _ in range(3)]
        assert again == device.entries[1:]
        device.send({"type": "resume", "cursor": device.cursor})
        await device.mutate("profile.update", {"bio": "next"})
        assert device.repeats == 3


@pytest.mark.parametrize("cursor", ["foreign.0.0", "{epoch}.1000.0", "{epoch}.0.1000000"])
async def test_a_resume_from_nowhere_loses_the_position(door: str, bystander: Bystander, cursor: str) -> None:
    """4204: come back with hello, which knows how to answer with a state."""
    login = await sign_in(door)
    device = await connect(door, login.token)
    async with bystander.undisturbed():
        device.send({"type": "resume", "cursor": cursor.replace("{epoch}", device.epoch)})
        assert (await device.expect_close()).code == 4204


async def test_a_flood_of_resumes_is_answered_one_by_one(pair: Pair, pair_url: str) -> None:
    """One replay at a time: those asked for meanwhile are one more, so asking costs us no memory."""
    login = await sign_in(pair[0].url)
    add_entries(pair_url, login.user_id, 8000)
    head = (await call(pair[0].url, "GET", "/api/snapshot", token=login.token)).json["cursor"]
    epoch, _, shared = head.split(".")
    start = f"{epoch}.0.{shared}"
    async with await connect(pair[0].url, login.token, head) as device:
        device.send_bytes(b"".join([message_frame({"type": "resume", "cursor": start}) for _ in range(40)]))
        while device.repeats < 2 * 8000:
            await device.receive()
        # The first was answered, and of all that came meanwhile the last. So this is the next one:
        device.send({"type": "resume", "cursor": f"{epoch}.7999.{shared}"})
        await device.receive()
        await device.mutate("profile.update", {"bio": "nothing comes behind"})
        assert device.repeats == 2 * 8000 + 1
