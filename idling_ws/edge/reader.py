"""Who reads, and what they get: reads that go on, marked stale, while PostgreSQL is away."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from idling_ws.domain.errors import AuthError, DeniedError, UnavailableError
from idling_ws.edge.browser_session import by_cookie
from idling_ws.edge.parts import PARTS
from idling_ws.edge.who import bearer, cookie_name, identify, verify
from idling_ws.store.cache import Answer


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads. ``away``: PostgreSQL did not answer, so who it is was taken from what was known before."""

    user_id: int
    away: bool = False


async def reader(request: web.Request) -> Reader:
    """Return who reads. Raises ``AuthError``, ``DeniedError``, and ``UnavailableError`` where nobody can tell."""
    parts = request.app[PARTS]
    if not parts.database_answers():
        # Known already: nobody has to wait for a deadline to find out again.
        remembered = _remembered(request)
        if remembered is not None:
            return Reader(remembered, away=True)
    cookie = None if bearer(request) is not None else request.cookies.get(cookie_name(parts))
    try:
        identity = await identify(request)
    except UnavailableError:
        remembered = _remembered(request)
        if remembered is None:
            raise
        return Reader(remembered, away=True)
    except AuthError:
        if cookie is not None:
            parts.recognised.forget(cookie)
        raise
    if cookie is not None:
        parts.recognised.note(cookie, identity)
    return Reader(identity.user_id)


async def reader_if_any(request: web.Request) -> Reader | None:
    """Return who reads what everybody may read; None for nobody, and for whoever cannot be told just now.

    Raises ``AuthError`` for a token that is not good: it was meant to count.
    """
    parts = request.app[PARTS]
    token = bearer(request)
    if token is None and cookie_name(parts) not in request.cookies:
        return None
    away = not parts.database_answers()
    try:
        if token is not None:
            # No question to the database: nothing here is worth one.
            return Reader((await verify(parts, token)).user_id, away)
        identity = await by_cookie(request)
    except DeniedError:
        return None
    except UnavailableError:
        remembered = _remembered(request)
        return None if remembered is None else Reader(remembered, away=True)
    return None if identity is None else Reader(identity.user_id, away)


def _remembered(request: web.Request) -> int | None:
    """Return who asks as far as that can be told without the database.

    Raises ``AuthError`` for a bad token or an ended login, ``DeniedError`` for somebody suspended.
    """
    parts = request.app[PARTS]
    token = bearer(request)
    if token is not None:
        claims = parts.tokens.verify(token)
        parts.revocations.check(claims)
        return claims.user_id
    cookie = request.cookies.get(cookie_name(parts))
    identity = None if cookie is None else parts.recognised.find(cookie)
    if identity is None:
        return None
    parts.revocations.refuse(identity.user_id, identity.login_id)
    return identity.user_id


def personal(answer: Answer) -> web.Response:
    """Return somebody's own data: never stored by anybody."""
    return web.Response(body=answer.to_object(), content_type="application/json", headers={"Cache-Control": "no-store"})
