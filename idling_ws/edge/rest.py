"""REST: the fallback for writes, through the very same path as the socket, and the reads."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

from aiohttp import web

from idling_ws.domain.entries import CONFIRMED
from idling_ws.domain.errors import CODES, IdlingError, InvalidError, JsonObject, RejectedError, UnavailableError
from idling_ws.domain.ids import ALL
from idling_ws.domain.sessions import with_duration
from idling_ws.edge.bodies import idempotency_key, if_version, only, page, read_object
from idling_ws.edge.parts import PARTS, Parts
from idling_ws.edge.problems import TRACE_ID, json_response, page_response, route_of
from idling_ws.edge.reader import personal, reader
from idling_ws.edge.who import asker, identify
from idling_ws.mutations.batch import Settled
from idling_ws.mutations.pipeline import Asker, to_refusal, to_verdict
from idling_ws.store.log import Position
from idling_ws.wire.cursor import Cursor
from idling_ws.wire.frames import read_activity, read_mid, read_mutate

MAX_MUTATIONS = 100
# Sent by a service worker that empties the outbox while no page is open.
AWAY = "Idling-Away"


def cursor_of(position: Position) -> str:
    """Return the heads of a position as a cursor."""
    return str(Cursor(position.epoch, position.user_seq, position.all_seq))


async def post_mutations(request: web.Request) -> web.Response:
    """``POST /api/mutations``: in order, stopping at the first that has to be sent again."""
    parts = request.app[PARTS]
    who = replace(await asker(request), is_away=request.headers.get(AWAY) == "1")
    body = only(await read_object(request), "mutations")
    asked = body.get("mutations")
    if type(asked) is not list or not 1 <= len(asked) <= MAX_MUTATIONS:
        raise InvalidError(fields={"mutations": [f"Not a list of 1 to {MAX_MUTATIONS}."]})
    wrong = {
        f"mutations.{n}.mid": ["Not 1-64 characters of A-Za-z0-9_-."]
        for n, one in enumerate(asked)
        if not _has_mid(one)
    }
    if wrong:
        raise InvalidError(fields=wrong)
    verdicts: list[JsonObject] = []
    stopped = False
    for one in asked:
        if stopped:
            verdicts.append({"mid": one["mid"], "status": "not_run"})
            continue
        verdict = await _settle(parts, who, one, request[TRACE_ID])
        stopped = verdict["status"] == "error"
        if "error" in verdict and not verdict.get("duplicate"):
            parts.metrics.failed(verdict["error"]["code"], route_of(request))
        verdicts.append(verdict)
    seq = max([verdict.get("seq", -1) for verdict in verdicts])
    answer: JsonObject = {"verdicts": verdicts}
    # The verdicts are worth more than the cursor: without the database they go out alone.
    with contextlib.suppress(UnavailableError):
        answer["cursor"] = await _cursor_after(parts, who.user_id, seq)
    return json_response(answer)


def _has_mid(one: Any) -> bool:
    return type(one) is dict and read_mid(one) is not None


async def _settle(parts: Parts, who: Asker, one: JsonObject, trace_id: str) -> JsonObject:
    """Run one mutation of a list and return what the answer says of it."""
    mid: str = one["mid"]
    try:
        mutate = read_mutate(one)
        settled = await parts.pipeline.submit(who, mid, mutate.name, mutate.args, mutate.if_version, trace_id)
    except IdlingError as exc:
        if exc.fault.retryable or exc.code == "internal":
            return {"mid": mid, "status": "error", "error": exc.to_wire(trace_id)}
        return to_refusal(mid, exc, trace_id)
    return to_verdict(mid, settled)


async def _cursor_after(parts: Parts, user_id: int, seq: int) -> str:
    """Return the cursor at which ``seq`` is part of the state."""
    all_seq = parts.hub.last(ALL)
    if seq < 0 or all_seq < 0:
        return cursor_of(await parts.stream_log.position(user_id))
    return str(Cursor(await parts.stream_log.epoch(), seq, all_seq))


async def change(
    request: web.Request, name: str, args: JsonObject, *, version: int | None = None
) -> tuple[JsonObject, str, Settled]:
    """Run one mutation for a REST route; return its result, the cursor after it, and how it settled.

    Raises the error of its verdict, with ``current``, when it was rolled back.
    """
    parts = request.app[PARTS]
    who = await asker(request)
    mid = idempotency_key(request)
    settled = await parts.pipeline.submit(who, mid, name, args, version, request[TRACE_ID])
    return *await answer_of(parts, who.user_id, mid, settled), settled


async def answer_of(parts: Parts, user_id: int, mid: str, settled: Settled) -> tuple[JsonObject, str]:
    """Return the result of a mutation and the cursor after it.

    Raises the error of its verdict, with ``current``, when it was rolled back.
    """
    verdict = to_verdict(mid, settled)
    if verdict["status"] != CONFIRMED:
        error = verdict["error"]
        code = error["code"] if error["code"] in CODES else "conflict"
        raise RejectedError(code, error["message"], current=verdict.get("current"))
    return verdict["result"], await _cursor_after(parts, user_id, settled.seq)


async def get_snapshot(request: web.Request) -> web.Response:
    """``GET /api/snapshot``: state and cursor from one database snapshot."""
    parts = request.app[PARTS]
    identity = await identify(request)
    position = await parts.stream_log.snapshot(identity.user_id)
    parts.drops.note_position(identity.user_id, position.user_seq)
    return json_response({"state": position.state, "cursor": cursor_of(position)})


# -- sessions ------------------------------------------------------------------------


async def create_session(request: web.Request) -> web.Response:
    """``POST /api/sessions/create``."""
    result, cursor, _ = await change(request, "session.start", await read_object(request))
    return _session_answer(request, result, cursor, status=201)


def _session_answer(request: web.Request, held: JsonObject, cursor: str, status: int = 200) -> web.Response:
    shown = with_duration(held["session"], request.app[PARTS].clock.now())
    return json_response({"session": shown, "cursor": cursor}, status=status)


async def _change_session(request: web.Request, name: str) -> web.Response:
    """Run a mutation on the session that the body names, or on the latest one."""
    args = await read_object(request, required=False)
    if "id" not in args:
        parts = request.app[PARTS]
        identity = await identify(request)
        # The latest, not the active, and of a repeat the latest of then: it must find the same session.
        meant = await parts.sessions.meant(identity.user_id, idempotency_key(request))
        if meant is None:
            raise RejectedError("session_not_found", current={"session": None})
        args = {**args, "id": meant}
    result, cursor, _ = await change(request, name, args, version=if_version(request))
    return _session_answer(request, result, cursor)


async def end_session(request: web.Request) -> web.Response:
    """``POST /api/sessions/end``."""
    return await _change_session(request, "session.end")


async def pause_session(request: web.Request) -> web.Response:
    """``POST /api/sessions/pause``."""
    return await _change_session(request, "session.pause")


async def resume_session(request: web.Request) -> web.Response:
    """``POST /api/sessions/resume``."""
    return await _change_session(request, "session.resume")


async def heartbeat_session(request: web.Request) -> web.Response:
    """``POST /api/sessions/heartbeat``: still here."""
    parts = request.app[PARTS]
    identity = await identify(request)
    body = only(await read_object(request, required=False), "activity", "id")
    read_activity(body)
    position = await parts.stream_log.snapshot(identity.user_id)
    session = (position.state or {}).get("session")
    if session is None or body.get("id", session["id"]) != session["id"]:
        raise RejectedError("session_not_active", current={"session": session})
    parts.presence.saw(identity.user_id)
    return _session_answer(request, {"session": session}, cursor_of(position))


async def list_sessions(request: web.Request) -> web.Response:
    """``GET /api/sessions``: one's own, the newest first."""
    parts = request.app[PARTS]
    identity = await identify(request)
    after, limit = page(request)
    at = parts.replicas.reading(identity.user_id)
    sessions, following = await parts.sessions.history(identity.user_id, after, limit, at=at)
    now = parts.clock.now()
    return page_response({"sessions": [session.to_history(now) for session in sessions]}, following)


