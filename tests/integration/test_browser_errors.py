"""What pages report of themselves: counted by name, seldom logged, and refused from anywhere else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.integration.test_analytics_routes import admin
from tests.support.instances import Instance
from tests.support.shapes import is_problem
from tests.support.wire_client import Answer, Login, call, metric, sign_in

__all__ = ["admin"]

Pair = tuple[Instance, Instance]
A_FAULT = {"name": "TypeError", "module": "/static/js/app.js", "line": 12}


async def report(instance: Instance, *errors: Any, who: Login | None = None, **how: Any) -> Answer:
    """Report as a page of the place does: by its origin, with a token so that each has a quota of its own."""
    headers = how.pop("headers", {"Origin": instance.url})
    token = (who or await sign_in(instance.url)).token
    body = how.pop("json", {"errors": list(errors)})
    return await call(instance.url, "POST", "/api/errors/browser", json=body, headers=headers, token=token, **how)


async def test_they_are_counted_where_they_are_and_wake_nobody(pair: Pair, admin: Login) -> None:
    """By name, under the route ``browser``; made-up names are one, and a made-up module is none."""
    a = pair[0]
    before = await metric(a.url, 'idling_browser_errors_total{name="RangeError"}')
    grave = await metric(a.url, 'idling_errors_total{code="internal"}')
    hostile = {"name": "Ada's secret", "module": "/static/js/app.js\nERROR forged", "line": 7, "count": 1000}
    mine = {"name": "RangeError", "module": "/static/js/page/a-test.js", "line": 99, "count": 40}
    assert (await report(a, mine, hostile)).status == 204
    assert (await report(a, mine)).status == 204
    assert await metric(a.url, 'idling_browser_errors_total{name="RangeError"}') == before + 80
    assert await metric(a.url, 'idling_errors_total{code="internal"}') == grave
    assert len(a.logged("a page had RangeError in /static/js/page/a-test.js:99")) == 1
    assert a.logged("secret") + a.logged("forged") == []
    async with asyncio.timeout(90):
        while True:
            answer = await call(a.url, "GET", "/api/analytics/errors?grain=day", token=admin.token)
            found = {(one["class"], one["code"]): one for one in answer.json["errors"] if one["route"] == "browser"}
            if {("system", "RangeError"), ("system", "other")} <= found.keys():
                break
            await asyncio.sleep(0.3)


_WRONG: list[Any] = [
    {},
    {"errors": []},
    {"errors": [A_FAULT] * 21},
    {"errors": [1]},
    {"errors": [{**A_FAULT, "message": "what somebody wrote"}]},
    {"errors": [{**A_FAULT, "line": -1}]},
    {"errors": [{**A_FAULT, "line": 1.5}]},
    {"errors": [{**A_FAULT, "count": 0}]},
    {"errors": [{**A_FAULT, "count": 10**9}]},
    {"errors": [{**A_FAULT, "name": None}]},
    {"errors": [A_FAULT], "url": "https://room.test/?q=1"},
]


@pytest.mark.parametrize("body", _WRONG)
async def test_what_is_more_than_that_is_refused(pair: Pair, body: Any) -> None:
    """Too many, or anything that could hold what somebody wrote."""
    assert (await report(pair[0], json=body)).status == 422


async def test_they_come_from_our_own_pages_and_not_too_often(pair: Pair) -> None:
    """Not from another origin, with or without a cookie; not as anything but JSON; twelve a minute."""
    a = pair[0]
    for headers in ({}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        is_problem(await report(a, A_FAULT, headers=headers), 403, "forbidden")
    large = await report(a, json={"errors": [{"name": "x" * 9000}]})
    is_problem(large, 413, "too_large")
    plain = await call(
        a.url, "POST", "/api/errors/browser", data=b'{"errors": []}',
        headers={"Origin": a.url, "Content-Type": "text/plain"}, token=(await sign_in(a.url)).token,
    )  # fmt: skip
    is_problem(plain, 415, "unsupported_media_type")
    me, ours = await sign_in(a.url), {"Sec-Fetch-Site": "same-origin"}
    statuses = [(await report(a, A_FAULT, who=me, headers=ours)).status]
    while statuses[-1] == 204 and len(statuses) < 50:  # where Redis stumbles one passes unchecked
        statuses.append((await report(a, A_FAULT, who=me, headers=ours)).status)
    assert statuses[-1] == 429
    assert len(statuses) > 12
