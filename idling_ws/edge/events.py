"""The stream over plain HTTP: Server-Sent Events and long-poll, on the same cursor.

Both join the hub like a socket does and are recipients like a socket is; only the way
to the client differs. They count as connections of their user, and end as sockets do:
when they do not keep up, with their token, with their login.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator

from aiohttp import web

from idling_ws.delivery.joining import GoneError, Joined
from idling_ws.delivery.parcel import Parcel
from idling_ws.domain.clock import rfc3339
from idling_ws.domain.errors import InvalidError, JsonObject, RateLimitError, UnavailableError
from idling_ws.edge.admission import comeback_ms
from idling_ws.edge.forwarded import address_of
from idling_ws.edge.parts import PARTS, Parts
from idling_ws.edge.problems import TRACE_ID, problem
from idling_ws.edge.sockets import SOCKETS
from idling_ws.edge.who import bearer, check_token, identify
from idling_ws.identity.person import Identity
from idling_ws.watching.health import TOPIC as HEALTH
from idling_ws.wire.closing import Close
from idling_ws.wire.cursor import Cursor, parse_cursor
from idling_ws.wire.jsontext import encode

COMMENT_EVERY_S = 15.0
# A client whose network takes nothing for so long is gone, or as good as gone.
WRITE_TIMEOUT_S = 15.0
WRITE_BYTES = 64 * 1024
MAX_WAIT_S = 60.0
DEFAULT_WAIT_S = 25.0
RETRY_TOO_MANY_MS = 5000


class Listener:
    """A recipient that waits: what came stands in ``parcels``; ``failed`` says why it is over."""

    def __init__(self, request: web.Request, login_id: str, max_bytes: int) -> None:
        self._request = request
        self.user_id = -1
        self.login_id: str | None = login_id
        self.connection_id = secrets.token_urlsafe(9)
        self.user_seq = 0
        self.all_seq = 0
        self.backlog: list[Parcel] | None = None
        self.parcels: list[Parcel] = []
        self._notices: dict[str, bytes] = {}
        self.failed: Close | None = None
        self._max_bytes = max_bytes
        self._bytes = 0
        self._news = asyncio.Event()

    @property
    def is_gone(self) -> bool:
        """Whether its client has hung up: it shows at the next write only, which may be long from now."""
        return self._request.transport is None

    def about(self) -> JsonObject:
        """Return what an operator sees of this connection."""
        address = address_of(self._request)
        return {"connection": self.connection_id, "over": "events", "login": self.login_id, "address": address}

    def push(self, parcel: Parcel) -> None:
        """Take a parcel."""
        if self.failed is not None:
            return
        self._bytes += len(parcel.frame)
        if self._bytes > self._max_bytes:
            self.fail(Close.SLOW_CONSUMER)
            return
        self.parcels.append(parcel)
        self._news.set()

    def fail(self, code: Close, retry_ms: int = 0) -> None:
        """End it; what came before stays to be taken."""
        if self.failed is None:
            self.failed = code
        self._news.set()

    def tell(self, topic: str, notice: bytes) -> None:
        """Take a notice; a later one of the topic replaces it."""
        self._notices[topic] = notice
        self._news.set()

    def take_notices(self) -> list[bytes]:
        """Return the notices that came since the last time."""
        notices, self._notices = list(self._notices.values()), {}
        return notices

    async def wait(self, timeout_s: float) -> bool:
        """Wait for news; False when there were none in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def take(self) -> list[Parcel]:
        """Return what came since the last time."""
        parcels, self.parcels, self._bytes = self.parcels, [], 0
        if self.failed is None:
            self._news.clear()
        return parcels


async def get_events(request: web.Request) -> web.StreamResponse:
    """``GET /api/events``: SSE for who accepts ``text/event-stream``, else a long-poll."""
    parts, sockets = request.app[PARTS], request.app[SOCKETS]
    is_stream = "text/event-stream" in request.headers.get("Accept", "")
    until = parts.clock.monotonic() + (DEFAULT_WAIT_S if is_stream else _wait_s(request))
    address = address_of(request)
    sockets.addresses.enter(address)
    try:
        identity = await sockets.admission.when_it_can(
            lambda: identify(request), until, lambda: parts.draining or request.transport is None
        )
        return await (_stream if is_stream else _poll)(request, identity, until)
    finally:
        sockets.addresses.leave(address)


