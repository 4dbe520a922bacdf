"""Coming in without a provider, and what a device goes on with: guests, access tokens, refresh, the keys."""

from __future__ import annotations

import logging

from aiohttp import web

from idling_ws.domain.devices import device_name
from idling_ws.domain.errors import AuthError, DeniedError, IdlingError, InvalidError
from idling_ws.edge.bodies import only, read_object
from idling_ws.edge.browser_session import by_cookie, open_session
from idling_ws.edge.endings import end_login
from idling_ws.edge.forwarded import address_of
from idling_ws.edge.parts import PARTS
from idling_ws.edge.problems import json_response
from idling_ws.edge.sockets import SOCKETS
from idling_ws.edge.who import agent_of, bearer, check_forgery, identify
from idling_ws.identity.logins import RefreshReusedError
from idling_ws.identity.person import Identity, Person
from idling_ws.wire.jsontext import encode

log = logging.getLogger(__name__)


def _user(person: Person) -> dict[str, object]:
    return {"id": person.id, "name": person.name, "roles": list(person.roles)}


async def post_guest(request: web.Request) -> web.Response:
    """``POST /auth/guest``: a throw-away account, where that is allowed."""
    parts = request.app[PARTS]
    if not parts.settings.guest_login:
        raise DeniedError("forbidden", "Guests are not admitted here.")
    if "Origin" in request.headers or "Sec-Fetch-Site" in request.headers:
        check_forgery(request, parts)  # a foreign page must not sign its visitors in
    body = only(await read_object(request, required=False), "name")
    name = body.get("name")
    if name is not None and type(name) is not str:
        raise InvalidError(fields={"name": ["Not a string."]})
    before = await by_cookie(request)
    login = await parts.guests.create(name, address=address_of(request), user_agent=agent_of(request))
    if before is not None:
        # The browser's cookie is replaced: what it held before must not live on.
        await parts.logins.logout(before.login_id)
        end_login(request.app[SOCKETS], parts.revocations, before.user_id, before.login_id)
    await open_session(request, Identity(login.user, login.login_id, None), login.cookie_token)
    return json_response(
        {
            "user": _user(login.user),
            "access_token": login.access_token,
            "refresh_token": login.refresh_token,
            "expires_in_s": login.expires_in_s,
        },
        status=201,
    )


async def post_token(request: web.Request) -> web.Response:
    """``POST /auth/token``: an access token for who has the cookie. A token alone does not prolong itself."""
    parts = request.app[PARTS]
    if bearer(request) is not None:
        raise AuthError("unauthenticated", "An access token is given for the cookie, or for a refresh token.")
    # Not from a copy: what goes out now holds for a while.
    identity = await parts.logins.identify((await identify(request)).login_id)
    token, expires_in_s = parts.logins.access_token(identity)
    return json_response({"access_token": token, "expires_in_s": expires_in_s, "user": _user(identity.person)})


async def post_refresh(request: web.Request) -> web.Response:
    """``POST /auth/refresh``: a new pair for a refresh token, which works once."""
    parts = request.app[PARTS]
    body = only(await read_object(request), "refresh_token")
    token = body.get("refresh_token")
    if type(token) is not str:
        raise InvalidError(fields={"refresh_token": ["Not a string."]})
    try:
        pair = await parts.logins.refresh(token)
    except RefreshReusedError as exc:
        await _end_reused(request, exc)
        raise
    return json_response(
        {"access_token": pair.access_token, "refresh_token": pair.refresh_token, "expires_in_s": pair.expires_in_s}
    )


async def _end_reused(request: web.Request, reused: RefreshReusedError) -> None:
    """Close what hangs on a login whose refresh token came twice, and tell its user."""
    parts = request.app[PARTS]
    end_login(request.app[SOCKETS], parts.revocations, reused.user_id, reused.login_id)
    try:
        provider, user_agent = await parts.logins.device(reused.login_id)
        told = {"login": reused.login_id, "provider": provider, "device": device_name(user_agent)}
        await parts.pipeline.submit_own(reused.user_id, "device.ended", told, address=address_of(request))
    except IdlingError as exc:
        log.warning("user %d could not be told of a reused refresh token: %s", reused.user_id, exc.code)


async def get_jwks(request: web.Request) -> web.Response:
    """``GET /.well-known/jwks.json``."""
    return web.Response(
        body=encode(request.app[PARTS].keyring.public_jwks()),
        content_type="application/json",
        headers={"Cache-Control": "public, max-age=300"},
    )
