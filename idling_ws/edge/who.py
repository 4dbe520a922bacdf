"""Who is asking: by cookie or by token, and from a page that may.

A cookie is sent by a browser whoever made the request, so with a cookie the origin
must be ours: for a WebSocket always, for HTTP whenever something could change. A
token is only sent by code that holds it.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from idling_ws.domain.errors import AuthError, DeniedError
from idling_ws.edge.browser_session import by_cookie, session_cookie
from idling_ws.edge.forwarded import address_of
from idling_ws.edge.parts import PARTS, Parts
from idling_ws.identity.person import Identity
from idling_ws.identity.tokens import Claims
from idling_ws.mutations.pipeline import Asker

# Who asks, once that is known: for the audit trail, whatever they are answered.
RECOGNISED: web.RequestKey[int] = web.RequestKey("recognised", int)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Known:
    """Who somebody is, as a token or a cookie alone tells it. ``expires_at``: seconds since 1970, or None."""

    user_id: int
    login_id: str
    expires_at: int | None


def cookie_name(parts: Parts) -> str:
    """Return the name of the session cookie."""
    return session_cookie(parts.settings)


def bearer(request: web.Request) -> str | None:
    """Return the token of the ``Authorization`` header, if it has one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def agent_of(request: web.Request) -> str:
    """Return what the client calls itself, as text that can be stored: a header may hold any bytes."""
    return request.headers.get("User-Agent", "").encode(errors="replace").decode()


def origin_is_ours(request: web.Request, parts: Parts) -> bool:
    """Tell whether the ``Origin`` of ``request`` may use a cookie. An absent one may not."""
    origins = request.headers.getall("Origin", [])
    return len(origins) == 1 and origins[0] in parts.settings.allowed_origins


def check_forgery(request: web.Request, parts: Parts) -> None:
    """Raise ``DeniedError`` unless a request by cookie that could change something came from our own page."""
    if request.method in SAFE_METHODS:
        return
    if "Origin" in request.headers:
        if origin_is_ours(request, parts):
            return
    elif request.headers.get("Sec-Fetch-Site") == "same-origin":
        return
    raise DeniedError("forbidden", "This must come from the place's own page.")


def check_token(parts: Parts, token: str) -> Claims:
    """Return what a token says. Raises ``AuthError``."""
    return parts.tokens.verify(token)


async def verify(parts: Parts, token: str) -> Claims:
    """Return what a token says, when nothing is known against its login or its user.

    Raises ``AuthError``, ``DeniedError`` (``suspended``), ``UnavailableError``.
    """
    claims = await parts.tokens.verify_anew(token)
    parts.revocations.check(claims)
    return claims


async def known(request: web.Request) -> Known | None:
    """Return who opens a socket, from header or cookie; None when ``hello`` has to say it.

    Raises ``AuthError`` for a token that is not good, ``DeniedError`` for a cookie from a foreign origin.
    """
    parts = request.app[PARTS]
    token = bearer(request)
    if token is not None:
        claims = await verify(parts, token)
        return Known(claims.user_id, claims.login_id, claims.expires_at)
    if not _has_cookie(request):
        return None
    if not origin_is_ours(request, parts):
        raise DeniedError("forbidden", "This page may not connect here.")
    identity = await by_cookie(request)
    if identity is None:
        return None  # the cookie of an ended login: ``hello`` may still bring a token
    return Known(identity.user_id, identity.login_id, None)


async def recognise(request: web.Request) -> Identity:
    """Return who asks over HTTP, suspended or not. Raises ``AuthError``, ``DeniedError``, ``UnavailableError``."""
    parts = request.app[PARTS]
    token = bearer(request)
    if token is not None:
        claims = await parts.tokens.verify_anew(token)
        identity = await parts.logins.identify(claims.login_id)
        # After the question to the database: it may have ended while that was under way.
        if parts.revocations.is_ended(identity.login_id):
            raise AuthError
        request[RECOGNISED] = identity.user_id
        return identity
    if not _has_cookie(request):
        raise AuthError
    check_forgery(request, parts)
    found = await by_cookie(request)
    if found is None:
        raise AuthError
    request[RECOGNISED] = found.user_id
    return found


async def identify(request: web.Request) -> Identity:
    """Return who asks over HTTP. Raises ``AuthError``, ``DeniedError``, ``UnavailableError``."""
    identity = await recognise(request)
    refuse_suspended(request.app[PARTS], identity)
    return identity


def refuse_suspended(parts: Parts, identity: Identity) -> None:
    """Raise ``DeniedError`` while somebody is suspended."""
    if identity.suspended_until is not None and identity.suspended_until > parts.clock.now():
        raise DeniedError("suspended")


def _has_cookie(request: web.Request) -> bool:
    return cookie_name(request.app[PARTS]) in request.cookies


async def asker(request: web.Request) -> Asker:
    """Return who asks for a change over HTTP."""
    identity = await identify(request)
    roles = frozenset(identity.person.roles)
    return Asker(identity.user_id, roles, request, address_of(request), identity.login_id)