async def active_session(request: web.Request) -> web.Response:
    """``GET /api/sessions/active``: the one that runs, or null."""
    parts = request.app[PARTS]
    identity = await identify(request)
    session = await parts.sessions.active(identity.user_id, at=parts.replicas.reading(identity.user_id))
    return json_response({"session": None if session is None else session.to_history(parts.clock.now())})


async def get_lobby(request: web.Request) -> web.Response:
    """``GET /api/lobby``: who idles now."""
    parts = request.app[PARTS]
    identity = await identify(request)
    after, limit = page(request)
    at = parts.replicas.reading(identity.user_id)
    count, members, following = await parts.sessions.lobby(after, limit, at=at)
    return page_response({"count": count, "members": members}, following)


# -- profile and preferences ---------------------------------------------------------


async def get_profile(request: web.Request) -> web.Response:
    """``GET /api/profile``."""
    who = await reader(request)
    return personal(await request.app[PARTS].reads.profile(who.user_id, away=who.away, known=True))


async def patch_profile(request: web.Request) -> web.Response:
    """``PATCH /api/profile``."""
    result, cursor, _ = await change(request, "profile.update", await read_object(request), version=if_version(request))
    return json_response({**result, "cursor": cursor})


async def get_preferences(request: web.Request) -> web.Response:
    """``GET /api/preferences``."""
    who = await reader(request)
    return personal(await request.app[PARTS].reads.preferences(who.user_id, away=who.away))


async def patch_preferences(request: web.Request) -> web.Response:
    """``PATCH /api/preferences``: the body holds the values."""
    values = await read_object(request)
    result, cursor, _ = await change(request, "preferences.set", {"values": values}, version=if_version(request))
    return json_response({**result, "cursor": cursor})


async def get_user(request: web.Request) -> web.Response:
    """``GET /api/users/{id}``: what everybody may see of somebody."""
    parts = request.app[PARTS]
    identity = await identify(request)
    raw = request.match_info["id"]
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 18 and int(raw) > 0):
        raise InvalidError("not_found")
    user_id = int(raw)
    answer = await parts.reads.profile(user_id)
    if answer.is_absent:
        raise InvalidError("not_found")
    session = await parts.sessions.active(user_id, at=parts.replicas.reading(identity.user_id))
    shown = answer.value()["profile"]
    del shown["version"]
    return json_response({"user": shown, "session": None if session is None else session.to_state()})
