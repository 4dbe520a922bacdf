"""What is kept secret with ``IDLING_SECRET_KEY``: one derived key for each purpose.

The setting itself never encrypts or signs anything. HKDF (RFC 5869) gives every
purpose its own key, so what leaks in one place opens nothing in another.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION = b"\x01"
_NONCE_BYTES = 12


class SealBrokenError(Exception):
    """What was sealed does not open: another ``IDLING_SECRET_KEY``, or somebody changed it."""


def derive_key(secret_key: bytes | str, purpose: str) -> bytes:
    """Return the 32 bytes for ``purpose``; the same for the same secret, on every instance."""
    secret = secret_key.encode() if isinstance(secret_key, str) else secret_key
    if not secret:
        raise ValueError("the secret key is empty")
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"idling-ws {purpose}".encode()).derive(secret)


class Seal:
    """AES-256-GCM for one purpose; each sealed thing is bound to its name."""

    __slots__ = ("_aes",)

    def __init__(self, secret_key: bytes | str, purpose: str) -> None:
        self._aes = AESGCM(derive_key(secret_key, purpose))

    def close(self, plain: bytes, name: str) -> bytes:
        """Encrypt ``plain``. It opens only under the same ``name``: rows cannot be swapped."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._aes.encrypt(nonce, plain, name.encode())

    def open(self, sealed: bytes, name: str) -> bytes:
        """Return what ``close`` was given. Raises ``SealBrokenError``."""
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if sealed[:1] != _VERSION or len(nonce) < _NONCE_BYTES:
            raise SealBrokenError(name)
        try:
            return self._aes.decrypt(nonce, body, name.encode())
        except InvalidTag as exc:
            raise SealBrokenError(name) from exc


class Stamp:
    """HMAC-SHA-256 for one purpose: what we handed out is recognised when it comes back."""

    __slots__ = ("_key",)

    def __init__(self, secret_key: bytes | str, purpose: str) -> None:
        self._key = derive_key(secret_key, purpose)

    def of(self, message: bytes) -> bytes:
        """Return the 32 bytes that prove ``message`` is ours."""
        return hmac.digest(self._key, message, hashlib.sha256)

    def fits(self, message: bytes, proof: bytes) -> bool:
        """Whether ``proof`` is ours for ``message``; takes the same time either way."""
        return hmac.compare_digest(self.of(message), proof)
