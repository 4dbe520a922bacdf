"""Scenes: two people, and what has to be true of them before somebody asks for a change."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aiohttp

from tests.support.images import still
from tests.support.raw_socket import JsonObject
from tests.support.rows import run_sql
from tests.support.wire_client import Login, call, sign_in

LATER = "2999-01-01T00:00:00Z"
# A Web Push subscription; the point is the generator of P-256.
BROWSER: JsonObject = {
    "endpoint": "https://fcm.googleapis.com/fcm/send/abc",
    "keys": {
        "p256dh": "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
        "auth": "AAECAwQFBgcICQoLDA0ODw",
    },
}


@dataclass(slots=True)
class Scene:
    """Who acts, who else is concerned, and where. Everything is set up through the doors where there is one."""

    base: str
    database_url: str
    actor: Login
    other: Login

    async def did(self, name: str, args: JsonObject, *, by: Login | None = None) -> JsonObject:
        """Let a mutation have happened; return its result."""
        mutations = [{"mid": uuid4().hex, "name": name, "args": args}]
        token = (by or self.actor).token
        answer = await call(self.base, "POST", "/api/mutations", token=token, json={"mutations": mutations})
        verdict = answer.json["verdicts"][0]
        assert verdict["status"] == "confirmed", verdict
        return dict(verdict["result"])

    async def session(self, *, by: Login | None = None) -> str:
        """Let a session run; return its id."""
        return str((await self.did("session.start", {"activity": "reading"}, by=by))["session"]["id"])

    async def custom_emoji(self, *, by: Login | None = None) -> str:
        """Let somebody have brought a picture; return its id."""
        form = aiohttp.FormData()
        form.add_field("name", "a square")
        form.add_field("file", io.BytesIO(still()), filename="square.png", content_type="image/png")
        answer = await call(self.base, "POST", "/api/emojis/custom", token=(by or self.actor).token, data=form)
        assert answer.status == 201, answer.body
        return str(next(iter(answer.json.values()))["id"])

    async def notification(self) -> str:
        """Let the actor have been waved at; return the id of the newest notification."""
        rows = run_sql(
            self.database_url, "SELECT id FROM sessions WHERE user_id = %s AND ended_at IS NULL", self.actor.user_id
        )
        session = rows[0][0] if rows else await self.session()
        await self.did("reaction.send", {"session": session, "emoji": "👋"}, by=self.other)
        items = (await call(self.base, "GET", "/api/snapshot", token=self.actor.token)).json["state"]["notifications"]
        return str(max(items["items"]))

    def grant(self, role: str) -> None:
        """Give the actor a role, as an operator would from the command line."""
        run_sql(self.database_url, "INSERT INTO roles (user_id, role) VALUES (%s, %s)", self.actor.user_id, role)

    def link(self, *providers: str) -> None:
        """Let the actor have signed in through these."""
        for provider in providers:
            run_sql(
                self.database_url,
                "INSERT INTO accounts (provider, subject, user_id, linked_at, used_at) "
                "VALUES (%s, %s, %s, now(), now())",
                provider,
                str(self.actor.user_id),
                self.actor.user_id,
            )


Build = Callable[[Scene], Awaitable[JsonObject]]


async def set_scene(base: str, database_url: str, role: str | None = None) -> Scene:
    """Sign two people in; give the first that role."""
    scene = Scene(base, database_url, await sign_in(base), await sign_in(base))
    if role is not None:
        scene.grant(role)
    return scene


def given(**args: Any) -> Build:
    """Return arguments that need no scene."""

    async def build(scene: Scene) -> JsonObject:
        return args

    return build


async def own_session(scene: Scene) -> JsonObject:
    """The id of a session that runs."""
    return {"id": await scene.session()}


async def other_words(scene: Scene) -> JsonObject:
    """For a session that runs."""
    return {"id": await scene.session(), "activity": "dozing", "emoji": "\U0001f634"}


async def update_with_nothing(scene: Scene) -> JsonObject:
    """An emoji that is none."""
    return {"id": await scene.session(), "emoji": "nope"}


async def paused_session(scene: Scene) -> JsonObject:
    """The id of a session that stands still."""
    session = await scene.session()
    await scene.did("session.pause", {"id": session})
    return {"id": session}


async def ended_session(scene: Scene) -> JsonObject:
    """The id of a session that has ended."""
    session = await scene.session()
    await scene.did("session.end", {"id": session})
    return {"id": session}


async def others_session(scene: Scene) -> JsonObject:
    """The id of somebody else's session."""
    return {"id": await scene.session(by=scene.other)}


