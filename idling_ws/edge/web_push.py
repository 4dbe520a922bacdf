"""The way to push services: VAPID (RFC 8292), encrypted for the browser (RFC 8291), one bounded POST each.

The URL came from a stranger. Its host is on a list (``domain.push``); beyond that the
name must not lead into our own network, also when it is looked up for this very
connection, and no redirect is followed.
"""

from __future__ import annotations

import base64
import ipaddress
import logging
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02
from pywebpush import WebPusher

from idling_ws.breakers import Breakers, LeftAloneError
from idling_ws.delivery.push import Posted
from idling_ws.domain.clock import Clock, SystemClock
from idling_ws.domain.push import Services, Subscription
from idling_ws.identity.sealing import derive_key

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
# Kept by the push service for a browser that is off; a day later nobody cares.
TTL_S = 86_400
TOKEN_S = 12 * 3600
# A service that failed so often in a row is left alone for so long; what is due comes up again by itself.
FAILURES = 5
REST_S = 15.0
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class PublicOnly(AbstractResolver):
    """Names as usual, but none that leads to an address that is not public."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver or DefaultResolver()

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        """Return the public addresses of ``host``. Raises ``OSError`` when there is none."""
        found = await self._resolver.resolve(host, port, family)
        public = [one for one in found if is_public(one["host"])]
        if not public:
            raise OSError(f"{host} has no public address")
        return public

    async def close(self) -> None:
        """End what the resolver holds."""
        await self._resolver.close()


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet, also behind a prefix that maps IPv4 into IPv6."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if ip in ipaddress.ip_network("64:ff9b::/96"):  # NAT64
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        if ip.is_reserved or ip.is_site_local:  # among them the old ways to write IPv4, and other NAT64
            return False
    return ip.is_global and not ip.is_multicast


def derive_signing_key(secret_key: str) -> ec.EllipticCurvePrivateKey:
    """Return the key that signs our posts: the same on every instance that has the same secret."""
    number = int.from_bytes(derive_key(secret_key, "web push")) % (_P256_ORDER - 1) + 1
    return ec.derive_private_key(number, ec.SECP256R1())


class _FailedError(Exception):
    """A push service did not take it: what opens its breaker."""


class WebPushLine:
    """Posts to push services. ``contact`` is a ``mailto:`` or ``https:`` URL where they can reach us."""

    def __init__(
        self,
        services: Services,
        key: ec.EllipticCurvePrivateKey,
        contact: str,
        breakers: Breakers | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._services = services
        self._clock = clock or SystemClock()
        self._breakers = breakers or Breakers(self._clock)
        self._vapid = Vapid02(key)
        self._contact = contact
        resolver = None if services.private else PublicOnly()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=resolver, limit=32),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    @property
    def public_key(self) -> str:
        """What a page hands to ``pushManager.subscribe``: the uncompressed point, base64url."""
        point = self._vapid.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return base64.urlsafe_b64encode(point).rstrip(b"=").decode()

    async def post(self, subscription: Subscription, payload: bytes, topic: str) -> Posted:
        """Encrypt and post. Never raises: what went wrong is an outcome."""
        pattern = self._services.pattern_of(subscription.endpoint)
        if pattern is None:  # accepted once, but the list is another one now
            return Posted.REFUSED
        # By its pattern, not its host: below ``*.`` there are as many hosts as somebody cares to name.
        breaker = self._breakers.named(f"push:{pattern}", failures=FAILURES, rest_s=REST_S)
        try:
            with breaker.guard(_FailedError):
                outcome = await self._post(subscription, payload, topic)
                if outcome is Posted.FAILED:
                    raise _FailedError
                return outcome
        except (LeftAloneError, _FailedError):
            return Posted.FAILED

    async def _post(self, subscription: Subscription, payload: bytes, topic: str) -> Posted:
        keys = {"p256dh": subscription.p256dh, "auth": subscription.auth}
        try:
            body = WebPusher({"endpoint": subscription.endpoint, "keys": keys}).encode(payload)["body"]
            async with self._session.post(
                subscription.endpoint,
                data=body,
                headers={
                    **self._vapid.sign(self._claims(subscription.endpoint)),
                    "Content-Encoding": "aes128gcm",
                    "Content-Type": "application/octet-stream",
                    "TTL": str(TTL_S),
                    "Urgency": "normal",
                    # At most 32 characters of base64url; ids are UUIDs.
                    "Topic": topic.replace("-", "")[:32],
                },
                allow_redirects=False,
            ) as response:
                return _judge(response.status)
        except (TimeoutError, aiohttp.ClientError, OSError) as exc:
            log.info("a push service could not be reached: %s", type(exc).__name__)
            return Posted.FAILED
        except ValueError as exc:  # keys that no browser made
            log.info("a push could not be made: %s", type(exc).__name__)
            return Posted.GONE

    async def close(self) -> None:
        """End the connections."""
        await self._session.close()

    def _claims(self, endpoint: str) -> dict[str, Any]:
        expires_at = int(self._clock.now().timestamp()) + TOKEN_S
        return {"aud": origin_of(endpoint), "exp": expires_at, "sub": self._contact}


def origin_of(endpoint: str) -> str:
    """Return the origin of a URL as browsers write it: without the port that goes without saying (RFC 6454, 6.2)."""
    parts = urlsplit(endpoint)
    usual = {"https": 443, "http": 80}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if parts.port in (None, usual) else f":{parts.port}")


def _judge(status: int) -> Posted:
    if 200 <= status < 300:
        return Posted.SENT
    if status in (404, 410):
        return Posted.GONE
    if status == 429 or status >= 500:
        return Posted.FAILED
    log.warning("a push service answered %d", status)
    return Posted.REFUSED