@contextlib.asynccontextmanager
async def _joined(
    request: web.Request, identity: Identity, cursor: str | None, until: float
) -> AsyncIterator[tuple[Listener, Joined]]:
    """Join a listener for the length of the block, as soon as the database answers.

    Raises ``RateLimitError`` when its user has too many, ``UnavailableError`` while this instance leaves, where
    too many are coming in, and when the database does not answer ``until`` then.
    """
    parts, sockets = request.app[PARTS], request.app[SOCKETS]

    async def join() -> Joined:
        with sockets.admission.coming_in():
            return await parts.joining.join(identity.user_id, listener, cursor)

    if parts.draining:
        raise UnavailableError("unavailable", "This instance is leaving. Connect again.", retry_after_ms=1000)
    listener = Listener(request, identity.login_id, parts.settings.mailbox_bytes)
    try:
        if not sockets.admit(identity.user_id, listener):
            raise RateLimitError(message="Too many connections.", retry_after_ms=RETRY_TOO_MANY_MS)
        joined = await sockets.admission.when_it_can(
            join, until, lambda: parts.draining or listener.is_gone or listener.failed is not None
        )
        yield listener, joined
    finally:
        parts.hub.detach(identity.user_id, listener)
        sockets.release(listener)


def _go_live(parts: Parts, listener: Listener, joined: Joined) -> None:
    parts.hub.admit(listener.user_id, listener, joined.reached.user_seq, joined.reached.all_seq)


# -- long-poll -----------------------------------------------------------------------


async def _poll(request: web.Request, identity: Identity, until: float) -> web.Response:
    parts = request.app[PARTS]
    cursor = request.query.get("cursor")
    if cursor is None:
        raise InvalidError(fields={"cursor": ["Missing: take one from /api/snapshot."]})
    asked = parse_cursor(cursor)
    async with _joined(request, identity, cursor, until) as (listener, joined):
        if not joined.resumed:
            return problem(InvalidError("cursor_void"), request[TRACE_ID], reason=joined.reason, state="/api/snapshot")
        parts.presence.saw(identity.user_id)
        # Whoever asks for what comes behind it has what is before it.
        parts.acknowledged.saw(identity.user_id, asked)
        if joined.is_complete:
            _go_live(parts, listener, joined)
            if not joined.missed and not listener.parcels:
                await listener.wait(until - parts.clock.monotonic())
        parcels = joined.missed + listener.take()
        if not parcels:
            return web.Response(status=204, headers={"Cache-Control": "no-store"})
        body = b'{"entries":[%b],"cursor":%b}' % (
            b",".join([parcel.frame for parcel in parcels]),
            encode(str(_advance(joined, parcels))),
        )
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})


def _wait_s(request: web.Request) -> float:
    try:
        wait_s = float(request.query.get("wait_s", DEFAULT_WAIT_S))
    except ValueError:
        wait_s = -1.0
    if not 0 <= wait_s <= MAX_WAIT_S:
        raise InvalidError(fields={"wait_s": [f"Not a number from 0 to {MAX_WAIT_S:g}."]})
    return wait_s


def _advance(joined: Joined, parcels: list[Parcel]) -> Cursor:
    """Return the cursor behind ``parcels``."""
    return Cursor(
        joined.position.epoch,
        max([parcel.seq for parcel in parcels if not parcel.is_shared], default=joined.reached.user_seq),
        max([parcel.seq for parcel in parcels if parcel.is_shared], default=joined.reached.all_seq),
    )


# -- Server-Sent Events --------------------------------------------------------------


async def _stream(request: web.Request, identity: Identity, until: float) -> web.StreamResponse:
    parts = request.app[PARTS]
    token = bearer(request)
    expires_at = None
    if token is not None:
        expires_at = parts.clock.monotonic() + check_token(parts, token).expires_at - parts.clock.now().timestamp()
    cursor = request.headers.get("Last-Event-ID") or request.query.get("cursor")
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
    )
    # An EventSource gives up for good on anything but 200, so a void cursor is answered inside
    # the stream: a welcome with a fresh state.
    async with _joined(request, identity, cursor, until) as (listener, joined):
        # A client that went away has its last event id.
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            await _write(request, response, _welcome(parts, joined))
            if parts.health.notice is not None:
                listener.tell(HEALTH, parts.health.notice)
            await _tell(request, response, listener, joined, expires_at)
    return response