def favorites(*emojis: str, **args: Any) -> Build:
    """Return arguments, with these kept already."""

    async def build(scene: Scene) -> JsonObject:
        for emoji in emojis:
            await scene.did("favorite.add", {"emoji": emoji})
        return args

    return build


async def full_favorites(scene: Scene) -> JsonObject:
    """There is no room for another one."""
    run_sql(
        scene.database_url,
        "INSERT INTO user_emoji_favorites (user_id, emoji, position) "
        "SELECT %s, 'kept-' || n, n FROM generate_series(1, 200) n",
        scene.actor.user_id,
    )
    return {"emoji": "1F600"}


async def own_custom_emoji(scene: Scene) -> JsonObject:
    """The id of a picture that the actor brought."""
    return {"id": await scene.custom_emoji()}


async def others_custom_emoji(scene: Scene) -> JsonObject:
    """The id of a picture that somebody else brought."""
    return {"id": await scene.custom_emoji(by=scene.other)}


async def to_review(scene: Scene) -> JsonObject:
    """A picture that waits for a moderator."""
    return {"id": await scene.custom_emoji(by=scene.other), "approve": True}


async def wave(scene: Scene) -> JsonObject:
    """At somebody who idles."""
    return {"session": await scene.session(by=scene.other), "emoji": "👋"}


async def wave_at_nobody(scene: Scene) -> JsonObject:
    """At somebody who has left."""
    session = await scene.session(by=scene.other)
    await scene.did("session.end", {"id": session}, by=scene.other)
    return {"session": session, "emoji": "👋"}


async def wave_at_oneself(scene: Scene) -> JsonObject:
    """Nobody does."""
    return {"session": await scene.session(), "emoji": "👋"}


async def wave_with_nothing(scene: Scene) -> JsonObject:
    """With an emoji that is none."""
    return {"session": await scene.session(by=scene.other), "emoji": "nope"}


async def two_notifications(scene: Scene) -> JsonObject:
    """Both by name."""
    return {"ids": [await scene.notification(), await scene.notification()]}


async def a_notification(scene: Scene) -> JsonObject:
    """One of two."""
    await scene.notification()
    return {"id": await scene.notification()}


async def a_browser(scene: Scene) -> JsonObject:
    """One that may be woken."""
    await scene.did("push.subscribe", BROWSER)
    return {"endpoint": BROWSER["endpoint"]}


def linked(*providers: str, **args: Any) -> Build:
    """Return arguments, with accounts linked."""

    async def build(scene: Scene) -> JsonObject:
        scene.link(*providers)
        return args

    return build


async def other_name(scene: Scene) -> JsonObject:
    """A name that nobody has."""
    return {"name": f"Somebody {uuid4().hex[:8]}", "bio": "a few words"}


async def taken_name(scene: Scene) -> JsonObject:
    """Somebody else's, in other letters."""
    return {"name": scene.other.name.upper()}


async def an_announcement(scene: Scene) -> JsonObject:
    """One that stands, published by an admin."""
    run_sql(
        scene.database_url,
        "INSERT INTO announcements (id, title, level, published_by, published_at) VALUES (%s, 'Tea', 'info', 1, now())",
        id_ := uuid4().hex,
    )
    return {"id": id_}


async def the_other(scene: Scene) -> JsonObject:
    """Somebody to suspend."""
    return {"user": scene.other.user_id, "until": LATER, "reason": "rude"}


async def oneself(scene: Scene) -> JsonObject:
    """The moderator."""
    return {"user": scene.actor.user_id, "until": LATER, "reason": "rude"}


async def second_session(scene: Scene) -> JsonObject:
    """While one runs."""
    await scene.session()
    return {"activity": "writing"}
