"""Requests in traces: one span each, but for what stays open as long as somebody listens."""

from __future__ import annotations

from aiohttp import web

from idling_ws.edge.problems import TRACE_ID, Handler
from idling_ws.observe.tracing import Tracing

TRACING: web.AppKey[Tracing] = web.AppKey("tracing", Tracing)
SOCKET = "/ws"


@web.middleware
async def trace_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer inside of a span."""
    if request.path == SOCKET or "text/event-stream" in request.headers.get("Accept", ""):
        return await handler(request)
    resource = request.match_info.route.resource
    route = "unknown" if resource is None else resource.canonical
    tracing = request.app[TRACING]
    with tracing.request(request.method, route, request.headers) as span:
        response = await handler(request)
        tracing.answered(span, response.status, request.get(TRACE_ID))
    return response
