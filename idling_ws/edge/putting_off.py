"""Putting off: while the loop is late, what only reads over HTTP has to wait, so that what is live need not.

Changes, heartbeats and signing in go on; so do health, metrics, and the files of the page.
"""

from __future__ import annotations

from aiohttp import web

from idling_ws.edge.problems import Handler
from idling_ws.edge.sockets import SOCKETS

READS = frozenset({"GET", "HEAD"})
PUT_OFF = "/api/"


@web.middleware
async def put_reads_off(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 503 with Retry-After to what can wait, before anything is done for it."""
    if request.method in READS and request.path.startswith(PUT_OFF):
        request.app[SOCKETS].admission.check_read()
    return await handler(request)
