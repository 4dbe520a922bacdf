"""Refusals at the door, for the audit trail: failed sign-ins, bad credentials, forged requests.

What was done is audited where it is done (``identity/logins``, the mutations). What was
refused is seen here, on the way out, whoever refused it: so no door can forget it.
"""

from __future__ import annotations

from aiohttp import web

from idling_ws.domain.errors import AuthError, DeniedError, IdlingError
from idling_ws.domain.ids import ALL
from idling_ws.edge.forwarded import address_of
from idling_ws.edge.parts import PARTS, Parts
from idling_ws.edge.problems import TRACE_ID, Handler
from idling_ws.edge.who import RECOGNISED, SAFE_METHODS
from idling_ws.identity.caller import CALLER, Caller
from idling_ws.mutations.pipeline import Asker
from idling_ws.store.audit_trail import CONFIRMED, REFUSED, Event
from idling_ws.wire.tracing import new_trace_id

# Set by who noted a refusal already, with what only it knows.
NOTED: web.RequestKey[bool] = web.RequestKey("noted", bool)

_REFUSING = frozenset({400, 401, 403, 409, 502, 503, 504})


@web.middleware
async def audit_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say who calls, and note what was refused."""
    address, trace_id = address_of(request), request[TRACE_ID]
    CALLER.set(Caller(address, trace_id))
    try:
        response = await handler(request)
    except IdlingError as exc:
        if _is_refusal(request, exc) and NOTED not in request:
            _note(request, address, trace_id, exc.fault.status, exc.code)
        raise
    if response.status in _REFUSING and request.path.startswith("/auth/") and NOTED not in request:
        _note(request, address, trace_id, response.status, None)
    return response


def _is_refusal(request: web.Request, exc: IdlingError) -> bool:
    if request.path.startswith("/auth/"):
        return exc.fault.status in _REFUSING
    if isinstance(exc, AuthError):
        # Who comes with nothing and only looks was not turned away from anything.
        return "Authorization" in request.headers or "Cookie" in request.headers or request.method not in SAFE_METHODS
    return isinstance(exc, DeniedError)


def _note(request: web.Request, address: str, trace_id: str, status: int, code: str | None) -> None:
    resource = request.match_info.route.resource
    path = "unknown" if resource is None else resource.canonical
    action = "login" if path.startswith(("/auth/callback/", "/auth/guest")) else f"{request.method} {path}"
    facts: dict[str, object] = {"status": status} if code is None else {"status": status, "code": code}
    event = Event(action, REFUSED, *_whose(request.get(RECOGNISED)), trace_id=trace_id, address=address, after=facts)
    request.app[PARTS].trail.note(event)


def _whose(user_id: int | None) -> tuple[int, str]:
    """Return in whose chain a refusal stands, and who was refused."""
    return (ALL, "anonymous") if user_id is None else (user_id, f"user:{user_id}")


def note_socket(
    parts: Parts, action: str, exc: IdlingError, *, user_id: int | None, address: str, trace_id: str
) -> None:
    """Note credentials that a socket brought and that were refused."""
    facts = {"code": exc.code}
    parts.trail.note(Event(action, REFUSED, *_whose(user_id), trace_id=trace_id, address=address, after=facts))


def note_refusal(request: web.Request, exc: IdlingError) -> None:
    """Note a refusal that is answered with a page instead of the problem."""
    request[NOTED] = True
    _note(request, address_of(request), request[TRACE_ID], exc.fault.status, exc.code)


def note_watching(parts: Parts, action: str, asker: Asker) -> None:
    """Note that somebody began to watch what only few may see."""
    parts.trail.note(
        Event(
            action,
            CONFIRMED,
            asker.user_id,
            f"user:{asker.user_id}",
            trace_id=new_trace_id(),
            address=asker.address,
        )
    )


def note_denied(parts: Parts, asker: Asker, name: str, mid: str, trace_id: str, code: str) -> None:
    """Note a mutation that its sender may not make."""
    if isinstance(asker.source, web.Request):
        asker.source[NOTED] = True  # not again on its way out
    parts.trail.note(
        Event(
            name,
            REFUSED,
            asker.user_id,
            f"user:{asker.user_id}",
            mid=mid,
            trace_id=trace_id,
            address=asker.address,
            after={"code": code},
        )
    )
