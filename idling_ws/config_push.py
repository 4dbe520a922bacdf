"""The settings of Web Push. The signing key needs none: it is derived from the secret key, alike on all instances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from idling_ws.domain.push import KNOWN_HOSTS, Services


@dataclass(frozen=True, slots=True)
class PushSettings:
    """``services`` we post to; ``contact`` is where they can reach whoever runs the place."""

    services: Services
    contact: str


def documented() -> list[tuple[str, str, str]]:
    """Return name, default and meaning of each setting, as ``config.Setting`` has them."""
    return [
        (
            "PUSH_HOSTS",
            ", ".join(f"`{host}`" for host in KNOWN_HOSTS),
            "Comma-separated push services that browsers may name; `none` turns Web Push off.",
        ),
        (
            "PUSH_CONTACT",
            "the public URL, or `mailto:push@` its host",
            "A `mailto:` or `https:` URL where push services can reach whoever runs the place.",
        ),
        ("PUSH_PRIVATE", "false", "Whether listed push services may be on `http:` and on private addresses."),
    ]


def read_push(
    get: Callable[[str], str | None], complain: Callable[[str, str], None], public_url: str, *, private: bool
) -> PushSettings:
    """Return the settings. ``get`` reads one, ``complain`` hears of its name and what is wrong."""
    named = get("PUSH_HOSTS")
    hosts = KNOWN_HOSTS if named is None else tuple(host.strip().lower() for host in named.split(",") if host.strip())
    if hosts == ("none",):
        hosts = ()
    for host in hosts:
        if "/" in host or "*" in host.removeprefix("*."):
            complain("PUSH_HOSTS", f"{host!r} is not a host: no scheme, no path, and `*.` in front only")
    default = public_url if public_url.startswith("https://") else f"mailto:push@{urlsplit(public_url).hostname}"
    contact = get("PUSH_CONTACT") or default
    if not contact.startswith(("mailto:", "https://")):
        complain("PUSH_CONTACT", "not a mailto: or https: URL")
    return PushSettings(Services(hosts, private), contact)
