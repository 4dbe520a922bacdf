"""What is no HTTP: answered in the one shape of all errors, and counted like them.

aiohttp answers it by itself, in plain text, before any route or middleware is asked. It
leans on aiohttp's inside (``RequestHandler.handle_error``, ``AppRunner._make_server``),
so it stands in this one module and a test pins what it relies on.
"""

from __future__ import annotations

from aiohttp import web

from idling_ws.domain.errors import InternalError, InvalidError
from idling_ws.edge.parts import PARTS
from idling_ws.edge.problems import SECURITY_HEADERS, SERVER, problem
from idling_ws.observe.error_counts import UNMATCHED
from idling_ws.wire.tracing import trace_id_of


class Runner(web.AppRunner):
    """An ``AppRunner`` whose connections answer with a problem what they cannot read."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        server = _Server(made.request_handler, request_factory=made.request_factory, **made._kwargs)  # noqa: SLF001 -- what it makes its connections with
        server.app = self.app
        return server


class _Server(web.Server):
    app: web.Application

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        # It logs, and ends the connection where an answer had begun already.
        super().handle_error(request, status, exc, message)
        server = self._manager
        assert isinstance(server, _Server), "it made this connection"  # noqa: S101 -- for the type checker
        metrics = server.app[PARTS].metrics
        error = InternalError() if status >= 500 else InvalidError("bad_frame", "That was not HTTP as it should be.")
        trace_id = trace_id_of(None)
        response = problem(error, trace_id, status)
        response.headers.update({**SECURITY_HEADERS, "Server": SERVER, "X-Trace-Id": trace_id})
        response.force_close()
        metrics.failed(error.code, UNMATCHED)
        metrics.requests.labels(request.method, str(status)).inc()
        return response
