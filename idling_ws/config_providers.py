"""The settings of sign-in services: one set of names for each, read into what ``identity`` needs.

A service is offered when its client id is set. One on this machine (an ``…_ISSUER`` with a
loopback address) needs no credentials: it can only be a pretence.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from idling_ws.identity.providers import ProviderSettings, ProviderSettingsError, generic, preset

_OIDC = "OIDC"
_SERVICES = {"TWITCH": "Twitch", "GOOGLE": "Google", _OIDC: "that provider"}
# Endpoints that a service need not announce itself, or that shall not be the announced ones.
_ENDPOINTS = ("AUTHORIZE_URL", "TOKEN_URL", "USERINFO_URL", "JWKS_URL")

Get = Callable[[str], str | None]
Complain = Callable[[str, str], None]


def documented() -> list[tuple[str, str, str]]:
    """Return name, default and meaning of each setting, as ``config.Setting`` has them."""
    rows: list[tuple[str, str, str]] = []
    for prefix, title in _SERVICES.items():
        if prefix == _OIDC:
            meaning = "What another OpenID Connect provider is called, also in addresses: letters a-z, digits and `-`."
            rows.append((f"{prefix}_NAME", "oidc", meaning))
        issuer = "required with a client id" if prefix == _OIDC else f"{title}'s own"
        rows += [
            (f"{prefix}_CLIENT_ID", "unset", f"Offers sign-in with {title}: the id by which it knows this place."),
            (f"{prefix}_CLIENT_SECRET", "unset", f"The secret that {title} gave with it."),
            (f"{prefix}_CLIENT_SECRET_FILE", "unset", "A file that holds it instead."),
            (f"{prefix}_SECRET", "unset", "The same as the client secret, in short."),
            (f"{prefix}_ISSUER", issuer, "Where it announces itself. On this machine `http://` will do."),
            *((f"{prefix}_{name}", "as announced", "Replaces that endpoint.") for name in _ENDPOINTS),
        ]
    return rows


def read_providers(get: Get, complain: Complain) -> tuple[ProviderSettings, ...]:
    """Return the services that are set. ``get`` reads a setting, ``complain`` hears of its name and what is wrong."""
    found = [_read(prefix, get, complain) for prefix in _SERVICES]
    return tuple(provider for provider in found if provider is not None)


def _read(prefix: str, get: Get, complain: Complain) -> ProviderSettings | None:
    client_id, issuer = get(f"{prefix}_CLIENT_ID"), get(f"{prefix}_ISSUER")
    secret = _secret(prefix, get, complain)
    if client_id is None and issuer is None:
        if secret is not None:
            complain(f"{prefix}_CLIENT_ID", "required with its secret")
        return None
    endpoints = {name.lower(): get(f"{prefix}_{name}") for name in _ENDPOINTS}
    try:
        if prefix != _OIDC:
            return preset(prefix.lower(), client_id, secret, issuer=issuer, **endpoints)
        if issuer is None or client_id is None:
            missing, given = ("ISSUER", "CLIENT_ID") if issuer is None else ("CLIENT_ID", "ISSUER")
            complain(f"{prefix}_{missing}", f"required with the {given.lower().replace('_', ' ')}")
            return None
        return generic(get(f"{prefix}_NAME") or "oidc", issuer, client_id, secret, **endpoints)
    except ProviderSettingsError as exc:
        complain(f"{prefix}_*", str(exc))
        return None


def _secret(prefix: str, get: Get, complain: Complain) -> str | None:
    secret = get(f"{prefix}_CLIENT_SECRET") or get(f"{prefix}_SECRET")
    path = get(f"{prefix}_CLIENT_SECRET_FILE")
    if secret is not None or path is None:
        return secret
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as exc:
        complain(f"{prefix}_CLIENT_SECRET_FILE", f"{getattr(exc, 'strerror', None) or 'not text'}: {path}")
        return None
