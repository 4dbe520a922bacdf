"""Services that do not answer: reads are tried again, a code is spent once, and who keeps failing is left alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from idling_ws.breakers import Breakers
from idling_ws.delivery.push import Posted
from idling_ws.domain.push import Services, Subscription
from idling_ws.edge.web_push import FAILURES as PUSH_FAILURES
from idling_ws.edge.web_push import WebPushLine, derive_signing_key
from idling_ws.identity.outbound import FAILURES, READ_ATTEMPTS, REST_S, Outbound, ProviderError
from tests.support.clocks import MovableClock


class Service:
    """A service that fails as often as it is told to, and counts how often it was asked."""

    def __init__(self) -> None:
        self.fails = 0
        self.asked = 0
        self.status = 503
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        self.server = TestServer(app)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.fails > 0:
            self.fails -= 1
            return web.json_response({}, status=self.status)
        return web.json_response({"ok": True}, status=201)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service()
    await made.server.start_server()
    yield made
    await made.server.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


async def test_a_read_is_tried_again_and_a_code_is_not(service: Service, session: aiohttp.ClientSession) -> None:
    """What is idempotent may be asked twice; what spends something is asked once."""
    outbound = Outbound(session, timeout_s=45.0)
    url = str(service.server.make_url("/keys"))
    service.fails = READ_ATTEMPTS - 1
    assert (await outbound.get(url)).body == {"ok": True}
    assert service.asked == READ_ATTEMPTS
    service.fails, service.asked = 1, 0
    with pytest.raises(ProviderError, match="provider_unavailable"):
        await outbound.post_form(url, {}, "code=1")
    assert service.asked == 1
    service.fails, service.asked, service.status = 9, 0, 302
    with pytest.raises(ProviderError, match="provider_wrong"):
        await outbound.get(url)
    assert service.asked == 1, "what will be the same answer is not asked for again"


async def test_a_sign_in_service_that_keeps_failing_is_left_alone(
    service: Service, session: aiohttp.ClientSession
) -> None:
    """People hear at once that it does not answer; after its rest one question finds out that it is back."""
    clock = MovableClock()
    breakers = Breakers(clock)
    outbound = Outbound(session, timeout_s=45.0, breakers=breakers)
    url = str(service.server.make_url("/token"))
    service.fails = FAILURES
    for _ in range(FAILURES + 3):
        with pytest.raises(ProviderError, match="provider_unavailable"):
            await outbound.post_form(url, {}, "code=1")
    assert service.asked == FAILURES
    assert dict(breakers.levels()) == {f"sign-in:127.0.0.1:{service.server.port}": 2}
    clock.move(REST_S + 1)
    assert (await outbound.post_form(url, {}, "code=1")).status == 201
    assert set(dict(breakers.levels()).values()) == {0}


async def test_a_push_service_that_keeps_failing_is_left_alone(service: Service) -> None:
    """By its entry in the list, however many hosts lie below it; what is due fails for now and comes up again."""
    clock = MovableClock()
    breakers = Breakers(clock)
    pattern = f"127.0.0.1:{service.server.port}"
    line = WebPushLine(
        Services((pattern,), private=True), derive_signing_key("a" * 32), "mailto:push@example.org", breakers
    )
    browser = Subscription(
        str(service.server.make_url("/browser")),
        "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM",
        "tBHItJI5svbpez7KI4CCXg",
    )
    service.fails = PUSH_FAILURES
    try:
        for _ in range(PUSH_FAILURES + 3):
            assert await line.post(browser, b"{}", "topic") is Posted.FAILED
        assert service.asked == PUSH_FAILURES
        assert dict(breakers.levels()) == {f"push:{pattern}": 2}
        clock.move(60)
        assert await line.post(browser, b"{}", "topic") is Posted.SENT
    finally:
        await line.close()
