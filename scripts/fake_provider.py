"""A sign-in service on this machine that answers as Twitch does, for trying sign-in without credentials.

    .venv/bin/python scripts/fake_provider.py
    IDLING_TWITCH_ISSUER=http://127.0.0.1:8082/oauth2 make run

Whoever you say you are on its page, you are. Where Twitch differs from the standards, so
does this: ``scope`` comes back as a list, mistakes as ``{status, message}``, a name only
when asked for by ``claims``, and no ``iss`` beside the code. In one thing it is stricter:
a code that was asked for with a PKCE challenge needs the verifier.

It keeps everything in memory and must never be reachable from anywhere but this machine.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import html
import json
import secrets
import sys
import time
import zlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT_ID = "idling-local"
CLIENT_SECRET = "not-a-secret-local-only"  # noqa: S105 -- it says so itself
CODE_LIFE_S = 60
TOKEN_LIFE_S = 14_000

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Pretend sign-in</title>
<style>body{{font:16px/1.5 system-ui;max-width:26rem;margin:4rem auto;padding:0 1rem}}
input,button{{font:inherit;padding:.5rem .75rem;width:100%;box-sizing:border-box;margin:.25rem 0}}</style>
<h1>Pretend sign-in</h1><p><b>{client}</b> wants to know who you are. Who would you like to be?</p>
<form method="post"><input name="name" required maxlength="25" autofocus placeholder="a name" value="{name}">
<button name="consent" value="yes">That is me, go on</button>
<button name="consent" value="no" formnovalidate>No, go back</button></form></html>"""


@dataclass(frozen=True)
class Grant:
    """What was agreed to: behind a code, and then behind an access token."""

    redirect_uri: str
    nonce: str | None
    challenge: str | None
    claims: dict[str, Any]
    scopes: list[str]
    name: str
    expires_at: float


