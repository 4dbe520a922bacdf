"""Ids of somebody else's: over a socket and over REST they open nothing, whoever knows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support.instances import Instance
from tests.support.scenes import Scene, set_scene
from tests.support.shapes import is_error
from tests.support.wire_client import call, connect

Pair = tuple[Instance, Instance]
VICTIMS = 5


@dataclass(frozen=True, slots=True)
class Owned:
    """What a victim has, by its ids."""

    session: str
    notification: str
    custom_emoji: str


def attempts(owned: Owned) -> list[tuple[str, dict[str, Any], str]]:
    """Return what somebody else could try with them: mutation, arguments, and what it is refused with."""
    session, emoji = {"id": owned.session}, {"emoji": owned.custom_emoji}
    return [
        ("session.update", {**session, "activity": "taken over"}, "session_not_active"),
        ("session.pause", session, "session_not_found"),
        ("session.resume", session, "session_not_found"),
        ("session.end", session, "session_not_found"),
        ("notification.read", {"ids": [owned.notification]}, "notification_not_found"),
        ("notification.read", {"up_to": owned.notification}, "notification_not_found"),
        ("notification.dismiss", {"id": owned.notification}, "notification_not_found"),
        # Not approved, so it is its owner's alone.
        ("custom_emoji.delete", {"id": owned.custom_emoji}, "custom_emoji_not_found"),
        ("favorite.add", emoji, "emoji_not_found"),
        ("emoji.use", {**emoji, "count": 1}, "emoji_not_found"),
    ]


async def own(scene: Scene) -> Owned:
    """Let the actor of a scene have one of each."""
    session = await scene.session()
    return Owned(session, await scene.notification(), await scene.custom_emoji())


async def test_a_hundred_of_a_hundred_are_refused(pair: Pair) -> None:
    """The victims' streams do not move, and everything of theirs is as it was."""
    tried = 0
    for number in range(VICTIMS):
        scene = await set_scene(pair[0].url, pair[0].settings["DATABASE_URL"])
        owned = await own(scene)
        before = (await call(pair[0].url, "GET", "/api/snapshot", token=scene.actor.token)).json
        async with await connect(pair[number % 2].url, scene.other.token) as mallory:
            for name, args, code in attempts(owned):
                over_socket = await mallory.mutate(name, args)
                body = {"mutations": [{"mid": f"m-{tried}", "name": name, "args": args}]}
                answer = await call(pair[0].url, "POST", "/api/mutations", token=scene.other.token, json=body)
                for verdict in (over_socket, answer.json["verdicts"][0]):
                    assert verdict["status"] == "rolled_back", name
                    assert is_error(verdict["error"], code), name
                    assert owned.session not in str(verdict.get("current")), name
                    tried += 1
        for path in ("pause", "resume", "end"):
            asked = {"id": owned.session}
            answer = await call(pair[1].url, "POST", f"/api/sessions/{path}", token=scene.other.token, json=asked)
            assert (answer.status, answer.json["code"]) == (404, "session_not_found")
        assert (await call(pair[1].url, "GET", "/api/snapshot", token=scene.actor.token)).json == before
        for verb, path in (("GET", "/api/emojis/custom"), ("GET", "/api/sessions"), ("GET", "/api/devices")):
            shown = await call(pair[1].url, verb, path, token=scene.other.token)
            assert shown.status == 200
            assert not {owned.session, owned.custom_emoji} & set(str(shown.json).split("'"))
    assert tried == 100


async def test_who_a_change_concerns_is_never_in_its_arguments(pair: Pair) -> None:
    """Another user's id among the arguments is unknown, and the change is refused, not made for them."""
    scene = await set_scene(pair[0].url, pair[0].settings["DATABASE_URL"])
    async with await connect(pair[0].url, scene.actor.token) as device:
        for name in ("user", "user_id", "actor", "owner"):
            verdict = await device.mutate("profile.update", {"bio": "not mine", name: scene.other.user_id})
            assert is_error(verdict["error"], "invalid_arguments")
            assert verdict["error"]["fields"].keys() == {name}
