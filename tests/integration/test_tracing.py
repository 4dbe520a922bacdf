"""Traces, taken in by a collector of the test's own that decodes what OTLP over HTTP really brings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.instances import running_instances
from tests.support.servers import RedisServer
from tests.support.wire_client import call, connect, sign_in

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector:
    """What came in, span by span, as plain dictionaries."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.services: set[str] = set()
        self.news = asyncio.Event()
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        """``POST /v1/traces``."""
        told = ExportTraceServiceRequest.FromString(await request.read())
        for of_resource in told.resource_spans:
            self.services |= {a.value.string_value for a in of_resource.resource.attributes if a.key == "service.name"}
            for of_scope in of_resource.scope_spans:
                self.spans += [_plain(span) for span in of_scope.spans]
        self.news.set()
        return web.Response(content_type="application/x-protobuf")

    async def found(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the first span that fits, as soon as it is here."""
        async with asyncio.timeout(60):
            while True:
                self.news.clear()
                for span in self.spans:
                    if fits(span):
                        return span
                await self.news.wait()


def _plain(span: Any) -> dict[str, Any]:
    values = {a.key: getattr(a.value, str(a.value.WhichOneof("value"))) for a in span.attributes}
    ids = {"trace": span.trace_id.hex(), "span": span.span_id.hex(), "parent": span.parent_span_id.hex()}
    return {"name": span.name, "status": span.status.code, **ids, **values}


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    """A collector that listens."""
    taking = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", taking.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    taking.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield taking
    await runner.cleanup()


async def test_requests_and_mutations_are_spans_and_sockets_are_none(
    collector: Collector, migrated_url: str, redis_server: RedisServer
) -> None:
    """A request continues the caller's trace, its mutation hangs on it; a socket's mutation begins one of its own."""
    running = running_instances(migrated_url, redis_server.url, 1, OTEL_ENDPOINT=collector.url)
    instance = (await asyncio.to_thread(running.__enter__))[0]
    try:
        login = await sign_in(instance.url)
        device = await connect(instance.url, login.token)
        headers = {"traceparent": PARENT}
        asked = {"activity": "being traced"}
        answer = await call(
            instance.url, "POST", "/api/sessions/create", token=login.token, json=asked, headers=headers
        )
        assert answer.status == 201
        assert (await device.mutate("favorite.add", {"emoji": "1F600"}))["status"] == "confirmed"
        assert (await device.mutate("favorite.add", {"emoji": "none such"}))["status"] == "rolled_back"
        assert (await call(instance.url, "GET", "/api/users/99999", token=login.token)).status == 404
        await device.hang_up()
        # Leaving sends what waits.
        assert await asyncio.to_thread(instance.terminate) == 0
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)
    request = await collector.found(lambda span: span["name"] == "POST /api/sessions/create")
    assert (request["trace"], request["parent"]) == (PARENT.split("-")[1], PARENT.split("-")[2])
    assert (request["http.response.status_code"], request["idling.trace_id"]) == (201, answer.headers["X-Trace-Id"])
    mutation = await collector.found(lambda span: span["name"] == "mutation session.start")
    assert (mutation["trace"], mutation["parent"]) == (request["trace"], request["span"])
    assert (mutation["idling.outcome"], mutation["idling.duplicate"]) == ("confirmed", False)
    by_socket = [span for span in collector.spans if span["name"] == "mutation favorite.add"]
    assert [span["idling.outcome"] for span in by_socket] == ["confirmed", "rolled_back"]
    assert {span["parent"] for span in by_socket} == {""}
    missing = await collector.found(lambda span: span["name"] == "GET /api/users/{id}")
    assert missing["http.response.status_code"] == 404
    assert "99999" not in str(collector.spans), "a route is told by its pattern"
    assert not [span for span in collector.spans if "/ws" in span["name"]]
    assert collector.services == {"idling_ws"}
