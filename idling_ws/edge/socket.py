"""One device on a WebSocket: what it says, and what it is told (protocol, section 2).

    connected --hello--> joining --welcome--> live --bye--> leaving --> closed

Everything here is synchronous but the handshake and mutations: a message is handled in
the turn of the loop in which it came, so one connection's mutations reach the
pipeline in the order in which they were sent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import ClassVar

from idling_ws.delivery.mailbox import Mailbox
from idling_ws.delivery.parcel import Parcel
from idling_ws.domain.errors import (
    IdlingError,
    InternalError,
    InvalidError,
    JsonObject,
    RateLimitError,
)
from idling_ws.edge import topics
from idling_ws.edge.allowance import Allowance
from idling_ws.edge.arriving import Arriving, refresh
from idling_ws.edge.asking import Asking
from idling_ws.edge.catching_up import CatchingUp
from idling_ws.edge.line import Line
from idling_ws.edge.parts import Parts
from idling_ws.edge.sockets import Sockets
from idling_ws.edge.who import Known
from idling_ws.mutations.pipeline import Asker
from idling_ws.observe.error_counts import WS
from idling_ws.wire import frames
from idling_ws.wire.closing import Close
from idling_ws.wire.cursor import Cursor, parse_cursor
from idling_ws.wire.jsontext import decode_objects
from idling_ws.wire.tracing import new_trace_id
from idling_ws.wire.websocket import text_frame

log = logging.getLogger(__name__)

HELLO_TIMEOUT_S = 10.0

CONNECTED, JOINING, LIVE, LEAVING, CLOSED = range(5)


class DeviceSocket:
    """A device. It is an ``Ear`` to its line, a ``Recipient`` to the hub, ``Beating`` and a ``Watcher``."""

    __slots__ = (
        "_allowance",
        "_arriving",
        "_asking",
        "_line",
        "_mailbox",
        "_parts",
        "_sockets",
        "_state",
        "acked",
        "address",
        "all_seq",
        "backlog",
        "catching_up",
        "client",
        "connection_id",
        "expires_at",
        "hello_deadline",
        "last_inbound",
        "login_id",
        "next_beat",
        "user_id",
        "user_seq",
    )

    def __init__(self, parts: Parts, sockets: Sockets, known: Known | None, address: str, connection_id: str) -> None:
        self._parts = parts
        self._sockets = sockets
        self._arriving: Arriving | None = Arriving(self, parts, sockets, known)
        self._line: Line | None = None
        self._mailbox = Mailbox(self, parts.postman)
        self._state = CONNECTED
        self._asking: Asking | None = None
        self.catching_up = CatchingUp(self, parts.joining, self._mailbox)
        self.address = address
        self.connection_id = connection_id
        self.client: dict[str, str] | None = None
        self.user_id = -1
        self.login_id: str | None = None
        self.user_seq = 0
        self.all_seq = 0
        self.acked: str | None = None
        self.backlog: list[Parcel] | None = None
        now = parts.clock.monotonic()
        self.last_inbound = now
        self.next_beat = 0.0
        self.hello_deadline: float | None = None
        self.expires_at: float | None = None
        self._allowance = Allowance(parts.settings.messages_per_s, now)

    def connected(self, line: Line) -> None:
        """Take the line; called once, right after the upgrade."""
        self._line = line
        self._parts.heartbeats.await_hello(self, HELLO_TIMEOUT_S)

    # -- Ear -----------------------------------------------------------------------

    def counted(self, idle_frames: int) -> bool:
        """Take frames that say nothing off the allowance; too deep in debt, and the socket is closed."""
        self._refill()
        return self._spend(idle_frames)

    def heard(self, text: str) -> None:
        """Take one frame: one message, or several."""
        self._refill()
        if self._state == JOINING:
            self._keep(text)
            return
        for message in decode_objects(text.encode()):
            self.hear(message)

    def hear(self, message: JsonObject | InvalidError) -> None:
        """Take one message."""
        if self._state == JOINING:  # it came in the frame of the hello
            self._keep(message)
        elif self._state < LEAVING and self._spend(1):
            try:
                if isinstance(message, InvalidError):
                    raise message
                self._take(message)
            except IdlingError as exc:
                self.answer_error(exc, None)
            except Exception:
                # Past this point it would look to the line like a defect of the client's.
                trace_id = new_trace_id()
                log.exception("a message could not be handled", extra={"trace_id": trace_id})
                mid = None if isinstance(message, InvalidError) else frames.read_mid(message)
                self.answer_error(InternalError(), mid, trace_id)

    def _keep(self, unheard: str | JsonObject | InvalidError) -> None:
        assert self._arriving is not None  # noqa: S101 -- it is there until the device is in
        self._arriving.keep(unheard)

    def _refill(self) -> None:
        self.last_inbound = self._parts.clock.monotonic()
        self._allowance.refill(self.last_inbound)

    def _spend(self, messages: int) -> bool:
        if self._allowance.spend(messages):
            return True
        self.fail(Close.RATE_LIMITED)
        return False

    def blocked(self) -> None:
        """The network takes no more."""
        self._mailbox.block()

    def unblocked(self) -> None:
        """The network takes again."""
        self._mailbox.unblock()
        self.catching_up.go_on()

    def ended(self, code: int) -> None:
        """The line is down."""
        parts = self._parts
        was_here = self._state in (LIVE, LEAVING) and self._asking is not None
        self._state = CLOSED
        parts.heartbeats.remove(self)
        topics.leave(parts, self)
        self._sockets.remove(self)
        if self.user_id >= 0:
            parts.hub.detach(self.user_id, self)
        if was_here and code == Close.NORMAL and not self._sockets.of_user(self.user_id):
            parts.presence.left(self.user_id)
        self._mailbox.clear()

    # -- Recipient, Beating, Watcher -----------------------------------------------

    def write(self, data: bytes) -> None:
        """Write what the mailbox collected."""
        if self._line is not None and self._state != CLOSED:
            self._line.write(data)

    def push(self, parcel: Parcel) -> None:
        """Take an entry for this device."""
        if not self._mailbox.offer(parcel.framed):
            self.fail(Close.SLOW_CONSUMER)

    @property
    def is_gone(self) -> bool:
        """Never: a line says at once when it ends."""
        return False

    def send_beat(self, framed: bytes) -> None:
        """Take a heartbeat."""
        self._mailbox.offer_notice("heartbeat", framed)

    def send_notice(self, topic: str, framed: bytes) -> None:
        """Take a notice."""
        self._mailbox.offer_notice(topic, framed)

    def tell(self, topic: str, notice: bytes) -> None:
        """Take a notice for everybody; before its welcome a device gets none."""
        if self._state == LIVE:
            self._mailbox.offer_notice(topic, text_frame(notice))

    def fail(self, code: Close, retry_ms: int = 0) -> None:
        """Say goodbye with ``code`` and close. What waits in the mailbox is dropped: its cursor will ask for it."""
        if self._state == CLOSED or self._line is None:
            return
        parts = self._parts
        if code == Close.DRAINING:
            self._mailbox.empty()
        self._mailbox.clear()
        self._mailbox.block()
        self._state = CLOSED
        parts.metrics.closes.labels(str(int(code))).inc()
        parts.heartbeats.remove(self)
        topics.leave(parts, self)
        if self.user_id >= 0:
            parts.hub.detach(self.user_id, self)
        self._line.write(text_frame(frames.bye(code, code.reason, retry_ms)))
        self._line.close(code, code.reason)

    def send_away(self) -> None:
        """Close it because there is too much to do: it may come again in a while, not together with the others."""
        self.fail(Close.OVERLOADED, self._sockets.admission.retry_ms())

    # -- messages --------------------------------------------------------------------

    def _take(self, message: JsonObject) -> None:
        kind = message.get("type")
        handler = self._HANDLERS.get(kind) if isinstance(kind, str) else None
        if handler is None:
            raise InvalidError("unknown_type" if isinstance(kind, str) else "bad_frame")
        if self._state == CONNECTED and kind not in {"hello", "bye"}:
            raise InvalidError("bad_frame", "Say hello first.")
        if self._allowance.is_spent and kind != "bye":
            self.answer_error(RateLimitError(retry_after_ms=self._allowance.wait_ms), frames.read_mid(message))
            return
        handler(self, message)

    def _on_hello(self, message: JsonObject) -> None:
        if self._state != CONNECTED:
            raise InvalidError("bad_frame", "You said hello already.")
        hello = frames.read_hello(message)
        assert self._arriving is not None  # noqa: S101 -- it is there until the device is in
        self._state = JOINING
        self._sockets.spawn(self._arriving.join(hello))

    def about(self) -> JsonObject:
        """Return what an operator sees of this connection."""
        shown = {"connection": self.connection_id, "over": "socket", "login": self.login_id, "address": self.address}
        return {**shown, "client": self.client or {}, "acked": self.acked}

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run ``work`` for this device."""
        self._sockets.spawn(work)

    @property
    def is_joining(self) -> bool:
        """Whether it said hello and is neither welcomed nor gone."""
        return self._state == JOINING

    def enter(self, asker: Asker) -> None:
        """Be in: what it asks for from now on, it asks as ``asker``."""
        self._asking = Asking(self, self._parts, asker)
        self._arriving = None
        self._state = LIVE

    @property
    def is_live(self) -> bool:
        """Whether it was welcomed and has not gone since."""
        return self._state == LIVE

    def go_live(self, reached: Cursor) -> None:
        """Hear what comes after ``reached``."""
        self._parts.hub.admit(self.user_id, self, reached.user_seq, reached.all_seq)

    def stay_live(self) -> None:
        """Go on hearing what comes after what was heard."""
        self._parts.hub.admit(self.user_id, self, self.user_seq, self.all_seq)

    def _on_mutate(self, message: JsonObject) -> None:
        assert self._asking is not None  # noqa: S101 -- set before the state became LIVE
        self._asking.take(message)

    def _on_heartbeat(self, message: JsonObject) -> None:
        frames.read_activity(message)
        self._parts.presence.saw(self.user_id)

    def _on_resume(self, message: JsonObject) -> None:
        self.catching_up.ask(parse_cursor(message.get("cursor")))

    def _on_ack(self, message: JsonObject) -> None:
        cursor = parse_cursor(message.get("cursor"))
        self.acked = str(cursor)
        self._sockets.acked(self, cursor)

    def _on_subscribe(self, message: JsonObject) -> None:
        assert self._asking is not None  # noqa: S101 -- set before the state became LIVE
        topics.subscribe(self._parts, self, self._asking.asker, message)

    def _on_unsubscribe(self, message: JsonObject) -> None:
        topics.unsubscribe(self._parts, self, message)

    def _on_refresh(self, message: JsonObject) -> None:
        token = message.get("token")
        if type(token) is not str:
            raise InvalidError("bad_frame", fields={"token": ["Not a string."]})
        self._sockets.spawn(refresh(self._parts, self, token))

    def _on_bye(self, message: JsonObject) -> None:
        assert self._line is not None  # noqa: S101 -- messages come over it
        if self._state == LIVE:
            self._parts.hub.detach(self.user_id, self)
        self._state = LEAVING
        self._mailbox.empty()
        self._line.close(Close.NORMAL, Close.NORMAL.reason)

    # -- answers ---------------------------------------------------------------------

    def send(self, payload: bytes) -> None:
        """Send one message to this device alone."""
        if self._state != CLOSED and not self._mailbox.offer(text_frame(payload)):
            self.fail(Close.SLOW_CONSUMER)

    def answer_error(self, exc: IdlingError, mid: str | None, trace_id: str | None = None) -> None:
        """Say what is wrong, in one ``error`` message."""
        self._parts.metrics.failed(exc.code, WS)
        self.send(frames.error(exc.to_wire(trace_id or new_trace_id()), mid))

    # One table for all sockets; inside of the class, which need not be reached into from outside then.
    _HANDLERS: ClassVar[dict[str, Callable[[DeviceSocket, JsonObject], None]]] = {
        "mutate": _on_mutate,
        "heartbeat": _on_heartbeat,
        "ack": _on_ack,
        "resume": _on_resume,
        "subscribe": _on_subscribe,
        "unsubscribe": _on_unsubscribe,
        "refresh": _on_refresh,
        "hello": _on_hello,
        "bye": _on_bye,
    }
