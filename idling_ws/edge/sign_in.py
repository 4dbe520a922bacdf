"""Signing in through a provider: out to it, back from it, and what a browser then sees.

    GET /auth/login/{provider} -> the provider -> GET /auth/callback/{provider} -> next, signed in

A browser that cannot go on is sent to ``/?login_error=<code>``; whoever did not ask for a
page gets the problem. Nothing that a provider or an address line said gets into either.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping

from aiohttp import web

from idling_ws.domain.devices import device_name
from idling_ws.domain.errors import DeniedError, IdlingError, InvalidError, RejectedError, UnavailableError
from idling_ws.edge.auditing import NOTED
from idling_ws.edge.browser_session import by_cookie, open_session
from idling_ws.edge.device_cookie import device_of, keep_device
from idling_ws.edge.endings import end_login
from idling_ws.edge.forwarded import address_of
from idling_ws.edge.parts import PARTS, Parts
from idling_ws.edge.problems import TRACE_ID, json_response, problem, route_of
from idling_ws.edge.sockets import SOCKETS
from idling_ws.edge.who import agent_of, refuse_suspended
from idling_ws.identity.attempts import LIFE, AttemptError
from idling_ws.identity.person import Identity
from idling_ws.identity.sign_in import Arrival, Linking
from idling_ws.store.audit_trail import REFUSED, Event

log = logging.getLogger(__name__)

# Attempts that one browser may have under way, in as many tabs.
MAX_ATTEMPTS = 4


async def get_providers(request: web.Request) -> web.Response:
    """``GET /auth/providers``: what to offer on the way in."""
    parts = request.app[PARTS]
    offered = [{"name": name, "title": title} for name, title in parts.sign_in.offered()]
    return json_response({"providers": offered, "guest": parts.settings.guest_login})


async def get_login(request: web.Request) -> web.Response:
    """``GET /auth/login/{provider}``: off to the provider."""
    parts = request.app[PARTS]
    try:
        current = await by_cookie(request)
        if current is not None:
            refuse_suspended(parts, current)
            _refuse_foreign_link(request, parts)
        departure = await parts.sign_in.begin(request.match_info["provider"], request.query.get("next", "/"), current)
    except IdlingError as exc:
        return _failed(request, exc)
    response = _redirect(departure.url)
    attempts = [name for name in request.cookies if name.startswith(_attempt_prefix(parts))]
    for name in attempts if len(attempts) >= MAX_ATTEMPTS else ():
        _drop_attempt(response, parts, name)
    response.set_cookie(
        _attempt_cookie(parts, departure.state),
        departure.cookie,
        max_age=int(LIFE.total_seconds()),
        path="/",
        httponly=True,
        secure=parts.settings.is_tls,
        samesite="Lax",  # it has to come along when the provider sends the browser back
    )
    return response


async def get_callback(request: web.Request) -> web.Response:
    """``GET /auth/callback/{provider}``: back from the provider."""
    parts = request.app[PARTS]
    attempt = _attempt_cookie(parts, request.query.get("state", ""))
    device = device_of(request)
    try:
        current = await by_cookie(request)
        came = await parts.sign_in.arrive(
            request.match_info["provider"],
            _answer(request.query),
            request.cookies.get(attempt),
            current,
            address=address_of(request),
            user_agent=agent_of(request),
            device=device,
        )
        if isinstance(came, Linking):
            await _link(request, came, device)
        else:
            await _enter(request, came, current)
        response = _redirect(came.next_path)
        keep_device(response, parts, device)
    except IdlingError as exc:
        response = _failed(request, exc)
        if exc.fault.retryable:
            return response  # the same answer may do when it is asked again
    _drop_attempt(response, parts, attempt)
    return response


async def _enter(request: web.Request, arrival: Arrival, current: Identity | None) -> None:
    """Hand out the cookie of a new login, and tell the user of it when the device is new to them."""
    parts = request.app[PARTS]
    if current is not None:
        end_login(request.app[SOCKETS], parts.revocations, current.user_id, current.login_id)
    await open_session(request, Identity(arrival.person, arrival.login.login_id, None), arrival.login.cookie_token)
    if arrival.is_new:
        return
    user_id, provider = arrival.person.id, request.match_info["provider"]
    changes: list[tuple[str, dict[str, object]]] = []
    if arrival.account_name is not None:
        changes.append(("account.rename", {"provider": provider, "name": arrival.account_name}))
    try:
        if arrival.login.is_to_tell:
            device = device_name(agent_of(request))
            seen = {"login": arrival.login.login_id, "provider": provider, "device": device}
            changes.append(("device.signed_in", dict(seen)))
        for name, args in changes:
            await parts.pipeline.submit_own(user_id, name, args, address=address_of(request))
    except (UnavailableError, RejectedError) as exc:
        # They are in: what only goes with it must not keep them out. Of the device a job will tell.
        log.warning("user %d signed in, but not everything could be noted: %s", user_id, exc.code)


async def _link(request: web.Request, linking: Linking, device: str) -> None:
    """Make the account another way in, as a change in the user's own stream; the cookie is another one then."""
    parts = request.app[PARTS]
    identity = linking.identity
    refuse_suspended(parts, identity)
    await parts.pipeline.submit_own(
        identity.user_id,
        "account.link",
        {
            "provider": linking.profile.provider,
            "subject": linking.profile.subject,
            "name": linking.account_name,
        },
        actor=f"user:{identity.user_id}",
        address=address_of(request),
        trace_id=request[TRACE_ID],
    )
    await open_session(request, identity, await parts.logins.change_cookie(identity.login_id, device))


