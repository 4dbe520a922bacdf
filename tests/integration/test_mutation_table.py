"""Every public mutation through one table: state, effects, verdicts, whichever doors it came through."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from idling_ws.mutations.table import MUTATIONS
from tests.support.instances import Instance
from tests.support.mutation_cases import CASES, Case
from tests.support.raw_socket import JsonObject
from tests.support.rows import run_sql
from tests.support.scenes import Scene, set_scene
from tests.support.shapes import is_error
from tests.support.wire_client import Device, Login, call, connect

Pair = tuple[Instance, Instance]
REJECTIONS = [(name, number) for name, case in CASES.items() for number in range(len(case.rejections))]
VERSIONED = [name for name, case in CASES.items() if case.versioned is not None]


def test_the_table_of_cases_is_complete() -> None:
    """Whoever adds a mutation adds a case."""
    assert CASES.keys() == {name for name, mutation in MUTATIONS.items() if mutation.public}


async def over_rest(base: str, login: Login, mid: str, name: str, args: JsonObject, **more: Any) -> JsonObject:
    """Send one mutation over REST and return its verdict."""
    body = {"mutations": [{"mid": mid, "name": name, "args": args, **more}]}
    answer = await call(base, "POST", "/api/mutations", token=login.token, json=body)
    return dict(answer.json["verdicts"][0])


def decided(verdict: JsonObject) -> JsonObject:
    """Return what every repeat of a verdict must have in common."""
    return {key: verdict[key] for key in ("mid", "status", "seq", "result", "error", "current") if key in verdict}


def kinds(entries: list[JsonObject]) -> list[str]:
    """Return the kinds of the effects in these entries."""
    return [item["kind"] for entry in entries for item in entry["items"] if item["kind"] != "verdict"]


async def agrees(device: Device, base: str, login: Login) -> None:
    """See that the device's state is, after all entries so far, exactly a fresh snapshot."""
    fresh = (await call(base, "GET", "/api/snapshot", token=login.token)).json
    assert await device.reach(fresh["cursor"]) == fresh["state"]
    assert device.cursor == fresh["cursor"]


async def scene_of(pair: Pair, case: Case) -> Scene:
    """Set the scene on the first instance."""
    return await set_scene(pair[0].url, pair[0].settings["DATABASE_URL"], case.role)


@pytest.mark.parametrize("name", CASES)
async def test_three_doors_at_once_are_one_effect_and_one_verdict(pair: Pair, name: str) -> None:
    """A socket on each instance and REST; afterwards every device's state is a fresh snapshot, exactly."""
    case = CASES[name]
    scene = await scene_of(pair, case)
    args = await case.build(scene)
    async with contextlib.AsyncExitStack() as stack:
        here, there, concerned = [
            await stack.enter_async_context(await connect(base, login.token))
            for base, login in ((pair[0].url, scene.actor), (pair[1].url, scene.actor), (pair[1].url, scene.other))
        ]
        start = here.user_seq
        verdicts = await asyncio.gather(
            here.mutate(name, args, mid="once"),
            there.mutate(name, args, mid="once"),
            over_rest(pair[1].url, scene.actor, "once", name, args),
        )
        assert decided(verdicts[0]) == decided(verdicts[1]) == decided(verdicts[2])
        assert (verdicts[0]["status"], verdicts[0]["seq"]) == ("confirmed", start + 1)
        again = await over_rest(pair[0].url, scene.actor, "once", name, args)
        assert again == {**decided(verdicts[0]), "duplicate": True}
        for device in (here, there):
            await agrees(device, pair[0].url, scene.actor)
            own = [entry for entry in device.entries if entry["stream"] == "user"]
            assert [entry["seq"] for entry in own] == [start + 1]
            assert own[0]["items"][-1]["kind"] == "verdict"
            assert tuple(kinds(own)) == case.effects
            assert device.repeats == 0
        if name != "user.suspend":  # whose sockets close: what they were told is in the stream
            await agrees(concerned, pair[1].url, scene.other)
        else:
            assert (await concerned.expect_close()).code == 4003
        assert tuple(kinds([entry for entry in concerned.entries if entry["stream"] == "user"])) == case.elsewhere
        assert tuple(kinds([entry for entry in here.entries if entry["stream"] == "all"])) == case.on_all


@pytest.mark.parametrize("name", CASES)
async def test_a_used_mid_is_for_nothing_else(pair: Pair, name: str) -> None:
    """Other arguments, another name, another ``if_version``: refused through every door, and nothing happens."""
    case = CASES[name]
    scene = await scene_of(pair, case)
    args = await case.build(scene)
    first = await over_rest(pair[0].url, scene.actor, "used", name, args)
    assert first["status"] == "confirmed"
    changed = case.change(args)
    assert changed != args
    async with await connect(pair[1].url, scene.actor.token) as device:
        head = device.cursor
        for verdict in (
            await device.mutate(name, changed, mid="used"),
            await device.mutate("emoji.use", {"emoji": "1F600", "count": 99}, mid="used"),
            await device.mutate(name, args, mid="used", if_version=1),
            await over_rest(pair[0].url, scene.actor, "used", name, changed),
        ):
            assert verdict["status"] == "rolled_back"
            assert is_error(verdict["error"], "mid_reused")
            assert "seq" not in verdict
        assert decided(await device.mutate(name, args, mid="used")) == decided(first)
        fresh = await call(pair[0].url, "GET", "/api/snapshot", token=scene.actor.token)
        assert fresh.json["cursor"].split(".")[1] == head.split(".")[1]


