"""The door for sockets: recognise, check the origin, upgrade."""

from __future__ import annotations

import secrets

from aiohttp import web

from idling_ws.domain.errors import UnavailableError
from idling_ws.edge.forwarded import address_of
from idling_ws.edge.line import accept_key, open_direct
from idling_ws.edge.parts import PARTS
from idling_ws.edge.socket import DeviceSocket
from idling_ws.edge.sockets import SOCKETS
from idling_ws.edge.stock_line import StockLine
from idling_ws.edge.who import known


async def open_socket(request: web.Request) -> web.StreamResponse:
    """``GET /ws``. Refusals come as problems before the upgrade."""
    parts = request.app[PARTS]
    sockets = request.app[SOCKETS]
    accept = accept_key(request)
    sockets.admission.check_connect()
    who = await known(request)
    if parts.draining:
        raise UnavailableError("unavailable", "This instance is leaving. Connect again.", retry_after_ms=1000)
    if request.transport is None:  # the client went away while it was recognised
        raise web.HTTPBadRequest
    address = address_of(request)
    sockets.addresses.enter(address)
    socket = DeviceSocket(parts, sockets, who, address, secrets.token_urlsafe(9))
    sockets.add(socket)
    if parts.settings.socket == "stock":
        line = StockLine(request, parts.settings.frame_bytes)
        socket.connected(line)
        return await line.serve(socket)
    socket.connected(open_direct(request, socket, accept, parts.settings.frame_bytes))
    return web.Response()
