"""A fake sign-in service on a free port of this machine, and its misbehaviour."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from joserfc.jwk import RSAKey

from scripts.fake_provider import FakeTwitch, Grant


@functools.cache
def _one_key() -> RSAKey:
    """Making one takes longer than most tests: all services of a run have the same."""
    return RSAKey.generate_key(2048, parameters={"kid": "1"})


Mood = Callable[[web.Request], Awaitable[web.StreamResponse]]


class MoodyTwitch(FakeTwitch):
    """The fake, with ways to answer wrongly: by path instead of the right answer, or inside of it."""

    def __init__(self) -> None:
        super().__init__(_one_key())
        self.moods: dict[str, Mood] = {}
        self.change_claims: Callable[[dict[str, Any]], dict[str, Any]] = dict
        self.change_tokens: Callable[[dict[str, Any]], dict[str, Any]] = dict
        self.change_userinfo: Callable[[dict[str, Any]], dict[str, Any]] = dict
        self.sign_with: Callable[[dict[str, Any]], str] | None = None
        self.asked: list[str] = []

    def application(self) -> web.Application:
        """The service behind its moods."""
        app = super().application()
        app.middlewares.append(self._in_mood)
        return app

    def tokens_for(self, grant: Grant, access_token: str) -> dict[str, Any]:
        """What the token endpoint answers, changed."""
        return self.change_tokens(super().tokens_for(grant, access_token))

    def sign(self, claims: dict[str, Any]) -> str:
        """An ID token, changed or signed otherwise."""
        changed = {name: value for name, value in self.change_claims(claims).items() if value is not ...}
        return super().sign(changed) if self.sign_with is None else self.sign_with(changed)

    def claims_for(self, grant: Grant, place: str) -> dict[str, Any]:
        """Claims, those of the user information changed."""
        claims = super().claims_for(grant, place)
        if place != "userinfo":
            return claims
        return {name: value for name, value in self.change_userinfo(claims).items() if value is not ...}

    @web.middleware
    async def _in_mood(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.asked.append(request.path)
        mood = self.moods.get(request.path)
        return await (handler(request) if mood is None else mood(request))


async def silent(_: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def crashing(_: web.Request) -> web.StreamResponse:
    """Answer 500."""
    return web.Response(status=500, text="<h1>Oops</h1>", content_type="text/html")


async def hanging_up(request: web.Request) -> web.StreamResponse:
    """Close the line without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def dripping(request: web.Request) -> web.StreamResponse:
    """Begin an answer and never end it."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"access_token": "')
    await asyncio.Event().wait()
    raise AssertionError


async def endless(request: web.Request) -> web.StreamResponse:
    """Answer more than anybody wants to hear."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    while True:
        await response.write(b" " * 65536)


def answering(body: str, status: int = 200, content_type: str = "application/json") -> Mood:
    """Answer just this."""

    async def answer(_: web.Request) -> web.StreamResponse:
        headers = {"Location": "http://127.0.0.1:1/"} if 300 <= status < 400 else {}
        return web.Response(text=body, status=status, content_type=content_type, headers=headers)

    return answer


@asynccontextmanager
async def served(service: FakeTwitch) -> AsyncIterator[None]:
    """Serve it on a free port until the block ends."""
    runner = web.AppRunner(service.application(), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        service.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield
    finally:
        await runner.cleanup()
