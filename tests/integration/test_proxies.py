"""Behind proxies: what a trusted one says counts, what anybody else says does not."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from tests.support.instances import Instance, running_instances
from tests.support.rows import run_sql
from tests.support.servers import RedisServer
from tests.support.tls_proxy import NGINX, TlsProxy
from tests.support.wire_client import Answer, call

CLIENT, FORGED = "192.0.2.1", "203.0.113.9"


@pytest.fixture(scope="module")
def behind(pair_url: str, pair_redis: RedisServer) -> Iterator[Instance]:
    """An instance that trusts proxies of this machine and of one network."""
    with running_instances(pair_url, pair_redis.url, 1, TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8") as (instance,):
        yield instance


async def come_in(instance: Instance, headers: dict[str, str]) -> Answer:
    """Sign in as a guest."""
    answer = await call(instance.url, "POST", "/auth/guest", json={}, headers=headers)
    assert answer.status == 201, answer.body
    return answer


def logged_address(instance: Instance, answer: Answer) -> str:
    """Return from where somebody came in, as the audit trail has it."""
    sql = "SELECT address FROM audit_log WHERE user_id = %s AND action = 'login'"
    [(address,)] = run_sql(instance.settings["DATABASE_URL"], sql, answer.json["user"]["id"])
    return str(address)


ADDRESSES = {
    "one hop": ({"X-Forwarded-For": CLIENT}, CLIENT),
    "what a client wrote before": ({"X-Forwarded-For": f"{FORGED}, {CLIENT}"}, CLIENT),
    "two proxies": ({"X-Forwarded-For": f"{FORGED}, {CLIENT}, 10.1.2.3"}, CLIENT),
    "nonsense at the end": ({"X-Forwarded-For": f"{FORGED}, nonsense"}, "127.0.0.1"),
    "empty": ({"X-Forwarded-For": " , "}, "127.0.0.1"),
    "Forwarded": ({"Forwarded": f"for={CLIENT};proto=https;by=10.0.0.1"}, CLIENT),
    "Forwarded with a port": ({"Forwarded": f'For="{CLIENT}:4711"'}, CLIENT),
    "Forwarded, IPv6": ({"Forwarded": 'for="[2001:db8::1]:4711"'}, "2001:db8::1"),
    "Forwarded, two proxies": ({"Forwarded": f"for={FORGED}, for={CLIENT}, for=10.1.2.3"}, CLIENT),
    "Forwarded, hidden": ({"Forwarded": f"for={FORGED}, for=_hidden"}, "127.0.0.1"),
    "Forwarded, a comma in quotes": ({"Forwarded": f'for="x, for={FORGED}"'}, "127.0.0.1"),
    "Forwarded, broken": ({"Forwarded": f'for={CLIENT};proto="https'}, "127.0.0.1"),
    "Forwarded beside the other kind": ({"X-Forwarded-For": CLIENT, "Forwarded": f"for={FORGED}"}, CLIENT),
    "Forwarded beside a scheme": ({"X-Forwarded-Proto": "https", "Forwarded": f"for={FORGED}"}, "127.0.0.1"),
}


@pytest.mark.parametrize("what", ADDRESSES)
async def test_the_address_is_what_trusted_proxies_say(
    behind: Instance, pair: tuple[Instance, Instance], what: str
) -> None:
    """As far as the first hop that is not trusted; without a trusted proxy it is who connected."""
    headers, address = ADDRESSES[what]
    assert logged_address(behind, await come_in(behind, headers)) == address
    assert logged_address(pair[0], await come_in(pair[0], headers)) == "127.0.0.1"


SCHEMES = {
    "https": ({"X-Forwarded-Proto": "https"}, True),
    "in capitals": ({"X-Forwarded-For": CLIENT, "X-Forwarded-Proto": "HTTPS"}, True),
    "Forwarded": ({"Forwarded": f"for={CLIENT};proto=https"}, True),
    "http": ({"X-Forwarded-Proto": "http"}, False),
    "not all the way": ({"X-Forwarded-Proto": "https, http"}, False),
    "something else": ({"X-Forwarded-Proto": "wss"}, False),
    "nothing": ({}, False),
    "an address alone": ({"X-Forwarded-For": CLIENT}, False),
    "an untrusted hop's word": ({"Forwarded": f"for={FORGED};proto=https, for={CLIENT}"}, False),
}


@pytest.mark.parametrize("what", SCHEMES)
async def test_what_came_over_tls_stays_there(behind: Instance, pair: tuple[Instance, Instance], what: str) -> None:
    """A trusted proxy's word makes cookies Secure and asks for TLS from now on; anybody else's does nothing."""
    headers, is_tls = SCHEMES[what]
    answer = await come_in(behind, headers)
    assert ("Secure" in answer.headers["Set-Cookie"].split("; ")) is is_tls
    assert ("Strict-Transport-Security" in answer.headers) is is_tls
    unheard = await come_in(pair[0], headers)
    assert "Secure" not in unheard.headers["Set-Cookie"]
    assert "Strict-Transport-Security" not in unheard.headers


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx-light")
async def test_behind_a_proxy_that_ends_tls_everything_is_as_if_we_had(pair_url: str, pair_redis: RedisServer) -> None:
    """Cookies of this host alone, HSTS, our own origin with https, redirects back to it; over plain HTTP none of it."""
    proxy = TlsProxy()
    settings = {
        "PUBLIC_URL": proxy.url,
        "ALLOWED_ORIGINS": "",
        "TRUSTED_PROXIES": "127.0.0.1",
        "TWITCH_CLIENT_ID": "us",
        "TWITCH_CLIENT_SECRET": "between us",
        "TWITCH_ISSUER": "http://127.0.0.1:1",
        "TWITCH_AUTHORIZE_URL": "http://127.0.0.1:1/authorize",
        "TWITCH_TOKEN_URL": "http://127.0.0.1:1/token",
        "TWITCH_USERINFO_URL": "http://127.0.0.1:1/userinfo",
        "TWITCH_JWKS_URL": "http://127.0.0.1:1/keys",
    }
    with running_instances(pair_url, pair_redis.url, 1, **settings) as (instance,):
        proxy.behind = (instance.port,)
        proxy.start()
        try:
            plain = proxy.url.replace("https://", "http://")
            refused = await call(proxy.url, "POST", "/auth/guest", json={}, headers={"Origin": plain}, ssl=False)
            assert refused.status == 403
            guest = await call(proxy.url, "POST", "/auth/guest", json={}, headers={"Origin": proxy.url}, ssl=False)
            assert guest.status == 201
            assert "Strict-Transport-Security" in guest.headers
            cookie, *attributes = guest.headers["Set-Cookie"].split("; ")
            assert cookie.startswith("__Host-idling=")
            assert {"Secure", "HttpOnly", "Path=/"} <= set(attributes)
            away = await call(proxy.url, "GET", "/auth/login/twitch", allow_redirects=False, ssl=False)
            redirect = parse_qs(urlsplit(away.headers["Location"]).query)["redirect_uri"]
            assert redirect == [f"{proxy.url}/auth/callback/twitch"]
            async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
                address = proxy.url.replace("https://", "wss://") + "/ws"
                with pytest.raises(aiohttp.WSServerHandshakeError) as handshake:
                    await session.ws_connect(
                        address, headers={"Cookie": cookie, "Origin": plain}, protocols=["idling.v1"], ssl=False
                    )
                assert handshake.value.status == 403
                ours = {"Cookie": cookie, "Origin": proxy.url}
                async with session.ws_connect(address, headers=ours, protocols=["idling.v1"], ssl=False) as socket:
                    await socket.send_json({"type": "hello", "client": {"id": "x", "name": "x", "version": "1"}})
                    assert (await socket.receive_json())["user"]["id"] == guest.json["user"]["id"]
        finally:
            proxy.close()