def _refuse_foreign_link(request: web.Request, parts: Parts) -> None:
    """Refuse to link on a foreign page's wish.

    It could have signed the browser in as somebody else at the provider before, and that
    somebody would own the account from then on.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        is_foreign = site not in {"same-origin", "none"}
    else:
        came_from = request.headers.get("Referer")
        is_foreign = came_from is not None and not came_from.startswith(f"{parts.settings.public_url}/")
    if is_foreign:
        raise DeniedError("forbidden", "Begin that on the place's own page.")


def _answer(query: Mapping[str, str]) -> dict[str, str]:
    """Return what a provider sent along. Nothing may come twice (RFC 6749, section 3.1)."""
    answer = dict(query)
    if len(answer) != len(query):
        raise AttemptError("a parameter came twice")
    return answer


def _failed(request: web.Request, exc: IdlingError) -> web.Response:
    parts = request.app[PARTS]
    name, trace_id = request.match_info["provider"], request[TRACE_ID]
    is_known = name in {offered for offered, _ in parts.sign_in.offered()}
    reason = str(getattr(exc, "reason", ""))
    log.info("sign-in through %s failed: %s %s", name if is_known else "nobody", exc.code, reason)
    facts = {"provider": name if is_known else None, "code": exc.code, "reason": reason}
    parts.trail.note(Event("login", REFUSED, trace_id=trace_id, address=address_of(request), after=facts))
    request[NOTED] = True
    parts.metrics.failed(exc.code, route_of(request))
    if not _wants_a_page(request) or (isinstance(exc, InvalidError) and not is_known):
        return problem(exc, trace_id)
    return _redirect(f"/?login_error={exc.code}")


def _wants_a_page(request: web.Request) -> bool:
    return request.headers.get("Sec-Fetch-Mode") == "navigate" or "text/html" in request.headers.get("Accept", "")


def _redirect(url: str) -> web.Response:
    # 303: whatever it was, go on with a GET. What stands in the address line stays between us and the browser.
    headers = {"Location": url, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return web.Response(status=303, headers=headers)


def _attempt_prefix(parts: Parts) -> str:
    return "__Host-idling-attempt-" if parts.settings.is_tls else "idling-attempt-"


def _attempt_cookie(parts: Parts, state: str) -> str:
    """Return the name of the cookie of one attempt, so that two tabs do not take each other's."""
    return _attempt_prefix(parts) + hashlib.sha256(state.encode(errors="surrogatepass")).hexdigest()[:12]


def _drop_attempt(response: web.Response, parts: Parts, name: str) -> None:
    response.del_cookie(name, path="/", httponly=True, secure=parts.settings.is_tls, samesite="Lax")
