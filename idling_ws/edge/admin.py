"""The operator's side: the page, and what it asks for over REST. For admins, by the policy table; each look is audited.

Figures come over the page's own socket (``edge.topics``). Here are look-ups of people, the entries
of one stream when somebody really has to read them, and ending connections wherever they are.
"""

from __future__ import annotations

import contextlib
import re

from aiohttp import web

from idling_ws.domain.clock import rfc3339
from idling_ws.domain.devices import device_name
from idling_ws.domain.errors import DeniedError, InvalidError, JsonObject, UnavailableError
from idling_ws.domain.ids import UserId
from idling_ws.domain.names import name_key
from idling_ws.edge.auditing import note_refusal
from idling_ws.edge.bodies import only, read_object
from idling_ws.edge.browser_session import by_cookie
from idling_ws.edge.emojis import whole_number
from idling_ws.edge.forwarded import address_of
from idling_ws.edge.pages import CONTENT_SECURITY_POLICY, Pages
from idling_ws.edge.parts import PARTS
from idling_ws.edge.problems import TRACE_ID, json_response
from idling_ws.edge.who import RECOGNISED, identify, refuse_suspended
from idling_ws.identity.person import Identity
from idling_ws.identity.policy import allow
from idling_ws.store import people
from idling_ws.store.audit_trail import Event
from idling_ws.wire.jsontext import decode
from idling_ws.wire.requests import UsersQuery
from idling_ws.wire.schemas import load

PAGE = "admin.html"
ENTRIES_AT_ONCE = 100
MAX_USER_ID = 2**53 - 1
_CONNECTION = re.compile("[!-~]{1,64}")


_NOT_FOR_YOU = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Operations · Idling</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<link rel="stylesheet" href="/static/css/tokens.css"><link rel="stylesheet" href="/static/css/base.css">
<link rel="stylesheet" href="/static/css/controls.css"><link rel="stylesheet" href="/static/css/docs.css"></head>
<body><main class="docs stack"><h1>Operations</h1><p>This page is for whoever runs the place.</p>
<p><a class="button" href="/">To the room</a></p></main></body></html>
"""


class AdminPage:
    """Serves the page."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    async def get(self, request: web.Request) -> web.StreamResponse:
        """``GET /admin``: who is not signed in is sent to the front door; who may not see it is told so."""
        identity = await by_cookie(request)
        if identity is None:
            headers = {"Location": "/?next=/admin", "Cache-Control": "no-store"}
            return web.Response(status=303, headers=headers)
        request[RECOGNISED] = identity.user_id
        try:
            refuse_suspended(request.app[PARTS], identity)
            allow(identity.person.roles, "admin.view")
        except DeniedError as exc:
            if "text/html" not in request.headers.get("Accept", ""):
                raise
            note_refusal(request, exc)
            headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Cache-Control": "no-store"}
            return web.Response(text=_NOT_FOR_YOU, content_type="text/html", status=403, headers=headers)
        return self._pages.page(request, PAGE)


async def list_instances(request: web.Request) -> web.Response:
    """``GET /api/admin/instances``: who is up and how they do, and the last two minutes of all together."""
    await _allow(request, "admin.view")
    roster = request.app[PARTS].roster
    with contextlib.suppress(UnavailableError):
        await roster.look()
    return json_response({"instances": roster.instances(), "history": await roster.history()})


async def find_users(request: web.Request) -> web.Response:
    """``GET /api/admin/users?q=``: by id, or by how a name begins."""
    identity = await _allow(request, "admin.lookup")
    query = str(load(UsersQuery(only=("q",)), {"q": request.query.get("q", "")})["q"]).strip()
    await _audit(request, identity, "admin.search", identity.user_id, {"q": query})
    is_id = query.isascii() and query.isdigit() and int(query) <= MAX_USER_ID
    found = await people.find(request.app[PARTS].database, int(query) if is_id else None, name_key(query))
    return json_response({"users": [_found(one) for one in found]})


