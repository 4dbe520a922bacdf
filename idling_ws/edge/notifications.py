"""Notifications over REST, and the key that browsers subscribe to Web Push with."""

from __future__ import annotations

from aiohttp import web

from idling_ws.domain.errors import InvalidError
from idling_ws.edge.bodies import page, read_object
from idling_ws.edge.parts import PARTS
from idling_ws.edge.problems import json_response, page_response
from idling_ws.edge.rest import change
from idling_ws.edge.who import identify
from idling_ws.identity.policy import allow
from idling_ws.store import announcements, notices, notifications

_YES_NO = {"true": True, "false": False}


async def list_notifications(request: web.Request) -> web.Response:
    """``GET /api/notifications?unread=&after=&limit=``: the newest first, with ``unread_count``."""
    parts = request.app[PARTS]
    identity = await identify(request)
    unread = _YES_NO.get(request.query.get("unread", "false"))
    if unread is None:
        raise InvalidError(fields={"unread": ["Not true or false."]})
    after, limit = page(request)
    shown, count, following = await notifications.page_of(
        parts.database, identity.user_id, unread_only=unread, after=after, limit=limit
    )
    return page_response({"notifications": shown, "unread_count": count}, following)


async def mark_read(request: web.Request) -> web.Response:
    """``POST /api/notifications/read`` with ``ids`` or ``up_to``."""
    result, cursor, _ = await change(request, "notification.read", await read_object(request))
    return json_response({**result, "cursor": cursor})


async def list_announcements(request: web.Request) -> web.Response:
    """``GET /api/announcements?after=&limit=``: for who publishes them, the newest first."""
    parts = request.app[PARTS]
    identity = await identify(request)
    allow(identity.person.roles, "announcement.publish")
    after, limit = page(request)
    shown, following = await announcements.page_of(parts.database, after=after, limit=limit)
    return page_response({"announcements": shown}, following)


async def list_notices(request: web.Request) -> web.Response:
    """``GET /api/notices?after=&limit=``: operator notices, for an admin, the newest first."""
    parts = request.app[PARTS]
    identity = await identify(request)
    allow(identity.person.roles, "admin.view")
    after, limit = page(request)
    shown, following = await notices.page_of(parts.database, after=after, limit=limit)
    return page_response({"notices": shown}, following)


async def get_push_key(request: web.Request) -> web.Response:
    """``GET /api/push/key``: ``{key}``, base64url, for ``pushManager.subscribe``. 404 where push is off."""
    parts = request.app[PARTS]
    if not parts.settings.push.services.hosts:
        raise InvalidError("not_found", "Web Push is off here.")
    return json_response({"key": parts.push_key}, headers={"Cache-Control": "public, max-age=3600"})
