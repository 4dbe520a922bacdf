"""For machines that watch: is it up, may it get work, what does it count, which version."""

from __future__ import annotations

import asyncio

from aiohttp import web

from idling_ws import __version__
from idling_ws.domain.errors import UnavailableError
from idling_ws.edge.parts import PARTS, Parts
from idling_ws.edge.problems import json_response

CHECK_TIMEOUT_S = 1.5


async def healthz(request: web.Request) -> web.Response:
    """``GET /healthz``: the loop turns."""
    return json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """``GET /readyz``: 200 ready or degraded, by part; 503 when it should get no work."""
    parts = request.app[PARTS]
    states = {
        "postgres": await _check_postgres(parts),
        "redis": parts.fanout.lines,
        "canary": "ok" if parts.fanout.healthy else "deaf",
        **parts.replicas.parts(),
        **parts.health.parts(),
    }
    if parts.draining:
        states["instance"] = "draining"
    unready = states["postgres"] == "down" or parts.draining
    status = "unready" if unready else "ready" if set(states.values()) == {"ok"} else "degraded"
    return json_response(
        {"status": status, "parts": states, "instance": parts.instance}, status=503 if unready else 200
    )


async def _check_postgres(parts: Parts) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await parts.database.state()
    except (UnavailableError, TimeoutError):
        return "down"


async def metrics(request: web.Request) -> web.Response:
    """``GET /metrics``: Prometheus text."""
    return web.Response(
        body=request.app[PARTS].metrics.render(),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8", "Cache-Control": "no-store"},
    )


async def version(request: web.Request) -> web.Response:
    """``GET /version``."""
    parts = request.app[PARTS]
    return json_response({"name": "idling_ws", "version": __version__, "instance": parts.instance})
