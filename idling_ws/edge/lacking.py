"""What people cannot do just now, in the head of an answer: for who polls, and hears no notices."""

from __future__ import annotations

from aiohttp import web

from idling_ws.edge.parts import PARTS

# Absent when they can do everything.
LACKS = "Idling-Lacks"
_PATHS = frozenset({"/api/events", "/api/snapshot"})


async def tell_lacks(request: web.Request, response: web.StreamResponse) -> None:
    """Say what does not work where a long-poll looks (an ``on_response_prepare`` signal)."""
    if request.path in _PATHS and PARTS in request.app:
        lacking = [name for name, works in request.app[PARTS].health.abilities.items() if not works]
        if lacking:
            response.headers[LACKS] = ", ".join(lacking)