@pytest.mark.parametrize(("name", "number"), REJECTIONS)
async def test_a_rejection_is_durable_and_says_what_is_true(pair: Pair, name: str, number: int) -> None:
    """One entry with the verdict alone, ``current`` as in ``state``, and the same again when it is sent again."""
    case = CASES[name]
    rejection = case.rejections[number]
    scene = await scene_of(pair, case)
    args = await rejection.build(scene)
    async with (
        await connect(pair[0].url, scene.actor.token) as device,
        await connect(pair[1].url, scene.actor.token) as there,
    ):
        before = device.state
        verdict = await device.mutate(name, args, mid="no")
        assert verdict["status"] == "rolled_back"
        assert is_error(verdict["error"], rejection.code)
        assert (verdict["error"]["class"], verdict["error"]["retryable"]) == ("business", False)
        assert [item["kind"] for item in device.entries[-1]["items"]] == ["verdict"]
        await agrees(device, pair[0].url, scene.actor)
        assert device.state == before
        if rejection.current is not None:
            said = verdict["current"][rejection.current]
            if rejection.current == "notifications":  # the count says enough
                assert said == {"unread_count": before["notifications"]["unread_count"]}
            else:
                assert said == before.get(rejection.current)
        repeated = await there.mutate(name, args, mid="no")
        assert decided(repeated) == decided(verdict)
        over = await over_rest(pair[1].url, scene.actor, "no", name, args)
        assert over == {**decided(verdict), "duplicate": True}
        assert await there.reach(device.cursor) == before


@pytest.mark.parametrize("name", VERSIONED)
async def test_a_stale_version_is_a_conflict_with_what_is_there(pair: Pair, name: str) -> None:
    """Compare-and-swap, where a thing has a version; with the right one it goes through."""
    case = CASES[name]
    scene = await scene_of(pair, case)
    args = await case.build(scene)
    assert case.versioned is not None
    async with await connect(pair[0].url, scene.actor.token) as device:
        held = device.state[case.versioned]
        for stale in (0, held["version"] - 1, held["version"] + 1):
            verdict = await device.mutate(name, args, if_version=max(stale, 0))
            assert verdict["status"] == "rolled_back"
            assert is_error(verdict["error"], "conflict")
            assert verdict["current"] == {case.versioned: held}
        assert (await device.mutate(name, args, if_version=held["version"]))["status"] == "confirmed"
        await agrees(device, pair[0].url, scene.actor)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.role is not None])
async def test_what_takes_a_role_is_refused_without_it(pair: Pair, name: str) -> None:
    """Not stored: with the role the same ``mid`` may be used."""
    case = CASES[name]
    assert case.role is not None
    scene = await set_scene(pair[0].url, pair[0].settings["DATABASE_URL"])
    args = await case.build(scene)
    async with await connect(pair[0].url, scene.actor.token) as device:
        verdict = await device.mutate(name, args, mid="may")
        assert (verdict["type"], verdict["status"]) == ("verdict", "rolled_back")
        assert is_error(verdict["error"], "forbidden")
    refused = await over_rest(pair[1].url, scene.actor, "may", name, args)
    assert is_error(refused["error"], "forbidden")
    scene.grant(case.role)
    assert (await over_rest(pair[1].url, scene.actor, "may", name, args))["status"] == "confirmed"


async def test_a_moderator_does_not_suspend_an_admin(pair: Pair) -> None:
    """That is refused, not a defect; and another moderator neither."""
    database_url = pair[0].settings["DATABASE_URL"]
    scene = await set_scene(pair[0].url, database_url, "moderator")
    run_sql(database_url, "INSERT INTO roles (user_id, role) VALUES (%s, 'admin')", scene.other.user_id)
    args = {"user": scene.other.user_id, "until": "2999-01-01T00:00:00Z", "reason": "rude"}
    async with await connect(pair[0].url, scene.actor.token) as device:
        verdict = await device.mutate("user.suspend", args)
        assert verdict["status"] == "rolled_back"
        assert is_error(verdict["error"], "forbidden")


async def test_a_time_that_no_calendar_has_is_invalid(pair: Pair) -> None:
    """An offset may lead out of it: that is a mistake of the client's and no defect."""
    scene = await set_scene(pair[0].url, pair[0].settings["DATABASE_URL"], "moderator")
    async with await connect(pair[0].url, scene.actor.token) as device:
        for until in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2999-01-01", "x", "", 5):
            args = {"user": scene.other.user_id, "until": until, "reason": "rude"}
            verdict = await device.mutate("user.suspend", args)
            assert is_error(verdict["error"], "invalid_arguments")
            assert verdict["error"]["fields"].keys() == {"until"}
