"""Traces: a span for each HTTP request and each mutation, sent by OTLP over HTTP. Off unless an endpoint is set.

Never a span for a socket or an event stream: those last for hours, and a span is told when it
ends. A mutation's span begins when it is asked for and ends with its verdict; asked for over
REST it belongs to its request's, and that to whatever ``traceparent`` the client sent along.

The libraries are the extra ``otel``; nothing of them is imported before a trace is wanted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

log = logging.getLogger(__name__)

EXPORT_TIMEOUT_S = 3
# What is not sent within so long at the end is given up: a collector that is away must not hold up a stop.
STOP_S = 2.0
SERVER_ERROR = 500


class TracingMissingError(Exception):
    """An endpoint is set, and the extra is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "An OTLP endpoint is set (IDLING_OTEL_ENDPOINT, or OTEL_EXPORTER_OTLP_ENDPOINT), but what sends traces is "
            "not installed. Install the extra: pip install 'idling-ws[otel]'. Or unset it."
        )


def check_installed(endpoint: str | None) -> None:
    """Raise ``TracingMissingError`` where traces are wanted and cannot be had."""
    if endpoint is not None:
        _libraries()


def _libraries() -> Any:
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as exc:
        raise TracingMissingError from exc
    return trace, OTLPSpanExporter, Resource, TracerProvider, BatchSpanProcessor


class Tracing:
    """Makes spans and sends them in the background; a full queue drops them, and nobody waits."""

    def __init__(self, endpoint: str, version: str) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._trace, exporter, resource, provider, processor = _libraries()
        self._provider: TracerProvider = provider(
            resource=resource.create(
                {"service.name": os.environ.get("OTEL_SERVICE_NAME") or "idling_ws", "service.version": version}
            ),
            shutdown_on_exit=False,
        )
        url = f"{endpoint.rstrip('/')}/v1/traces"
        self._provider.add_span_processor(processor(exporter(endpoint=url, timeout=EXPORT_TIMEOUT_S)))
        self._tracer = self._provider.get_tracer("idling_ws", version)
        self._propagator = TraceContextTextMapPropagator()

    @contextlib.contextmanager
    def request(self, method: str, route: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """Be in the span of an HTTP request for the length of the block. ``route`` is its pattern: no ids, no names."""
        # Read by the names the standard gives, whatever case they came in (W3C Trace Context, section 3.2).
        carrier = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
        with self._tracer.start_as_current_span(
            f"{method} {route}",
            context=self._propagator.extract(carrier),
            kind=self._trace.SpanKind.SERVER,
            attributes={"http.request.method": method, "http.route": route},
        ) as span:
            yield span

    def answered(self, span: Span, status: int, trace_id: str | None) -> None:
        """Note what a request was answered."""
        span.set_attribute("http.response.status_code", status)
        if trace_id is not None:
            span.set_attribute("idling.trace_id", trace_id)
        if status >= SERVER_ERROR:
            span.set_status(self._trace.StatusCode.ERROR)

    def mutation(self, name: str, trace_id: str, done: asyncio.Future[Any]) -> None:
        """Follow a mutation until it is settled."""
        span = self._tracer.start_span(
            f"mutation {name}", attributes={"idling.mutation": name, "idling.trace_id": trace_id}
        )
        done.add_done_callback(lambda settled: self._settled(span, settled))

    def _settled(self, span: Span, settled: asyncio.Future[Any]) -> None:
        if settled.cancelled():
            outcome = "cancelled"
        elif (exc := settled.exception()) is not None:
            outcome = str(getattr(exc, "code", "internal"))
            span.set_status(self._trace.StatusCode.ERROR)
        else:
            result = settled.result()
            outcome = "effects" if result.verdict is None else str(result.verdict["status"])
            span.set_attribute("idling.duplicate", bool(result.duplicate))
        span.set_attribute("idling.outcome", outcome)
        span.end()

    async def stop(self) -> None:
        """Send what waits, if the collector takes it soon."""
        loop, is_over = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(is_over.set)

        # Not in the loop's own threads: the loop waits for those at its end, however long they take.
        threading.Thread(target=shut_down, name="last-traces", daemon=True).start()
        try:
            async with asyncio.timeout(STOP_S):
                await is_over.wait()
        except TimeoutError:
            log.warning("the collector did not take the last traces in time")


def open_tracing(endpoint: str | None, version: str) -> Tracing | None:
    """Return what makes spans, or None where none are wanted. Raises ``TracingMissingError``."""
    return None if endpoint is None else Tracing(endpoint, version)
