"""Listening: the parts behind one address, from the first connection to the last goodbye."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from idling_ws import __version__
from idling_ws.app import running_parts
from idling_ws.config import Settings
from idling_ws.edge.auditing import audit_refusals
from idling_ws.edge.browser_session import add_sessions
from idling_ws.edge.cors import share_with_allowed_origins
from idling_ws.edge.deadlines import LINGER_S, HeadDeadlines
from idling_ws.edge.lacking import tell_lacks
from idling_ws.edge.limits import limit_requests
from idling_ws.edge.parts import PARTS
from idling_ws.edge.problems import answer_problems, mark
from idling_ws.edge.putting_off import put_reads_off
from idling_ws.edge.routes import add_routes
from idling_ws.edge.sockets import SOCKETS
from idling_ws.edge.tracing import TRACING, trace_request
from idling_ws.edge.unreadable import Runner
from idling_ws.observe.tracing import open_tracing
from idling_ws.wire.closing import Close

MAX_BODY_BYTES = 1 << 20
# So that a query that is far too long is still read, and answered in words that say so.
MAX_LINE_BYTES = 1 << 16
# Leaving takes ten seconds at most, also when a store is frozen: these and two more for requests.
STOP_MUTATIONS_S = 3.0
STOP_SOCKETS_S = 3.0


def build_app(settings: Settings, *, database_url: str, redis_url: str) -> web.Application:
    """Return the application of one instance. Its parts live from start-up to clean-up."""
    app = web.Application(middlewares=[answer_problems, audit_refusals], client_max_size=MAX_BODY_BYTES)
    add_sessions(app, settings)
    app.middlewares.extend((put_reads_off, limit_requests))
    app.on_response_prepare.extend((mark, tell_lacks))

    tracing = open_tracing(settings.otel_endpoint, __version__)
    if tracing is not None:
        app[TRACING] = tracing
        app.middlewares.insert(0, trace_request)

    async def run_parts(app: web.Application) -> AsyncIterator[None]:
        async with running_parts(settings, database_url, redis_url, app) as parts:
            if tracing is not None:
                parts.pipeline.on_submitted = tracing.mutation
            yield
        if tracing is not None:
            await tracing.stop()

    app.cleanup_ctx.append(run_parts)
    app.on_shutdown.append(_leave)
    add_routes(app)
    share_with_allowed_origins(app, settings)
    return app


async def _leave(app: web.Application) -> None:
    """Send every device elsewhere, with its mutations in flight settled first."""
    parts = app[PARTS]
    if parts.draining:
        return
    parts.draining = True
    await parts.drain_mutations(STOP_MUTATIONS_S)
    sockets = app[SOCKETS]
    await sockets.drain(STOP_SOCKETS_S)
    parts.hub.fail_all(Close.DRAINING)


async def serve(
    settings: Settings, *, database_url: str, redis_url: str, reuse_port: bool, stop: asyncio.Event
) -> None:
    """Serve until ``stop`` is set, then leave without losing anything."""
    app = build_app(settings, database_url=database_url, redis_url=redis_url)
    runner = Runner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=2.0,
        keepalive_timeout=75.0,
        lingering_time=LINGER_S,
        max_line_size=MAX_LINE_BYTES,
    )
    await runner.setup()
    server = runner.server
    assert server is not None, "it was set up"  # noqa: S101 -- for the type checker
    app[PARTS].metrics.gauge("idling_http_connections", "Open HTTP connections", lambda: len(server.connections))
    heads = HeadDeadlines(server)
    heads.start()
    try:
        site = web.TCPSite(
            runner, settings.host, settings.port, backlog=4096, reuse_port=reuse_port or None, shutdown_timeout=2.0
        )
        await site.start()
        await stop.wait()
        if reuse_port:
            await site.stop()  # new connections go to those who share the port
        await _leave(app)
    finally:
        await heads.stop()
        await runner.cleanup()
