"""The mutations that one socket has asked for: submitted in order, answered when they are settled.

A mutation that is confirmed or rolled back for the first time is answered by its entry,
which every device of the user gets; what is said here is the rest.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from idling_ws.domain.errors import IdlingError, InternalError, JsonObject, RateLimitError
from idling_ws.edge.parts import Parts
from idling_ws.mutations.batch import Settled
from idling_ws.mutations.pipeline import Asker, to_refusal, to_verdict
from idling_ws.observe.error_counts import WS
from idling_ws.wire import frames
from idling_ws.wire.tracing import trace_id_of

if TYPE_CHECKING:
    from idling_ws.edge.socket import DeviceSocket


class Asking:
    """Mutations in flight for one device, on behalf of ``asker``."""

    __slots__ = ("_parts", "_pending", "_socket", "asker")

    def __init__(self, socket: DeviceSocket, parts: Parts, asker: Asker) -> None:
        self._socket = socket
        self._parts = parts
        self.asker = asker
        self._pending = 0

    def take(self, message: JsonObject) -> None:
        """Submit a ``mutate`` message."""
        trace_id = trace_id_of(message.get("traceparent"))
        mid = frames.read_mid(message)
        try:
            asked = frames.read_mutate(message)
            if self._pending >= self._parts.settings.pending_mutations:
                raise RateLimitError("too_many_pending")
            done = self._parts.pipeline.submit(
                self.asker, asked.mid, asked.name, asked.args, asked.if_version, trace_id
            )
        except IdlingError as exc:
            if mid is None or exc.fault.retryable or exc.code == "bad_frame":
                self._socket.answer_error(exc, mid, trace_id)
            else:
                self._refuse(mid, exc, trace_id)
            return
        self._pending += 1
        done.add_done_callback(_Settling(self, asked.mid, trace_id))

    def settled(self, mid: str, trace_id: str, done: asyncio.Future[Settled]) -> None:
        """Answer a mutation that is over, unless its entry does."""
        self._pending -= 1
        if done.cancelled():
            return
        exc = done.exception()
        if exc is None:
            result = done.result()
            if result.duplicate:
                self._socket.send(frames.verdict(to_verdict(mid, result)))
            elif result.refusal is not None:
                self._parts.metrics.failed(result.refusal, WS)
        elif isinstance(exc, IdlingError) and not exc.fault.retryable and exc.code != "internal":
            self._refuse(mid, exc, trace_id)
        else:
            self._socket.answer_error(exc if isinstance(exc, IdlingError) else InternalError(), mid, trace_id)

    def _refuse(self, mid: str, exc: IdlingError, trace_id: str) -> None:
        self._parts.metrics.failed(exc.code, WS)
        self._socket.send(frames.verdict(to_refusal(mid, exc, trace_id)))


class _Settling:
    """What a mutation's future calls when it is over: smaller than a closure and a partial."""

    __slots__ = ("_asking", "_mid", "_trace_id")

    def __init__(self, asking: Asking, mid: str, trace_id: str) -> None:
        self._asking, self._mid, self._trace_id = asking, mid, trace_id

    def __call__(self, done: asyncio.Future[Settled]) -> None:
        self._asking.settled(self._mid, self._trace_id, done)
