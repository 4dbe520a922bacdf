"""Credentials: what a device holds to be known again. Random, and only their hashes are kept.

A refresh token works once. It names its login and carries our stamp, so that one that
was used before is told apart from one that somebody made up: the first means that two
hold the same token, of whom one is a thief, and it ends the login (RFC 9700, 4.14.2).
"""

from __future__ import annotations

import hashlib
import secrets

from idling_ws.domain.errors import AuthError
from idling_ws.identity.sealing import Stamp
from idling_ws.identity.tokens import LoginId


def new_secret() -> str:
    """Return 256 random bits as text for a cookie or a token."""
    return secrets.token_urlsafe(32)


def hash_of(secret: str) -> bytes:
    """Return what the database keeps of a secret. Random 256 bits need no slow hash."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


class RefreshTokens:
    """Makes refresh tokens, and tells ours from made-up ones."""

    def __init__(self, secret_key: bytes | str) -> None:
        self._stamp = Stamp(secret_key, "refresh tokens")

    def make(self, login_id: LoginId) -> str:
        """Return a new one for a login."""
        body = f"{login_id}.{new_secret()}"
        return f"{body}.{self._stamp.of(body.encode()).hex()}"

    def login_of(self, refresh_token: str) -> LoginId:
        """Return the login that one names, used before or not. Raises ``AuthError`` when we did not make it."""
        body, _, stamp = refresh_token.rpartition(".")
        login_id, dot, _ = body.partition(".")
        try:
            ours = self._stamp.fits(body.encode(), bytes.fromhex(stamp))
        except ValueError as exc:
            raise AuthError from exc
        if not (dot and ours):
            raise AuthError
        return LoginId(login_id)
