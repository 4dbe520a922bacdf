"""What a sign-in service announces of itself: its endpoints and its public keys.

Both are fetched when first needed and kept for an hour. An unknown ``kid`` means that
the service rotated its keys: they are fetched anew, but not for every made-up one.
While a service does not answer, what it said last still counts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key

from idling_ws.domain.clock import Clock
from idling_ws.identity.outbound import Outbound, ProviderError
from idling_ws.identity.providers import ProviderSettings

FRESH_S = 3600.0
LOOK_AGAIN_S = 5.0
_MAX_KEYS = 32
_OF_ALGORITHM: Mapping[str, type[RSAKey | ECKey | OKPKey]] = {
    "RS256": RSAKey,
    "PS256": RSAKey,
    "ES256": ECKey,
    "Ed25519": OKPKey,
    "EdDSA": OKPKey,
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where to send people and where to ask."""

    authorize_url: str
    token_url: str
    jwks_url: str
    userinfo_url: str | None
    names_itself: bool
    """Whether it returns ``iss`` with the code (RFC 9207): then it must."""
    secret_in_body: bool


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key of a service: what it may be used for is fixed by its type, not by a token."""

    kid: str | None
    key: Key


class Announced:
    """The announced configuration of one sign-in service, cached."""

    def __init__(self, settings: ProviderSettings, outbound: Outbound, clock: Clock) -> None:
        self._settings = settings
        self._outbound = outbound
        self._clock = clock
        self._lock = asyncio.Lock()
        self._endpoints: Endpoints | None = None
        self._endpoints_at = float("-inf")
        self._keys: tuple[PublicKey, ...] = ()
        self._keys_at = float("-inf")

    async def endpoints(self) -> Endpoints:
        """Return where everything is. Raises ``ProviderError``."""
        async with self._lock:
            if self._endpoints is None or self._age(self._endpoints_at) > FRESH_S:
                try:
                    self._endpoints = await self._fetch_endpoints()
                    self._endpoints_at = self._clock.monotonic()
                except ProviderError as exc:
                    if self._endpoints is None:
                        raise
                    log.warning("%s: going on with what it announced before: %s", self._settings.name, exc.reason)
            return self._endpoints

    async def key_for(self, algorithm: str, kid: str | None) -> Key:
        """Return the key that a token with this header is signed with. Raises ``ProviderError``."""
        endpoints = await self.endpoints()
        async with self._lock:
            found = self._find(algorithm, kid)
            age = self._age(self._keys_at)
            if age > FRESH_S or (found is None and age > LOOK_AGAIN_S):
                try:
                    self._keys = await self._fetch_keys(endpoints.jwks_url)
                    self._keys_at = self._clock.monotonic()
                except ProviderError:
                    if found is None:
                        raise
                found = self._find(algorithm, kid)
        if found is None:
            raise ProviderError("provider_wrong", "ID token signed with a key it does not announce")
        return found

    def _find(self, algorithm: str, kid: str | None) -> Key | None:
        wanted = _OF_ALGORITHM[algorithm]
        fitting = [known for known in self._keys if isinstance(known.key, wanted)]
        if kid is not None:
            fitting = [known for known in fitting if known.kid == kid]
        # Without a kid there must be no choice (OpenID Connect Core, section 10.1).
        return fitting[0].key if len(fitting) == 1 else None

    def _age(self, since: float) -> float:
        return self._clock.monotonic() - since

    async def _fetch_endpoints(self) -> Endpoints:
        settings = self._settings
        given = (settings.authorize_url, settings.token_url, settings.jwks_url)
        said: dict[str, Any] = {}
        if None in given:
            answer = await self._outbound.get(settings.issuer.rstrip("/") + "/.well-known/openid-configuration")
            said = answer.body
            if answer.status != 200 or said.get("issuer") != settings.issuer:
                raise ProviderError("provider_wrong", "its configuration is not of the issuer asked for")
        methods = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return Endpoints(
            authorize_url=settings.authorize_url or _url(said, "authorization_endpoint"),
            token_url=settings.token_url or _url(said, "token_endpoint"),
            jwks_url=settings.jwks_url or _url(said, "jwks_uri"),
            userinfo_url=settings.userinfo_url
            or (_url(said, "userinfo_endpoint") if "userinfo_endpoint" in said else None),
            names_itself=said.get("authorization_response_iss_parameter_supported") is True,
            secret_in_body=settings.secret_in_body or "client_secret_post" in methods,
        )

    async def _fetch_keys(self, url: str) -> tuple[PublicKey, ...]:
        answer = await self._outbound.get(url)
        listed = answer.body.get("keys")
        if answer.status != 200 or not isinstance(listed, list):
            raise ProviderError("provider_wrong", "its keys are no JWK Set")
        return tuple(key for jwk in listed[:_MAX_KEYS] if (key := _read_key(jwk)) is not None)


def _read_key(jwk: Any) -> PublicKey | None:
    """A public signing key, or None for whatever else may be in a set; a symmetric one never counts."""
    if not isinstance(jwk, dict) or jwk.get("kty") not in ("RSA", "EC", "OKP") or jwk.get("use", "sig") != "sig":
        return None
    try:
        return PublicKey(jwk.get("kid"), import_key(jwk))
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _url(said: Mapping[str, Any], name: str) -> str:
    url = said.get(name)
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise ProviderError("provider_wrong", f"its configuration has no {name}")
    return url