async def get_user(request: web.Request) -> web.Response:
    """``GET /api/admin/users/{id}``: roles, stream, session, devices, and connections on every instance."""
    parts, user_id, identity = request.app[PARTS], _user_id(request), await _allow(request, "admin.lookup")
    account = await people.account(parts.database, user_id)
    if account is None:
        raise InvalidError("not_found")
    await _audit(request, identity, "admin.lookup", user_id)
    session = await parts.sessions.active(user_id)
    devices = await parts.logins.devices(UserId(user_id))
    connections, silent = await parts.roster.connections_of(user_id)
    stream: JsonObject = {"head": account.head, "audit_rows": account.audit_rows, "published": True}
    if account.waiting_since is not None:
        stream |= {"published": False, "waiting_since": rfc3339(account.waiting_since)}
    return json_response(
        {
            "user": {**_found(account.found), "bio": account.bio, "created_at": rfc3339(account.created_at)},
            "stream": stream,
            "session": None if session is None else session.to_history(parts.clock.now()),
            "devices": [
                {
                    "id": device.id,
                    "name": device_name(device.user_agent),
                    "provider": device.provider,
                    "address": device.address,
                    "created_at": rfc3339(device.created_at),
                    "last_seen_at": rfc3339(device.last_seen_at),
                }
                for device in devices
            ],
            "connections": connections,
            "silent_instances": silent,
        }
    )


async def list_entries(request: web.Request) -> web.Response:
    """``GET /api/admin/users/{id}/entries?after=``: what one stream holds, contents and all. The look is on record."""
    parts, user_id, identity = request.app[PARTS], _user_id(request), await _allow(request, "admin.read_entries")
    raw = request.query.get("after", "0")
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 15):
        raise InvalidError(fields={"after": ["Not a position in a stream."]})
    limit = whole_number(request.query.get("limit", "20"), "limit", ENTRIES_AT_ONCE)
    if await people.account(parts.database, user_id) is None:
        raise InvalidError("not_found")
    await _audit(request, identity, "admin.read_entries", user_id, {"after": int(raw), "limit": limit})
    entries = await parts.stream_log.after(user_id, int(raw), limit)
    return json_response({"entries": [decode(entry.frame) for entry in entries]})


async def disconnect(request: web.Request) -> web.Response:
    """``POST /api/admin/users/{id}/disconnect``: all of somebody's connections, or one; everywhere within two seconds."""  # noqa: E501 -- one sentence
    parts, user_id, identity = request.app[PARTS], _user_id(request), await _allow(request, "admin.disconnect")
    body = only(await read_object(request, required=False), "connection")
    connection = body.get("connection")
    if connection is not None and not (type(connection) is str and _CONNECTION.fullmatch(connection)):
        raise InvalidError(fields={"connection": ["Not a connection's id."]})
    if await people.account(parts.database, user_id) is None:
        raise InvalidError("not_found")
    await _audit(request, identity, "admin.disconnect", user_id, {"connection": connection})
    await parts.revocations.disconnect(UserId(user_id), connection)
    return json_response({}, status=202)


async def _allow(request: web.Request, action: str) -> Identity:
    identity = await identify(request)
    allow(identity.person.roles, action)
    return identity


async def _audit(
    request: web.Request, identity: Identity, action: str, about: int, facts: JsonObject | None = None
) -> None:
    """Put it on record before it is done, in the chain of whoever it is about. Raises ``UnavailableError``."""
    event = Event(
        action,
        user_id=about,
        actor=f"user:{identity.user_id}",
        trace_id=request[TRACE_ID],
        address=address_of(request),
        after=facts,
    )
    await request.app[PARTS].trail.record(event)


def _user_id(request: web.Request) -> int:
    raw = request.match_info["id"]
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 16 and 0 < int(raw) <= MAX_USER_ID):
        raise InvalidError("not_found")
    return int(raw)


def _found(one: people.Found) -> JsonObject:
    shown: JsonObject = {"id": one.id, "name": one.name, "roles": one.roles}
    if one.suspended_until is not None:
        shown["suspended_until"] = rfc3339(one.suspended_until)
    return shown
