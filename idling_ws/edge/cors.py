"""CORS: pages of the allowed origins, and of no other, may use the API from where they are.

Those origins may open a socket with the cookie already, so their requests may carry it
too; what changes something still has to prove its origin (``who.check_forgery``). Signing
in and out stays with our own pages: only ``/auth/token`` is shared.
"""

from __future__ import annotations

import aiohttp_cors
from aiohttp import web

from idling_ws.config import Settings
from idling_ws.edge.lacking import LACKS

SHARED = "/api/"
SHARED_ALSO = frozenset({"/auth/token"})
MAX_AGE_S = 600


def share_with_allowed_origins(app: web.Application, settings: Settings) -> None:
    """Answer preflights for the API, once all routes are there."""
    others = settings.allowed_origins - {settings.public_url}
    if not others:
        return
    options = aiohttp_cors.ResourceOptions(  # type: ignore[no-untyped-call]  # it has no types
        allow_credentials=True,
        allow_headers=("Authorization", "Content-Type", "Idempotency-Key", "If-Match"),
        expose_headers=("ETag", LACKS, "Retry-After", "X-Trace-Id"),
        allow_methods=("GET", "POST", "PATCH", "PUT", "DELETE"),
        max_age=MAX_AGE_S,
    )
    cors = aiohttp_cors.setup(app, defaults=dict.fromkeys(sorted(others), options))
    for route in list(app.router.routes()):
        resource = route.resource
        if resource is None or route.method in {"HEAD", "OPTIONS"}:
            continue
        if resource.canonical.startswith(SHARED) or resource.canonical in SHARED_ALSO:
            cors.add(route)
