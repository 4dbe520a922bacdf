"""Letting a device in, and letting it stay: who it is, from its hello to its welcome and at each new token.

What it says between the two is kept, and heard once it is in: so a client may send its
first mutations right behind the hello, and they are applied in that order.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from idling_ws.delivery.joining import Joined
from idling_ws.domain.errors import AuthError, DeniedError, IdlingError, InvalidError, JsonObject, UnavailableError
from idling_ws.edge.auditing import note_socket
from idling_ws.edge.parts import Parts
from idling_ws.edge.sockets import Sockets
from idling_ws.edge.welcome import welcome
from idling_ws.edge.who import Known, verify
from idling_ws.identity.revocations import LoginEndedError
from idling_ws.mutations.pipeline import Asker
from idling_ws.observe.error_counts import WS
from idling_ws.watching.health import TOPIC as HEALTH
from idling_ws.wire import frames
from idling_ws.wire.closing import Close
from idling_ws.wire.tracing import new_trace_id

if TYPE_CHECKING:
    from idling_ws.edge.socket import DeviceSocket

log = logging.getLogger(__name__)

# Messages that may come between hello and welcome.
MAX_EARLY = 200


class _NobodyError(AuthError):
    """Nothing says who it is: a page asks whether somebody is in, before its person has come in."""


class Arriving:
    """One device until its welcome. ``known`` is who the upgrade said it is, if it did."""

    __slots__ = ("_early", "_known", "_parts", "_socket", "_sockets")

    def __init__(self, socket: DeviceSocket, parts: Parts, sockets: Sockets, known: Known | None) -> None:
        self._socket = socket
        self._parts = parts
        self._sockets = sockets
        self._known = known
        self._early: list[str | JsonObject | InvalidError] = []

    def keep(self, unheard: str | JsonObject | InvalidError) -> None:
        """Keep a frame, or a message of one, until the device is in; too many, and it is closed."""
        if len(self._early) >= MAX_EARLY:
            self._socket.fail(Close.RATE_LIMITED)
        else:
            self._early.append(unheard)

    async def join(self, hello: frames.Hello) -> None:
        """Recognise the device, bring it up to date, welcome it; or close it with the reason why not."""
        socket = self._socket
        try:
            with self._sockets.admission.coming_in():
                joined = await self._come_in(hello)
            if joined is not None:
                await socket.catching_up.finish(joined)
        except _NobodyError as exc:  # the answer to a question: no error, and nobody was turned away
            socket.fail(_closing(exc))
        except (AuthError, DeniedError) as exc:
            _note_refusal(self._parts, socket, "hello", exc, None if self._known is None else self._known.user_id)
            self._parts.metrics.failed(exc.code, WS)
            socket.fail(_closing(exc))
        except UnavailableError as exc:
            self._parts.metrics.failed(exc.code, WS, is_a_fault=exc.is_a_fault)
            socket.send_away()
        except Exception:
            log.exception("a socket could not join")
            self._parts.metrics.failed("internal", WS)
            socket.fail(Close.INTERNAL)

    async def _come_in(self, hello: frames.Hello) -> Joined | None:
        socket = self._socket
        if hello.token is not None:
            claims = await verify(self._parts, hello.token)
            self._known = Known(claims.user_id, claims.login_id, claims.expires_at)
        if self._known is None:
            raise _NobodyError
        socket.client = {key: str(hello.client.get(key, "")) for key in ("id", "name", "version")}
        return await self._attach(self._known, hello.cursor)

    async def _attach(self, who: Known, cursor: object | None) -> Joined | None:
        """Let the device in; None when it went away, or may not stay."""
        parts, socket = self._parts, self._socket
        if not self._sockets.admit(who.user_id, socket):
            socket.fail(Close.TOO_MANY_CONNECTIONS)
            return None
        socket.login_id = who.login_id
        joined = await parts.joining.join(who.user_id, socket, cursor, who.login_id)
        socket.user_id = who.user_id
        if not socket.is_joining:  # the line ended meanwhile
            parts.hub.detach(who.user_id, socket)
            return None
        position = joined.position
        if not position.login_is_alive:
            raise LoginEndedError
        if position.suspended_until is not None and position.suspended_until > parts.clock.now():
            raise DeniedError("suspended")
        self._welcome(joined, who)
        return joined

    def _welcome(self, joined: Joined, who: Known) -> None:
        parts, socket = self._parts, self._socket
        expires_in_s = None if who.expires_at is None else _expire_at(parts, socket, who.expires_at)
        roles = frozenset(joined.position.profile.roles)
        socket.enter(Asker(who.user_id, roles, socket, socket.address, who.login_id))
        socket.send(welcome(parts, socket.connection_id, joined, expires_in_s))
        if parts.health.notice is not None:
            socket.tell(HEALTH, parts.health.notice)
        socket.catching_up.begin(joined)
        parts.heartbeats.add(socket)
        parts.presence.saw(who.user_id)
        for unheard in self._early:
            if isinstance(unheard, str):
                socket.heard(unheard)
            else:
                socket.hear(unheard)


async def refresh(parts: Parts, socket: DeviceSocket, token: str) -> None:
    """Let the device stay with another token of the same user, if its login has not ended; else answer why not."""
    try:
        claims = await verify(parts, token)
        if claims.user_id != socket.user_id:
            raise AuthError("unauthenticated", "That token belongs to somebody else.")
        await parts.logins.identify(claims.login_id)
        # Again: from here on an end is heard of under its new login, but not before.
        parts.revocations.check(claims)
    except IdlingError as exc:
        if isinstance(exc, (AuthError, DeniedError)):
            _note_refusal(parts, socket, "refresh", exc, socket.user_id)
        socket.answer_error(exc, None)
        return
    if not socket.is_live:
        return
    socket.login_id = claims.login_id
    socket.send(frames.plain("refreshed", expires_in_s=_expire_at(parts, socket, claims.expires_at)))
    parts.heartbeats.expiry_changed(socket)


def _expire_at(parts: Parts, socket: DeviceSocket, unix_s: int) -> int:
    """Remember when the token ends; return in how many seconds that is."""
    left_s = max(0, unix_s - int(parts.clock.now().timestamp()))
    socket.expires_at = parts.clock.monotonic() + left_s
    return left_s


def _note_refusal(parts: Parts, socket: DeviceSocket, action: str, exc: IdlingError, user_id: int | None) -> None:
    note_socket(parts, action, exc, user_id=user_id, address=socket.address, trace_id=new_trace_id())


def _closing(exc: AuthError | DeniedError) -> Close:
    """Return what a device is closed with that may not come in."""
    if isinstance(exc, DeniedError):
        return Close.FORBIDDEN
    if isinstance(exc, LoginEndedError):
        return Close.LOGGED_OUT
    return Close.TOKEN_EXPIRED if exc.code == "token_expired" else Close.INVALID_TOKEN
