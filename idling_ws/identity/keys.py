"""The ring of keys: one signs, and all whose tokens may still be alive verify.

ES256: of the two algorithms that fit, its verify costs a quarter less CPU here than
Ed25519's, and a server verifies many times what it signs. The private half leaves
the process only sealed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from joserfc.jwk import ECKey

from idling_ws.domain.clock import Clock
from idling_ws.identity.sealing import Seal, SealBrokenError
from idling_ws.store import keys as rows
from idling_ws.store.keys import KeyRow
from idling_ws.store.postgres import Database, UniqueViolationError
from idling_ws.store.shared_reads import SharedReads

ALGORITHM = "ES256"
DEFAULT_TTL_S = 900
# Another instance may sign with the old key until its next refresh (30 s) has got through.
PICKUP_S = 90
# An unknown kid is a reason to look again, and a flood of made-up ones is no reason to do nothing else.
LOOK_AGAIN_S = 0.2
_RACES = 5


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that signs now, and how long a token of it may live at most."""

    kid: str
    key: ECKey
    longest_ttl_s: int


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key; refused from ``retired_at`` on."""

    key: ECKey
    retired_at: datetime | None


class KeyRing:
    """All living keys, as the database had them at the last ``refresh``."""

    def __init__(self, database: Database, secret_key: bytes | str, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._seal = Seal(secret_key, "signing keys")
        self._signing: SigningKey | None = None
        self._verifying: dict[str, VerifyingKey] = {}
        self._jwks: list[tuple[datetime | None, dict[str, Any]]] = []
        self._longest_ttl_s = DEFAULT_TTL_S
        self._looked_at = float("-inf")
        self._looks: SharedReads[None, None, None] = SharedReads(self._look)

    async def load(self) -> None:
        """Read the keys, making the first when there is none. Safe on any number of instances.

        Raises ``UnavailableError``, or ``SealBrokenError`` when the current key was sealed with
        another secret: then either that secret comes back or the key is rotated away.
        """
        await self.refresh()
        if self._signing is None:
            # Another instance may be faster: its key is as good.
            with contextlib.suppress(UniqueViolationError):
                await rows.insert_key(self._database, self._new_row())
            await self.refresh()

    async def refresh(self) -> None:
        """Take over what other instances did to the keys. Raises as ``load`` does."""
        self._looked_at = self._clock.monotonic()
        found = await rows.living_keys(self._database, self._clock.now())
        verifying = {row.kid: VerifyingKey(_public_key(row), row.retired_at) for row in found}
        current = next((row for row in found if row.retired_at is None), None)
        if current is None:
            self._signing = None
        elif self._signing is None or self._signing.kid != current.kid:
            self._signing = SigningKey(current.kid, self._open(current), current.longest_ttl_s)
        else:
            self._signing = SigningKey(current.kid, self._signing.key, current.longest_ttl_s)
        self._verifying = verifying
        self._longest_ttl_s = max((row.longest_ttl_s for row in found), default=DEFAULT_TTL_S)
        self._jwks = [(row.retired_at, json.loads(row.public_jwk)) for row in found]

    async def look_again(self) -> None:
        """Know all keys made until now, because of an unknown ``kid``. Raises ``UnavailableError``.

        Whoever asks meanwhile shares the next look: there is one in ``LOOK_AGAIN_S`` at most.
        """
        await self._looks.read(None, None)

    async def _look(self, key: None, wishes: frozenset[None]) -> None:
        since_s = self._clock.monotonic() - self._looked_at
        if since_s < LOOK_AGAIN_S:
            await asyncio.sleep(LOOK_AGAIN_S - since_s)
        await self.refresh()

    @property
    def signing_key(self) -> SigningKey:
        """The key for new tokens. Raises ``RuntimeError`` before ``load``."""
        if self._signing is None:
            raise RuntimeError("no signing key was loaded")
        return self._signing

    @property
    def longest_ttl_s(self) -> int:
        """How long any token that verifies now can have been given at most."""
        return self._longest_ttl_s

    def verifying_key(self, kid: str) -> ECKey | None:
        """Return the public key named ``kid``, or None when unknown or retired."""
        found = self._verifying.get(kid)
        if found is None or (found.retired_at is not None and found.retired_at <= self._clock.now()):
            return None
        return found.key

    def public_jwks(self) -> dict[str, Any]:
        """Return the JWK Set (RFC 7517, section 5) of all keys that verify now."""
        now = self._clock.now()
        return {"keys": [jwk for retired_at, jwk in self._jwks if retired_at is None or retired_at > now]}

    async def rotate(self, *, at_once: bool = False) -> str:
        """Sign with a new key from now on; return its kid.

        The one before verifies until every token it signed has run out; with ``at_once``, for
        a key that leaked, it and all older ones are refused from now on. Needs no ``load``.
        """
        for _ in range(_RACES if at_once else 1):
            try:
                await rows.replace_key(self._database, self._new_row(), pickup_s=PICKUP_S, at_once=at_once)
                break
            except UniqueViolationError:
                continue  # somebody rotated at this very moment: new enough, unless older ones must go
        await self.refresh()
        return self.signing_key.kid

    async def allow_ttl(self, ttl_s: int) -> None:
        """Let tokens live ``ttl_s`` seconds: their key is kept that long after its rotation."""
        while ttl_s > self.signing_key.longest_ttl_s:
            await rows.raise_longest_ttl(self._database, self.signing_key.kid, ttl_s)
            await self.refresh()

    def _new_row(self) -> KeyRow:
        key = ECKey.generate_key("P-256")
        kid = secrets.token_urlsafe(12)
        public = key.as_dict(private=False, kid=kid, alg=ALGORITHM, use="sig")
        sealed = self._seal.close(json.dumps(key.as_dict(private=True)).encode(), kid)
        return KeyRow(kid, ALGORITHM, json.dumps(public), sealed, self._clock.now(), None, DEFAULT_TTL_S)

    def _open(self, row: KeyRow) -> ECKey:
        try:
            return ECKey.import_key(json.loads(self._seal.open(row.private_sealed, row.kid)))
        except SealBrokenError as exc:
            raise SealBrokenError(
                f"The signing key {row.kid} does not open with this IDLING_SECRET_KEY. Give the server the"
                " secret it was made with, or run `idling-ws keys rotate` to go on with a new key."
            ) from exc


def _public_key(row: KeyRow) -> ECKey:
    return ECKey.import_key(json.loads(row.public_jwk))
