"""What a browser is known by after it was signed out: a random secret of its own, which opens nothing.

It only tells whether an account was opened from this browser before, so that its owner
hears of a new one and is not bothered by an old one. What a browser says of itself
would not do: whoever stole a password can say the same.
"""

from __future__ import annotations

import re
import secrets

from aiohttp import web

from idling_ws.edge.parts import PARTS, Parts

KEPT_S = 400 * 86_400
"""As long as browsers keep a cookie at most (RFC 6265bis, section 5.5)."""
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


def device_of(request: web.Request) -> str:
    """Return what the browser is known by: what it brought, or a new secret."""
    brought = request.cookies.get(_name(request.app[PARTS]), "")
    return brought if _SECRET.fullmatch(brought) else secrets.token_urlsafe(32)


def keep_device(response: web.StreamResponse, parts: Parts, device: str) -> None:
    """Let the browser keep it."""
    response.set_cookie(
        _name(parts), device, max_age=KEPT_S, path="/", httponly=True, secure=parts.settings.is_tls, samesite="Lax"
    )


def _name(parts: Parts) -> str:
    return "__Host-idling-device" if parts.settings.is_tls else "idling-device"
