"""What goes wrong is on record: by class, code, route and hour; and under one trace id wherever it shows."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

from tests.integration.test_analytics_routes import admin
from tests.support.instances import Instance
from tests.support.rows import run_sql
from tests.support.wire_client import Login, call, connect, sign_in

__all__ = ["admin"]

Pair = tuple[Instance, Instance]
# The errors of an instance are written every five seconds.
WRITTEN_WITHIN_S = 90


def a_trace() -> tuple[str, str]:
    """A trace id and the ``traceparent`` that brings it."""
    trace_id = uuid4().hex
    return trace_id, f"00-{trace_id}-{uuid4().hex[:16]}-01"


async def test_errors_are_counted_by_the_route_they_came_over(pair: Pair, admin: Login) -> None:
    """An HTTP route by its pattern, a list's verdicts, a path that leads nowhere, and a socket."""
    a = pair[0]

    async def counted() -> dict[tuple[str, str, str], int]:
        answer = await call(a.url, "GET", "/api/analytics/errors?grain=day", token=admin.token)
        assert answer.status == 200, answer.body
        return {(one["class"], one["code"], one["route"]): one["count"] for one in answer.json["errors"]}

    before = await counted()
    me = await sign_in(a.url)
    assert (await call(a.url, "GET", "/api/users/nobody-at-all", token=me.token)).status == 404
    assert (await call(a.url, "GET", f"/no/such/{uuid4()}")).status == 404
    listed = {"mutations": [{"mid": uuid4().hex, "name": "no.such", "args": {}}]}
    assert (await call(a.url, "POST", "/api/mutations", token=me.token, json=listed)).status == 200
    async with await connect(a.url, me.token) as device:
        assert (await device.mutate("session.pause", {"id": "none"}))["status"] == "rolled_back"
        assert (await device.mutate("session.pause", {"id": 1}))["status"] == "rolled_back"
    wanted = {
        ("validation", "not_found", "/api/users/{id}"),
        ("validation", "not_found", "unmatched"),
        ("validation", "unknown_mutation", "/api/mutations"),
        ("business", "session_not_found", "ws"),
        ("validation", "invalid_arguments", "ws"),
    }
    async with asyncio.timeout(WRITTEN_WITHIN_S):
        after = await counted()
        while any(after.get(one, 0) == before.get(one, 0) for one in wanted):
            await asyncio.sleep(0.3)
            after = await counted()
    assert not [route for _, _, route in after if "no/such" in route]


async def test_a_trace_that_was_brought_leads_to_answer_log_and_audit(pair: Pair, pair_url: str) -> None:
    """The id of a request's ``traceparent`` is in the header, the problem and every log line of the request."""
    trace_id, traceparent = a_trace()
    answer = await call(pair[0].url, "GET", "/auth/callback/nowhere", headers={"traceparent": traceparent})
    assert (answer.headers["X-Trace-Id"], answer.json["trace_id"]) == (trace_id, trace_id)
    async with asyncio.timeout(45):
        while not (lines := pair[0].logged("sign-in through nobody failed")):
            await asyncio.sleep(0.05)
        assert trace_id in [json.loads(line)["trace_id"] for line in lines]
        while not run_sql(pair_url, "SELECT 1 FROM audit_log WHERE trace_id = %s", trace_id):
            await asyncio.sleep(0.1)


async def test_a_trace_leads_from_the_frame_to_every_device(pair: Pair, pair_url: str) -> None:
    """Brought in ``mutate``, or over REST: it is in the entry that each device gets, and in the audit row."""
    me = await sign_in(pair[0].url)
    async with await connect(pair[0].url, me.token) as one, await connect(pair[1].url, me.token) as other:
        for way in ("socket", "rest"):
            trace_id, traceparent = a_trace()
            if way == "socket":
                assert (await one.mutate("profile.update", {"bio": way}, traceparent=traceparent))[
                    "status"
                ] == "confirmed"
            else:
                header = {"traceparent": traceparent}
                answer = await call(
                    pair[1].url, "PATCH", "/api/profile", token=me.token, json={"bio": way}, headers=header
                )
                assert answer.status == 200
            for device in (one, other):
                while not any(entry.get("trace_id") == trace_id for entry in device.entries):
                    await device.receive()
            assert run_sql(pair_url, "SELECT action FROM audit_log WHERE trace_id = %s", trace_id) == [
                ("profile.update",)
            ]


async def test_a_trace_that_is_none_is_replaced(pair: Pair) -> None:
    """Anything but what W3C Trace Context allows: the server makes an id of its own."""
    bad: list[Any] = ["", "x", "00-" + "0" * 32 + "-" + "1" * 16 + "-01", "ff-" + "a" * 32 + "-" + "1" * 16 + "-01"]
    for traceparent in bad:
        answer = await call(pair[0].url, "GET", "/healthz", headers={"traceparent": traceparent})
        assert len(answer.headers["X-Trace-Id"]) == 16
    me = await sign_in(pair[0].url)
    async with await connect(pair[0].url, me.token) as device:
        assert (await device.mutate("profile.update", {"bio": "x"}, traceparent=[1]))["status"] == "confirmed"
        assert len(device.entries[-1]["trace_id"]) == 16
