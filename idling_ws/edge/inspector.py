"""The inspector: the protocol's playground, for whoever is signed in, on their own streams only.

It is a page like any other client: what it shows, the socket told it. So there is nothing
here but the way to its file, and a list of what one may ask for.
"""

from __future__ import annotations

from aiohttp import web

from idling_ws.domain.errors import JsonObject
from idling_ws.edge.browser_session import by_cookie
from idling_ws.edge.pages import Pages
from idling_ws.edge.parts import PARTS
from idling_ws.edge.problems import json_response
from idling_ws.edge.who import identify
from idling_ws.identity.policy import allows
from idling_ws.mutations.table import MUTATIONS
from idling_ws.wire.describing import describe

PAGE = "inspector.html"


class Inspector:
    """Serves the page."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    async def get(self, request: web.Request) -> web.StreamResponse:
        """``GET /inspector``: who is not signed in, or may not come in, is sent to the front door."""
        parts = request.app[PARTS]
        identity = await by_cookie(request)
        until = None if identity is None else identity.suspended_until
        if identity is None or (until is not None and until > parts.clock.now()):
            headers = {"Location": "/?next=/inspector", "Cache-Control": "no-store"}
            return web.Response(status=303, headers=headers)
        return self._pages.page(request, PAGE)


async def list_mutations(request: web.Request) -> web.Response:
    """``GET /api/mutations``: every mutation there is, its arguments as JSON Schema, and whether one may ask for it."""
    identity = await identify(request)
    listed: list[JsonObject] = [
        {"name": name, "args": describe(mutation.schema), "allowed": allows(identity.person.roles, name)}
        for name, mutation in MUTATIONS.items()
        if mutation.public
    ]
    return json_response({"mutations": listed})
