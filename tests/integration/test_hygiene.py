"""HTTP hygiene: headers on every answer, no change by a forged request, pages of other origins held off."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from idling_ws.edge.routes import add_routes
from idling_ws.edge.who import SAFE_METHODS
from tests.support.instances import Instance, running_instances
from tests.support.rows import run_sql
from tests.support.servers import RedisServer
from tests.support.wire_client import call, sign_in

# They take no cookie: a guest comes with nothing, a refresh with its token in the body.
WITHOUT_COOKIE = {"/auth/refresh"}


def unsafe_routes() -> list[tuple[str, str]]:
    """Return method and path of every route that could change something."""
    app = web.Application()
    add_routes(app)
    return sorted(
        (route.method, route.resource.canonical.replace("{id}", "1").replace("{emoji}", "1F600"))
        for route in app.router.routes()
        if route.method not in SAFE_METHODS and route.resource is not None
        if route.resource.canonical not in WITHOUT_COOKIE
    )


@pytest.mark.parametrize(("method", "path"), unsafe_routes())
@pytest.mark.parametrize(
    "proof",
    [
        {},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
    ids=["nothing", "null", "foreign", "cross-site", "same-site", "foreign but same-origin"],
)
async def test_a_cookie_alone_changes_nothing(
    pair: tuple[Instance, Instance], visitor: str, method: str, path: str, proof: dict[str, str]
) -> None:
    """Every unsafe route refuses a cookie that comes without proof of our own page."""
    if path == "/auth/guest" and not proof:
        return  # no browser sends so: a script may sign itself in
    answer = await call(pair[0].url, method, path, json={}, headers={"Cookie": visitor, **proof})
    assert answer.status == 403, answer.body
    assert answer.json["code"] == "forbidden"


@pytest.fixture(scope="module")
async def visitor(pair: tuple[Instance, Instance]) -> str:
    """The cookie of somebody signed in."""
    return (await sign_in(pair[0].url)).cookie


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/static/js/app.js", 200),
        ("GET", "/static/nothing.js", 404),
        ("GET", "/nothing", 404),
        ("GET", "/static/../setup.cfg", 404),
        ("DELETE", "/api/profile", 405),
        ("GET", "/api/profile", 401),
        ("GET", "/ws", 400),
        ("GET", "/healthz", 200),
        ("GET", "/metrics", 200),
        ("POST", "/auth/refresh", 400),
    ],
)
async def test_every_answer_has_the_headers(
    pair: tuple[Instance, Instance], method: str, path: str, status: int
) -> None:
    """Pages, files, errors and what machines ask: no sniffing, no framing, no inline script, no HSTS."""
    answer = await call(pair[0].url, method, path)
    assert answer.status == status
    check_headers(answer.headers)
    assert "Strict-Transport-Security" not in answer.headers


def check_headers(headers: dict[str, str]) -> None:
    """Hold the headers of an answer against what each must have."""
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nCookie: idling=\x08\r\n\r\n",
        b"GET /healthz HTTP/9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"\x16\x03\x01 no HTTP at all\r\n\r\n",
    ],
    ids=["character", "version", "length", "long", "TLS"],
)
async def test_what_is_no_http_is_answered_in_the_one_shape(pair: tuple[Instance, Instance], head: bytes) -> None:
    """aiohttp cannot read it, and no route sees it; the answer is a problem like any other, and counted."""
    url = urlsplit(pair[0].url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(head)
    raw, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    status, _, fields = raw.decode("latin-1").partition("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in fields.splitlines())}
    assert status.split()[1] == "400"
    assert headers["content-type"].partition(";")[0] == "application/problem+json"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["server"] == "idling"
    problem = json.loads(body)
    assert (problem["code"], problem["class"], problem["status"]) == ("bad_frame", "validation", 400)
    assert headers["x-trace-id"] == problem["trace_id"]
    assert "\\x" not in problem["message"], "what was sent is not sent back"
    metrics = (await call(pair[0].url, "GET", "/metrics")).body.decode()
    assert re.search(r'^idling_http_requests_total{method="UNKNOWN",status="400"} [1-9]', metrics, re.MULTILINE)


async def test_not_modified_has_the_headers(pair: tuple[Instance, Instance]) -> None:
    """A 304 replaces the headers a browser has kept: it needs them as well."""
    first = await call(pair[0].url, "GET", "/static/js/app.js")
    again = await call(pair[0].url, "GET", "/static/js/app.js", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status == 304
    check_headers(again.headers)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_only_json_is_taken(pair: tuple[Instance, Instance], kind: str) -> None:
    """What a form of another page could send is refused by its type."""
    login = await sign_in(pair[0].url)
    answer = await call(
        pair[0].url, "PATCH", "/api/preferences", token=login.token, data=b"{}", headers={"Content-Type": kind}
    )
    assert answer.status == 415


@pytest.fixture(scope="module")
def shared(pair_url: str, pair_redis: RedisServer) -> Iterator[Instance]:
    """An instance under TLS (by its public URL) that lets one other origin use its API."""
    origins = {"PUBLIC_URL": "https://idling.example", "ALLOWED_ORIGINS": "https://friend.example"}
    with running_instances(pair_url, pair_redis.url, 1, **origins) as (instance,):
        yield instance


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/profile", "/healthz"])
async def test_under_tls_browsers_are_told_to_stay_there(shared: Instance, path: str) -> None:
    """HSTS is on every answer where people come over TLS."""
    answer = await call(shared.url, "GET", path)
    assert "max-age=" in answer.headers["Strict-Transport-Security"]
    check_headers(answer.headers)


async def test_an_allowed_origin_may_use_the_api_and_no_other_may(shared: Instance) -> None:
    """Preflight and answer name the allowed origin; others, null and the rest of the site get nothing."""
    asks = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization,content-type"}
    friend = {"Origin": "https://friend.example"}
    allowed = await call(shared.url, "OPTIONS", "/api/profile", headers={**friend, **asks})
    assert allowed.status == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://friend.example"
    assert "PATCH" in allowed.headers["Access-Control-Allow-Methods"]
    login = await sign_in(shared.url)
    read = await call(shared.url, "GET", "/api/profile", token=login.token, headers=friend)
    assert read.headers["Access-Control-Allow-Origin"] == "https://friend.example"
    for origin in ("https://evil.example", "null", "https://friend.example.evil.example", "http://friend.example"):
        refused = await call(shared.url, "OPTIONS", "/api/profile", headers={"Origin": origin, **asks})
        assert refused.status == 403
        answer = await call(shared.url, "GET", "/api/profile", token=login.token, headers={"Origin": origin})
        assert not [name for name in answer.headers if name.startswith("Access-Control-")]
    for path in ("/auth/logout", "/auth/guest", "/"):
        other = await call(shared.url, "OPTIONS", path, headers={**friend, **asks})
        assert "Access-Control-Allow-Origin" not in other.headers


async def test_forwarded_addresses_count_from_trusted_proxies_only(
    pair: tuple[Instance, Instance], pair_url: str
) -> None:
    """Without a trusted proxy a forged ``X-Forwarded-For`` changes nothing: the audit trail has the real address."""
    answer = await call(pair[0].url, "POST", "/auth/guest", json={}, headers={"X-Forwarded-For": "192.0.2.77"})
    assert answer.status == 201
    sql = "SELECT address FROM audit_log WHERE user_id = %s AND action = 'login'"
    assert run_sql(pair_url, sql, answer.json["user"]["id"]) == [("127.0.0.1",)]
