"""The authorization code flow with one sign-in service: out with a question, back with a profile.

OAuth 2.0 with PKCE (RFC 7636) and OpenID Connect Core, by Authlib's parts that know no
transport; the signature of the ID token by joserfc with algorithms pinned before it is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jws
from joserfc.errors import JoseError

from idling_ws.domain.clock import Clock
from idling_ws.identity.discovery import Announced
from idling_ws.identity.outbound import Outbound, ProviderError
from idling_ws.identity.providers import ProviderSettings

# Services' clocks are not ours.
LEEWAY_S = 120
_MAX_TOKEN_CHARS = 16 * 1024
_MAX_SUBJECT_CHARS = 255


@dataclass(frozen=True, slots=True)
class Profile:
    """Who somebody is at a sign-in service: ``subject`` is what counts, names are wishes."""

    provider: str
    subject: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What one attempt asked, and what its answer has to fit: kept with the browser meanwhile."""

    state: str
    nonce: str
    verifier: str


class Provider:
    """One sign-in service, ready to send people to and to ask about them."""

    def __init__(self, settings: ProviderSettings, redirect_uri: str, outbound: Outbound, clock: Clock) -> None:
        self.settings = settings
        self.redirect_uri = redirect_uri
        self._outbound = outbound
        self._clock = clock
        self._announced = Announced(settings, outbound, clock)

    async def url_for(self, question: Question) -> str:
        """Return where to send the browser. Raises ``ProviderError``."""
        endpoints = await self._announced.endpoints()
        return str(
            prepare_grant_uri(
                endpoints.authorize_url,
                client_id=self.settings.client_id,
                response_type="code",
                redirect_uri=self.redirect_uri,
                scope=list(self.settings.scopes),
                state=question.state,
                nonce=question.nonce,
                code_challenge=create_s256_code_challenge(question.verifier),
                code_challenge_method="S256",
                **self.settings.extra_parameters,
            )
        )

    async def check_sender(self, issuer: str | None) -> None:
        """See that the answer came from here and from no other service (RFC 9207, section 2.4).

        Raises ``ProviderError``.
        """
        endpoints = await self._announced.endpoints()
        if issuer is None and not endpoints.names_itself:
            return
        if issuer not in self.settings.issuers:
            raise ProviderError("provider_wrong", "the answer names another issuer")

    async def profile(self, code: str, question: Question) -> Profile:
        """Trade ``code`` for who somebody is. Raises ``ProviderError``."""
        tokens = await self._exchange(code, question.verifier)
        claims = await self._read_id_token(tokens, question.nonce)
        subject = claims["sub"]
        if not _is_subject(subject):
            raise ProviderError("provider_wrong", "the ID token has no usable subject")
        said = dict(claims) | await self._userinfo(tokens, subject)
        names = tuple(
            name for claim in self.settings.name_claims if isinstance(name := said.get(claim), str) and name.strip()
        )
        return Profile(self.settings.name, subject, names)

    async def _exchange(self, code: str, verifier: str) -> dict[str, Any]:
        endpoints = await self._announced.endpoints()
        body = prepare_token_request(
            "authorization_code", redirect_uri=self.redirect_uri, code=code, code_verifier=verifier
        )
        method = "none"
        if self.settings.client_secret is not None:
            method = "client_secret_post" if endpoints.secret_in_body else "client_secret_basic"
        auth = ClientAuth(self.settings.client_id, self.settings.client_secret, method)
        url, headers, body = auth.prepare("POST", endpoints.token_url, {}, body)
        answer = await self._outbound.post_form(url, headers, body)
        if answer.status != 200:
            # Twitch says {status, message} where the standard says {error}: the status is enough.
            raise ProviderError("provider_refused", f"the token endpoint answered {answer.status}")
        if str(answer.body.get("token_type", "")).lower() != "bearer":
            raise ProviderError("provider_wrong", "the token is not a bearer token")
        return answer.body

    async def _read_id_token(self, tokens: dict[str, Any], nonce: str) -> CodeIDToken:
        text, access_token = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(text, str) or not isinstance(access_token, str) or len(text) > _MAX_TOKEN_CHARS:
            raise ProviderError("provider_wrong", "no ID token or no access token")
        try:
            header = jws.extract_compact(text.encode()).headers()
            algorithm, kid = header.get("alg"), header.get("kid")
            if algorithm not in self.settings.algorithms or "crit" in header:
                raise ProviderError("provider_wrong", "the ID token is signed in a way that is not accepted")
            if not (kid is None or isinstance(kid, str)):
                raise ProviderError("provider_wrong", "the ID token names no key")
            key = await self._announced.key_for(algorithm, kid)
            registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
            signed = jws.deserialize_compact(text, key, registry=registry)
            return self._check_claims(signed, nonce, access_token)
        except (JoseError, ValueError, TypeError) as exc:
            raise ProviderError("provider_wrong", f"the ID token is not valid: {type(exc).__name__}") from exc

    def _check_claims(self, signed: jws.CompactSignature, nonce: str, access_token: str) -> CodeIDToken:
        client_id = self.settings.client_id
        options = {
            "iss": {"essential": True, "values": list(self.settings.issuers)},
            "aud": {"essential": True, "value": client_id},
        }
        claims = CodeIDToken(
            _json_object(signed.payload),
            signed.headers(),
            options,
            {"nonce": nonce, "client_id": client_id, "access_token": access_token},
        )
        claims.validate(now=int(self._clock.now().timestamp()), leeway=LEEWAY_S)
        return claims

    async def _userinfo(self, tokens: dict[str, Any], subject: str) -> dict[str, Any]:
        endpoints = await self._announced.endpoints()
        if endpoints.userinfo_url is None:
            return {}
        answer = await self._outbound.get(endpoints.userinfo_url, {"Authorization": f"Bearer {tokens['access_token']}"})
        # Without this check a swapped token would swap the person (OpenID Connect Core, 5.3.2).
        if answer.status != 200 or answer.body.get("sub") != subject:
            raise ProviderError("provider_wrong", "its user information is not of who signed in")
        return answer.body


def _is_subject(subject: object) -> bool:
    return isinstance(subject, str) and 0 < len(subject) <= _MAX_SUBJECT_CHARS and subject.isprintable()


def _json_object(payload: bytes) -> dict[str, Any]:
    read = orjson.loads(payload)
    if not isinstance(read, dict):
        raise TypeError("claims are an object")
    return read
