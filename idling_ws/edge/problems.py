"""Errors on their way out over HTTP: RFC 9457 problems, one mapper for all of them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from structlog.contextvars import bound_contextvars

from idling_ws.domain.errors import IdlingError, InternalError, InvalidError, JsonObject
from idling_ws.edge.forwarded import is_over_tls
from idling_ws.edge.parts import PARTS
from idling_ws.observe.error_counts import UNMATCHED
from idling_ws.wire.jsontext import encode
from idling_ws.wire.tracing import trace_id_of

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TRACE_ID: web.RequestKey[str] = web.RequestKey("trace_id", str)

_CODE_OF_STATUS = {
    400: "bad_frame",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    413: "too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
}

# What goes on every answer; pages loosen the policy for their own scripts and styles.
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
# Else it names the library and its version.
SERVER = "idling"
# A year; without subdomains, which may be somebody else's.
HSTS = "max-age=31536000"


def json_response(body: object, status: int = 200, *, headers: dict[str, str] | None = None) -> web.Response:
    """Return personal JSON: never stored by anybody."""
    return web.Response(
        body=encode(body),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def page_response(body: JsonObject, following: str | None) -> web.Response:
    """Return one page of a list, with ``next`` where another follows."""
    return json_response(body if following is None else body | {"next": following})


def problem(error: IdlingError, trace_id: str, status: int | None = None, **more: object) -> web.Response:
    """Return ``error`` as ``application/problem+json``."""
    wire = error.to_wire(trace_id)
    code = status or error.fault.status
    body: JsonObject = {
        "type": f"urn:idling:{error.code}",
        "title": wire["message"],
        "status": code,
        **wire,
        **more,
    }
    if error.current is not None:
        body["current"] = error.current
    response = web.Response(body=encode(body), status=code, content_type="application/problem+json")
    response.headers["Cache-Control"] = "no-store"
    if error.retry_after_ms is not None:
        response.headers["Retry-After"] = str(max(1, -(-error.retry_after_ms // 1000)))
    if code == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


@web.middleware
async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into a problem, and count and mark every answer."""
    trace_id = trace_id_of(request.headers.get("traceparent"))
    request[TRACE_ID] = trace_id
    metrics = request.app[PARTS].metrics
    # Whatever is logged for it, from here on down, says which request it was.
    with bound_contextvars(trace_id=trace_id):
        response = await _answer(request, handler, trace_id)
    if is_over_tls(request):
        for cookie in response.cookies.values():
            cookie["secure"] = True
    metrics.requests.labels(request.method, str(response.status)).inc()
    return response


async def _answer(request: web.Request, handler: Handler, trace_id: str) -> web.StreamResponse:
    metrics = request.app[PARTS].metrics
    try:
        return await handler(request)
    except IdlingError as exc:
        metrics.failed(exc.code, route_of(request), is_a_fault=exc.is_a_fault)
        return problem(exc, trace_id)
    except web.HTTPException as exc:
        if exc.status < 400:
            raise
        code = _CODE_OF_STATUS.get(exc.status, "internal" if exc.status >= 500 else "bad_frame")
        metrics.failed(code, route_of(request))
        text = exc.text if exc.text and not exc.text.startswith(str(exc.status)) else None
        response = problem(InvalidError(code, text), trace_id, exc.status)
        for name in ("Allow", "Sec-WebSocket-Version"):
            if name in exc.headers:
                response.headers[name] = exc.headers[name]
        return response
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        metrics.failed("internal", route_of(request))
        return problem(InternalError(), trace_id)


def route_of(request: web.Request) -> str:
    """Return the pattern of the route that ``request`` took: there are as many as are written down."""
    resource = request.match_info.route.resource
    return UNMATCHED if resource is None else resource.canonical


async def mark(request: web.Request, response: web.StreamResponse) -> None:
    """Put the security headers and the trace id on every answer (an ``on_response_prepare`` signal)."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = SERVER
    if is_over_tls(request):
        response.headers["Strict-Transport-Security"] = HSTS
    trace_id = request.get(TRACE_ID)
    if trace_id is not None:
        response.headers.setdefault("X-Trace-Id", trace_id)
