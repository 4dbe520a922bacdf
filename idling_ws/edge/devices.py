"""Where somebody is signed in, and signing out: this device, another one, all of them."""

from __future__ import annotations

from aiohttp import web

from idling_ws.domain.clock import rfc3339
from idling_ws.domain.devices import device_name
from idling_ws.domain.errors import InvalidError
from idling_ws.edge.browser_session import close_session
from idling_ws.edge.endings import end_login
from idling_ws.edge.parts import PARTS
from idling_ws.edge.problems import json_response
from idling_ws.edge.sockets import SOCKETS
from idling_ws.edge.who import bearer, identify, recognise
from idling_ws.identity.tokens import LoginId


async def list_devices(request: web.Request) -> web.Response:
    """``GET /api/devices``: one's own, the latest used first."""
    identity = await identify(request)
    found = await request.app[PARTS].logins.devices(identity.user_id)
    devices = [
        {
            "id": device.id,
            "name": device_name(device.user_agent),
            "provider": device.provider,
            "user_agent": device.user_agent,
            "address": device.address,
            "created_at": rfc3339(device.created_at),
            "last_seen_at": rfc3339(device.last_seen_at),
            "expires_at": rfc3339(device.expires_at),
            "current": device.id == identity.login_id,
        }
        for device in found
    ]
    return json_response({"devices": devices})


async def delete_device(request: web.Request) -> web.Response:
    """``DELETE /api/devices/{id}``: that device is signed out, everywhere within two seconds."""
    parts = request.app[PARTS]
    identity = await identify(request)
    login_id = LoginId(request.match_info["id"])
    if "\0" in login_id or not await parts.logins.logout_device(identity.user_id, login_id):
        raise InvalidError("not_found")
    end_login(request.app[SOCKETS], parts.revocations, identity.user_id, login_id)
    if login_id == identity.login_id:
        await _forget_cookie(request)
    return json_response({})


async def post_logout(request: web.Request) -> web.Response:
    """``POST /auth/logout``: this login ends, and all that hangs on it."""
    parts = request.app[PARTS]
    identity = await recognise(request)  # somebody suspended may go
    await parts.logins.logout(identity.login_id)
    end_login(request.app[SOCKETS], parts.revocations, identity.user_id, identity.login_id)
    await _forget_cookie(request)
    return json_response({})


async def post_logout_everywhere(request: web.Request) -> web.Response:
    """``POST /auth/logout-everywhere``: all of somebody's logins end."""
    parts = request.app[PARTS]
    identity = await recognise(request)  # somebody suspended may go
    ended = await parts.logins.logout_everywhere(identity.user_id)
    for login_id in ended:
        end_login(request.app[SOCKETS], parts.revocations, identity.user_id, login_id)
    await _forget_cookie(request)
    return json_response({"ended": len(ended)})


async def _forget_cookie(request: web.Request) -> None:
    if bearer(request) is None:
        await close_session(request)
