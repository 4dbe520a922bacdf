"""Access tokens: short-lived JWTs (RFC 9068) that any instance checks without asking anybody.

What a token may look like is fixed down to the last header member: ES256, a ``kid``
of our ring, ``typ`` at+jwt, and nothing else. So there is no algorithm to confuse,
no ``jwk``, ``jku``, ``x5u`` or ``crit`` to follow (RFC 8725, sections 2 and 3).

A verified token is remembered by its digest: when thousands of sockets come back at
once, with tokens known already, only their expiry and their key are looked at again.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NewType

import orjson
from joserfc import jws, jwt
from joserfc.jwk import ECKey
from joserfc.util import urlsafe_b64decode

from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import AuthError
from idling_ws.domain.ids import UserId
from idling_ws.identity.keys import ALGORITHM, DEFAULT_TTL_S, KeyRing

LoginId = NewType("LoginId", str)
"""One sign-in on one device: a row of ``logins``, ``sid`` in a token."""

TYPE = "at+jwt"
AUDIENCE = "idling"
# Instances' clocks differ a little: a token may seem to come from so far ahead.
SKEW_S = 10
MAX_TOKEN_CHARS = 2048
REMEMBERED = 4096

_ES256 = jws.JWSRegistry(algorithms=[ALGORITHM]).get_alg(ALGORITHM)
_HEADER_MEMBERS = {"alg", "kid", "typ"}
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)


class UnknownKeyError(AuthError):
    """Signed with a ``kid`` that this instance does not know: retired, made up, or very new."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. Times are whole seconds since 1970."""

    user_id: UserId
    login_id: LoginId
    jti: str
    kid: str
    issued_at: int
    expires_at: int


class Tokens:
    """Makes access tokens and checks them. ``issuer`` is the public URL of the place."""

    def __init__(self, keyring: KeyRing, issuer: str, clock: Clock, *, remembered: int = REMEMBERED) -> None:
        self._keyring = keyring
        self._issuer = issuer
        self._clock = clock
        self._remembered = remembered
        self._known: OrderedDict[bytes, Claims] = OrderedDict()

    def issue(self, user_id: UserId, login_id: LoginId, *, ttl_s: int = DEFAULT_TTL_S) -> str:
        """Return a token for ``ttl_s`` seconds.

        Raises ``ValueError`` for a life longer than the key is kept after its rotation:
        ``KeyRing.allow_ttl`` first.
        """
        signing = self._keyring.signing_key
        if ttl_s > signing.longest_ttl_s:
            raise ValueError(f"a token of {ttl_s} s would outlive its key")
        now = self._now_s()
        header = {"alg": ALGORITHM, "typ": TYPE, "kid": signing.kid}
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "sid": login_id,
            "iat": now,
            "exp": now + ttl_s,
            "jti": secrets.token_urlsafe(12),
        }
        return jwt.encode(header, claims, signing.key, algorithms=[ALGORITHM])

    def verify(self, token: str) -> Claims:
        """Return what ``token`` says, when it is ours, meant for us and alive.

        Raises ``AuthError``: ``token_expired`` (refresh it), else ``unauthenticated``;
        as ``UnknownKeyError`` when ``verify_anew`` might think otherwise.
        """
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        claims = self._known.get(digest)
        if claims is None:
            claims = self._verify_signed(token)
            self._remember(digest, claims)
        else:
            self._known.move_to_end(digest)
            if self._keyring.verifying_key(claims.kid) is None:
                del self._known[digest]
                raise UnknownKeyError
        if claims.expires_at <= self._now_s():
            raise AuthError("token_expired")
        return claims

    async def verify_anew(self, token: str) -> Claims:
        """Like ``verify``, but look for new keys when the ``kid`` is unknown.

        Raises ``UnavailableError`` too.
        """
        try:
            return self.verify(token)
        except UnknownKeyError:
            await self._keyring.look_again()
            return self.verify(token)

    def forget(self) -> None:
        """Drop every remembered token: the next sight of each is checked in full."""
        self._known.clear()

    def _remember(self, digest: bytes, claims: Claims) -> None:
        self._known[digest] = claims
        if len(self._known) > self._remembered:
            self._known.popitem(last=False)

    def _verify_signed(self, token: str) -> Claims:
        kid, key = self._key_for(token)
        signed, _, proof = token.rpartition(".")
        # joserfc's algorithm without its parser: the header was read already, and strictly.
        try:
            if not _ES256.verify(signed.encode(), urlsafe_b64decode(proof.encode()), key):
                raise AuthError
            payload = orjson.loads(urlsafe_b64decode(signed.partition(".")[2].encode()))
        except ValueError as exc:
            raise AuthError from exc
        return self._read(payload, kid)

    def _key_for(self, token: str) -> tuple[str, ECKey]:
        # The header is judged before any cryptography, and by equality: nothing in it is followed.
        if len(token) > MAX_TOKEN_CHARS or _SHAPE.fullmatch(token) is None:
            raise AuthError
        try:
            header = orjson.loads(urlsafe_b64decode(token.partition(".")[0].encode()))
        except ValueError as exc:
            raise AuthError from exc
        if not isinstance(header, dict) or header.keys() != _HEADER_MEMBERS:
            raise AuthError
        kid = header["kid"]
        if header["alg"] != ALGORITHM or header["typ"] != TYPE or not isinstance(kid, str):
            raise AuthError
        key = self._keyring.verifying_key(kid)
        if key is None:
            raise UnknownKeyError
        return kid, key

    def _read(self, payload: Any, kid: str) -> Claims:
        if not isinstance(payload, dict) or payload.get("iss") != self._issuer or payload.get("aud") != AUDIENCE:
            raise AuthError
        subject, login_id, jti = payload.get("sub"), payload.get("sid"), payload.get("jti")
        issued_at, expires_at, not_before = payload.get("iat"), payload.get("exp"), payload.get("nbf", 0)
        if not (isinstance(subject, str) and isinstance(login_id, str) and isinstance(jti, str)):
            raise AuthError
        if not (type(issued_at) is int and type(expires_at) is int and type(not_before) is int):
            raise AuthError
        if not (subject.isascii() and subject.isdigit()) or max(issued_at, not_before) > self._now_s() + SKEW_S:
            raise AuthError
        return Claims(UserId(int(subject)), LoginId(login_id), jti, kid, issued_at, expires_at)

    def _now_s(self) -> int:
        return int(self._clock.now().timestamp())
