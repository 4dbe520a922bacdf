"""A push service as browsers' makers run them: it checks who posts (VAPID, RFC 8292) and holds the browsers' keys.

It shares no code with what it checks: tokens are verified and messages decrypted (RFC 8188,
RFC 8291) with ``cryptography`` and the standard library alone.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import json
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CURVE = ec.SECP256R1()
WAIT_S = 60.0


def b64(raw: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """Decode base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    prk = hmac.digest(salt, secret, "sha256")
    return hmac.digest(prk, info + b"\x01", "sha256")[:length]


@dataclass(slots=True)
class Browser:
    """A browser with a subscription. ``statuses`` are answered one after the other, then 201."""

    endpoint: str
    statuses: list[int] = field(default_factory=list)
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(CURVE))
    auth: bytes = field(default_factory=lambda: os.urandom(16))
    posts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def subscription(self) -> dict[str, Any]:
        """What ``PushSubscription.toJSON()`` gives."""
        keys = {"p256dh": b64(_point(self.key.public_key())), "auth": b64(self.auth)}
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}

    def decrypt(self, body: bytes) -> Any:
        """Return the JSON that was posted."""
        salt, id_length = body[:16], body[20]
        sender, sealed = body[21 : 21 + id_length], body[21 + id_length :]
        shared = self.key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(CURVE, sender))
        info = b"WebPush: info\x00" + _point(self.key.public_key()) + sender
        secret = _hkdf(self.auth, shared, info, 32)
        key = _hkdf(salt, secret, b"Content-Encoding: aes128gcm\x00", 16)
        nonce = _hkdf(salt, secret, b"Content-Encoding: nonce\x00", 12)
        plain = AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\x00")
        assert plain.endswith(b"\x02"), "not the last record"
        return json.loads(plain[:-1])


class PushService:
    """One service on this machine. ``arrived`` is notified at each post."""

    def __init__(self) -> None:
        self.origin = ""
        self.browsers: dict[str, Browser] = {}
        self.strays: list[str] = []
        self.arrived = asyncio.Condition()

    def browser(self, name: str, *statuses: int) -> Browser:
        """Return a new browser that answers with these first."""
        browser = self.browsers[name] = Browser(f"{self.origin}/send/{name}", list(statuses))
        return browser

    async def posted(self, browser: Browser, count: int = 1) -> None:
        """Wait until so much was posted to a browser."""
        async with asyncio.timeout(WAIT_S), self.arrived:
            await self.arrived.wait_for(lambda: len(browser.posts) >= count)

    async def _take(self, request: web.Request) -> web.Response:
        browser = self.browsers[request.match_info["name"]]
        claims = self._verify(request.headers["Authorization"])
        assert request.headers["Content-Encoding"] == "aes128gcm"
        assert int(request.headers["TTL"]) >= 0
        status = browser.statuses.pop(0) if browser.statuses else 201
        async with self.arrived:
            browser.posts.append(
                {
                    "message": browser.decrypt(await request.read()),
                    "claims": claims,
                    "topic": request.headers["Topic"],
                    "authorization": request.headers["Authorization"],
                    "status": status,
                }
            )
            self.arrived.notify_all()
        return web.Response(status=status, headers={"Location": f"{self.origin}/elsewhere"})

    def _verify(self, authorization: str) -> dict[str, Any]:
        scheme, _, rest = authorization.partition(" ")
        assert scheme == "vapid"
        given = dict(part.strip().split("=", 1) for part in rest.split(","))
        signed, _, signature = given["t"].rpartition(".")
        raw = unb64(signature)
        r, s = int.from_bytes(raw[:32]), int.from_bytes(raw[32:])
        key = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, unb64(given["k"]))
        key.verify(encode_dss_signature(r, s), signed.encode(), ec.ECDSA(SHA256()))
        header, claims = (json.loads(unb64(part)) for part in signed.split("."))
        assert header["alg"] == "ES256"
        assert claims["aud"] == self.origin
        assert time.time() < claims["exp"] <= time.time() + 86_400
        assert claims["sub"].startswith(("mailto:", "https:"))
        return {**claims, "k": given["k"]}

    async def _stray(self, request: web.Request) -> web.Response:
        self.strays.append(request.path)
        return web.Response()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[PushService]:
        """Serve for the length of the block."""
        app = web.Application()
        app.router.add_post("/send/{name}", self._take)
        app.router.add_route("*", "/{rest:.*}", self._stray)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()
