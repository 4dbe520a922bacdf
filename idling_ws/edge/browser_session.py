"""The browser session: aiohttp-session over our logins.

What a session holds is who it is, under ``IDENTITY``. The cookie is a random secret of a
row in ``logins``: never data, never chosen by the client, another one after each sign-in.
So a storage of our own: the library's keeps sessions in Redis alone, where a log-out can
be undone by a request that was under way, and where they are gone with Redis.
"""

from __future__ import annotations

from aiohttp import web
from aiohttp_session import AbstractStorage, Session, get_session, new_session, setup

from idling_ws.config import Settings
from idling_ws.domain.errors import AuthError
from idling_ws.edge.parts import PARTS
from idling_ws.identity.logins import LOGIN_IDLE
from idling_ws.identity.person import Identity

IDENTITY = "identity"
_MAX_COOKIE_CHARS = 100


def session_cookie(settings: Settings) -> str:
    """Return the name of the session cookie. ``__Host-``: Secure, this host alone, all of it (RFC 6265bis, 4.1.3.2)."""
    return "__Host-idling" if settings.is_tls else "idling"


class LoginStorage(AbstractStorage):
    """Loads who holds the cookie; saves another cookie, or that there is none any more."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            cookie_name=session_cookie(settings),
            max_age=int(LOGIN_IDLE.total_seconds()),
            secure=settings.is_tls,
            httponly=True,
            samesite="Lax",
        )

    async def load_session(self, request: web.Request) -> Session:
        """Return who holds the cookie; an empty session when nobody does. Raises ``UnavailableError``."""
        cookie = self.load_cookie(request)
        if cookie is None or len(cookie) > _MAX_COOKIE_CHARS:
            return await self.new_session()
        try:
            identity = await request.app[PARTS].browser_sessions.find(cookie)
        except AuthError:
            return await self.new_session()
        return Session(cookie, data={"session": {IDENTITY: identity}}, new=False)

    async def save_session(self, request: web.Request, response: web.StreamResponse, session: Session) -> None:
        """Hand the cookie out or take it back; one that was replaced is dead in every copy as well."""
        before = self.load_cookie(request)
        cookie = None if session.empty else session.identity
        if before is not None and before != cookie and len(before) <= _MAX_COOKIE_CHARS:
            await request.app[PARTS].browser_sessions.end(before)
        if cookie is not None:
            self.save_cookie(response, cookie, max_age=self.max_age)
        else:
            # The library's way leaves Secure out, and a browser ignores that for ``__Host-``.
            response.del_cookie(
                self.cookie_name, path="/", httponly=True, secure=self.cookie_params["secure"], samesite="Lax"
            )


def add_sessions(app: web.Application, settings: Settings) -> None:
    """Let every request of ``app`` find its session."""
    setup(app, LoginStorage(settings))


async def by_cookie(request: web.Request) -> Identity | None:
    """Return who holds the cookie of ``request``, suspended or not. Raises ``UnavailableError``."""
    identity: Identity | None = (await get_session(request)).get(IDENTITY)
    return identity


async def open_session(request: web.Request, identity: Identity, cookie: str) -> None:
    """Let the browser go on with ``cookie`` from now on, whatever it came with."""
    session = await new_session(request)
    session.set_new_identity(cookie)
    session[IDENTITY] = identity


async def close_session(request: web.Request) -> None:
    """Take the browser's cookie back. Its login has to have ended in Postgres before."""
    (await get_session(request)).invalidate()