class FakeTwitch:
    """The service: an aiohttp application over a few dictionaries."""

    def __init__(self, key: RSAKey | None = None) -> None:
        self.client_id = CLIENT_ID
        self.client_secret = CLIENT_SECRET
        self.origin = ""
        self.key = key or RSAKey.generate_key(2048, parameters={"kid": "1"})
        self.codes: dict[str, Grant] = {}
        self.tokens: dict[str, Grant] = {}

    @property
    def issuer(self) -> str:
        """Its name, and where its configuration is found."""
        return f"{self.origin}/oauth2"

    def application(self) -> web.Application:
        """Return the service as an application; set ``origin`` before the first request."""
        app = web.Application()
        app.router.add_get("/oauth2/.well-known/openid-configuration", self.configuration)
        app.router.add_get("/oauth2/authorize", self.ask)
        app.router.add_post("/oauth2/authorize", self.agree)
        app.router.add_post("/oauth2/token", self.exchange)
        app.router.add_get("/oauth2/userinfo", self.userinfo)
        app.router.add_get("/oauth2/keys", self.keys)
        return app

    async def configuration(self, _: web.Request) -> web.StreamResponse:
        """The announcement, with what Twitch announces."""
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "jwks_uri": f"{self.issuer}/keys",
                "response_types_supported": ["id_token", "code", "token", "code id_token", "token id_token"],
                "scopes_supported": ["openid"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
                "claims_supported": ["iss", "sub", "aud", "exp", "iat", "preferred_username"],
            }
        )

    async def keys(self, _: web.Request) -> web.StreamResponse:
        """The public keys."""
        listed = KeySet([self.key]).as_dict(private=False)["keys"]
        return web.json_response({"keys": [{**jwk, "alg": "RS256", "use": "sig"} for jwk in listed]})

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """The page that asks who you are."""
        query = request.query
        if query.get("client_id") != self.client_id:
            return _mistake(400, "invalid client")
        if not _is_loopback(query.get("redirect_uri", "")):
            return _mistake(400, "parameter redirect_uri does not match registered URI")
        if query.get("response_type") != "code" or "openid" not in query.get("scope", "").split():
            return _mistake(400, "invalid scope or response type")
        page = _PAGE.format(client=html.escape(self.client_id), name=html.escape(query.get("login_hint", "")))
        return web.Response(text=page, content_type="text/html", headers={"Cache-Control": "no-store"})

    async def agree(self, request: web.Request) -> web.StreamResponse:
        """Send the browser back with a code, or with a no."""
        form, query = await request.post(), request.query
        redirect_uri, state = query.get("redirect_uri", ""), query.get("state", "")
        if query.get("client_id") != self.client_id or not _is_loopback(redirect_uri):
            return _mistake(400, "parameter redirect_uri does not match registered URI")
        name = str(form.get("name", "")).strip()
        if form.get("consent") != "yes" or not name:
            refused = {"error": "access_denied", "error_description": "The user denied you access", "state": state}
            raise web.HTTPFound(f"{redirect_uri}?{urlencode(refused)}")
        if query.get("code_challenge") and query.get("code_challenge_method") != "S256":
            return _mistake(400, "only S256 is supported")
        code, scopes = secrets.token_urlsafe(22), query.get("scope", "").split()
        self.codes[code] = Grant(
            redirect_uri=redirect_uri,
            nonce=query.get("nonce"),
            challenge=query.get("code_challenge"),
            claims=json.loads(query.get("claims") or "{}"),
            scopes=scopes,
            name=name,
            expires_at=time.time() + CODE_LIFE_S,
        )
        raise web.HTTPFound(f"{redirect_uri}?{urlencode({'code': code, 'scope': ' '.join(scopes), 'state': state})}")

    async def exchange(self, request: web.Request) -> web.StreamResponse:
        """Trade a code for tokens; a code works once."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        if form.get("client_id") != self.client_id:
            return _mistake(400, "invalid client")
        if not hmac.compare_digest(form.get("client_secret", "").encode(), self.client_secret.encode()):
            return _mistake(403, "invalid client secret")
        grant = self.codes.pop(form.get("code", ""), None)
        if grant is None or grant.expires_at < time.time() or not _fits(grant.challenge, form.get("code_verifier")):
            return _mistake(400, "Invalid authorization code")
        if form.get("redirect_uri") != grant.redirect_uri:
            return _mistake(400, "Parameter redirect_uri does not match registered URI")
        access_token = secrets.token_hex(15)
        self.tokens[access_token] = grant
        return web.json_response(self.tokens_for(grant, access_token))

    def tokens_for(self, grant: Grant, access_token: str) -> dict[str, Any]:
        """What the token endpoint answers."""
        claims = self.claims_for(grant, "id_token") | {
            "at_hash": _b64(hashlib.sha256(access_token.encode()).digest()[:16]),
            **({} if grant.nonce is None else {"nonce": grant.nonce}),
        }
        return {
            "access_token": access_token,
            "expires_in": TOKEN_LIFE_S,
            "id_token": self.sign(claims),
            "refresh_token": secrets.token_hex(25),
            "scope": grant.scopes,
            "token_type": "bearer",
        }

    def claims_for(self, grant: Grant, place: str) -> dict[str, Any]:
        """Claims about who signed in; the name only when it was asked for in ``place``."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "aud": self.client_id,
            "azp": self.client_id,
            "exp": now + 900,
            "iat": now,
            "iss": self.issuer,
            # Numeric as Twitch's are, and the same for the same name every time.
            "sub": str(100_000_000 + zlib.crc32(grant.name.casefold().encode())),
        }
        if "preferred_username" in (grant.claims.get(place) or {}):
            claims["preferred_username"] = grant.name
        return claims

    def sign(self, claims: dict[str, Any]) -> str:
        """Return claims as an ID token."""
        return jwt.encode({"alg": "RS256", "typ": "JWT", "kid": self.key.kid}, claims, self.key)

    async def userinfo(self, request: web.Request) -> web.StreamResponse:
        """Claims about whose access token it is."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        grant = self.tokens.get(token)
        if scheme != "Bearer" or grant is None:
            return _mistake(401, "invalid access token")
        return web.json_response(self.claims_for(grant, "userinfo"))


def _mistake(status: int, message: str) -> web.Response:
    return web.json_response({"status": status, "message": message}, status=status)


def _fits(challenge: str | None, verifier: str | None) -> bool:
    return challenge is None or challenge == _b64(hashlib.sha256((verifier or "").encode()).digest())


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")


def main() -> int:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A sign-in service for this machine that answers as Twitch does.")
    parser.add_argument("--port", type=int, default=8082)
    arguments = parser.parse_args()
    service = FakeTwitch()
    service.origin = f"http://127.0.0.1:{arguments.port}"
    print(f"Pretend sign-in on {service.origin}. In another terminal:\n", flush=True)
    print(f"    IDLING_TWITCH_ISSUER={service.issuer} make run\n", flush=True)
    web.run_app(service.application(), host="127.0.0.1", port=arguments.port, print=None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
