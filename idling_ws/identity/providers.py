"""Sign-in services: what has to be known of each, and where they differ.

All of them are OpenID Connect providers and go the same way through the same code;
the table of presets below holds every difference there is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")

# What a provider may sign ID tokens with. All asymmetric: with HS256 the client secret
# would be the key, and "none" is no signature at all (RFC 8725, section 3.1).
ASYMMETRIC = ("RS256", "ES256", "PS256", "Ed25519", "EdDSA")


class ProviderSettingsError(ValueError):
    """A provider's settings cannot work; says which and why."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """One sign-in service. An endpoint given here wins over the one it announces itself.

    ``issuers`` are the spellings that count in an ID token; the first is where its
    configuration is found. ``name_claims`` are tried in order for what to call a person.
    """

    name: str
    title: str
    client_id: str
    client_secret: str | None = field(repr=False)
    issuers: tuple[str, ...]
    scopes: tuple[str, ...] = ("openid", "profile")
    algorithms: tuple[str, ...] = ASYMMETRIC
    name_claims: tuple[str, ...] = ("name", "preferred_username", "nickname")
    secret_in_body: bool = False
    extra_parameters: Mapping[str, str] = field(default_factory=dict)
    authorize_url: str | None = None
    token_url: str | None = None
    userinfo_url: str | None = None
    jwks_url: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work. Raises ``ProviderSettingsError``."""
        if not _NAME.fullmatch(self.name):
            raise ProviderSettingsError(f"{self.name!r} is no name: letters a-z, digits and - only, 32 at most")
        if not self.client_id:
            raise ProviderSettingsError(f"{self.name}: the client id is empty")
        endpoints = (self.authorize_url, self.token_url, self.userinfo_url, self.jwks_url)
        for url in (*self.issuers, *endpoints):
            if url is not None:
                _check_url(self.name, url)

    @property
    def issuer(self) -> str:
        """Where it announces its configuration."""
        return self.issuers[0]


# Twitch puts names into the ID token only when asked by ``claims``; it takes the secret in
# the body only, and knows no scope "profile".
_TWITCH_CLAIMS = '{"id_token":{"preferred_username":null},"userinfo":{"preferred_username":null}}'

_PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "twitch": {
            "title": "Twitch",
            "issuers": ("https://id.twitch.tv/oauth2",),
            "scopes": ("openid",),
            "algorithms": ("RS256",),
            "name_claims": ("preferred_username",),
            "secret_in_body": True,
            "extra_parameters": MappingProxyType({"claims": _TWITCH_CLAIMS}),
        },
        # Google's own documentation names both spellings of its issuer.
        "google": {
            "title": "Google",
            "issuers": ("https://accounts.google.com", "accounts.google.com"),
            "algorithms": ("RS256",),
            "name_claims": ("name", "given_name"),
        },
    }
)


# What scripts/fake_provider.py knows its only client by.
_LOCAL_CLIENT = ("idling-local", "not-a-secret-local-only")


def preset(kind: str, client_id: str | None, client_secret: str | None, **overrides: Any) -> ProviderSettings:
    """Return the settings of ``twitch`` or ``google``; any of them may be overridden.

    With another ``issuer`` its announced configuration is taken from there, and only
    that spelling counts. One on this machine needs no credentials: it is a pretence.
    """
    known = dict(_PRESETS[kind])
    issuer = overrides.pop("issuer", None)
    if issuer is not None:
        known["issuers"] = (issuer,)
        if not client_id and _is_loopback(urlsplit(issuer).hostname or ""):
            client_id, client_secret = _LOCAL_CLIENT
    return ProviderSettings(
        name=kind, client_id=client_id or "", client_secret=client_secret, **{**known, **_given(overrides)}
    )


def generic(name: str, issuer: str, client_id: str, client_secret: str | None, **overrides: Any) -> ProviderSettings:
    """Return the settings of any other OpenID Connect provider."""
    known = {"title": name.replace("-", " ").title(), "issuers": (issuer,)}
    return ProviderSettings(
        name=name, client_id=client_id, client_secret=client_secret, **{**known, **_given(overrides)}
    )


def _given(overrides: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in overrides.items() if value is not None}


def _check_url(name: str, url: str) -> None:
    parts = urlsplit(url if "//" in url else f"https://{url}")
    if not parts.hostname or parts.fragment or parts.username is not None:
        raise ProviderSettingsError(f"{name}: {url!r} is no URL of a sign-in service")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise ProviderSettingsError(f"{name}: {url!r} is not https; only this machine may be asked without")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