async def _tell(
    request: web.Request, response: web.StreamResponse, listener: Listener, joined: Joined, expires_at: float | None
) -> None:
    """Write what was missed and whatever comes, until the listener is over; ``expires_at`` is by the steady clock."""
    parts = request.app[PARTS]
    place = _Place(joined)
    await _write_events(request, response, place, joined.missed)
    try:
        async for page in parts.joining.pages(listener.user_id, joined):
            await _write_events(request, response, place, page)
        _go_live(parts, listener, joined)
    except GoneError:
        listener.fail(Close.POSITION_LOST)
    except UnavailableError:
        listener.fail(Close.OVERLOADED)
    while listener.failed is None and not parts.draining:
        parts.presence.saw(listener.user_id)
        left_s = COMMENT_EVERY_S if expires_at is None else expires_at - parts.clock.monotonic()
        if left_s <= 0:
            listener.fail(Close.TOKEN_EXPIRED)
        elif not await listener.wait(min(COMMENT_EVERY_S, left_s)):
            await _write(request, response, b": still here\n\n")
            continue
        for notice in listener.take_notices():
            await _write(request, response, b"event: notice\ndata: %b\n\n" % notice)
        await _write_events(request, response, place, listener.take())
    await _write(request, response, _bye(listener.failed or Close.DRAINING, parts.hub.recipient_count))


async def _write_events(
    request: web.Request, response: web.StreamResponse, place: _Place, parcels: list[Parcel]
) -> None:
    """Write entries a piece at a time: a slow network that moves at all is in time for each."""
    waiting: list[bytes] = []
    size = 0
    for parcel in parcels:
        event = place.event(parcel)
        waiting.append(event)
        size += len(event)
        if size >= WRITE_BYTES:
            await _write(request, response, b"".join(waiting))
            waiting, size = [], 0
    if waiting:
        await _write(request, response, b"".join(waiting))


async def _write(request: web.Request, response: web.StreamResponse, data: bytes) -> None:
    """Write within a deadline; a client that reads nothing loses its connection, not our memory."""
    try:
        async with asyncio.timeout(WRITE_TIMEOUT_S):
            await response.write(data)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError from None


class _Place:
    """How far the events have come. Not how far the listener is: more may wait there already."""

    def __init__(self, joined: Joined) -> None:
        own = [parcel.seq for parcel in joined.missed if not parcel.is_shared]
        shared = [parcel.seq for parcel in joined.missed if parcel.is_shared]
        self._epoch = joined.position.epoch.encode()
        self._user_seq = own[0] - 1 if own else joined.reached.user_seq
        self._all_seq = shared[0] - 1 if shared else joined.reached.all_seq

    def event(self, parcel: Parcel) -> bytes:
        """Return an entry as an event; its id is the cursor behind it."""
        if parcel.is_shared:
            self._all_seq = parcel.seq
        else:
            self._user_seq = parcel.seq
        cursor = b"%b.%d.%d" % (self._epoch, self._user_seq, self._all_seq)
        return b"event: entry\nid: %b\ndata: %b\n\n" % (cursor, parcel.frame)


def _welcome(parts: Parts, joined: Joined) -> bytes:
    position = joined.position
    body: dict[str, object] = {
        "type": "welcome",
        "instance": parts.instance,
        "user": position.profile.to_user(),
        "cursor": str(joined.head),
        "resumed": joined.resumed,
        "server_time": rfc3339(parts.clock.now()),
    }
    if joined.reason is not None:
        body["reason"] = joined.reason
    if position.state is not None:
        body["state"] = position.state
    if joined.resumed:
        # No id: a browser that loses the line now must come back to where it was, not to the head.
        return b"event: welcome\ndata: %b\n\n" % encode(body)
    return b"event: welcome\nid: %b\ndata: %b\n\n" % (str(joined.reached).encode(), encode(body))


def _bye(code: Close, devices: int) -> bytes:
    body = {"type": "bye", "code": int(code), "reason": code.reason, "retry_ms": 0}
    if code is not Close.DRAINING:
        return b"event: bye\ndata: %b\n\n" % encode(body)
    # A browser that knows nothing of ``bye`` waits as long as ``retry`` says.
    body["retry_ms"] = retry_ms = comeback_ms(devices)
    return b"event: bye\nretry: %d\ndata: %b\n\n" % (retry_ms, encode(body))
