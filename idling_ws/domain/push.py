"""Web Push: where a browser can be reached while no page is open, and which places we post to at all.

A subscription names a URL that this server will post to, and anybody may bring one: so
only known push services are accepted, by name (RFC 8030, section 8; OWASP: server-side
request forgery).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

MAX_SUBSCRIPTIONS = 20
"""Of one user; a new one lets the oldest fall out."""

MAX_ENDPOINT = 1000
"""Characters of an endpoint."""

POINT_BYTES = 65
"""Of a public key of P-256, uncompressed: 4, x, y."""

_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B

# What a host is made of: no escapes and no backslashes, which others read differently.
_NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")

# Chrome and what is built like it; Firefox; Safari; Edge on Windows.
KNOWN_HOSTS = (
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "*.push.apple.com",
    "*.notify.windows.com",
)


TITLES: Mapping[str, str] = MappingProxyType(
    {
        "reaction.received": "Somebody waved at you.",
        "session.timed_out": "Your session ended: nothing was heard of you for a while.",
        "custom_emoji.reviewed": "An emoji of yours was reviewed.",
        "device.signed_in": "A new device signed in.",
        "device.ended": "A device was signed out for safety.",
        "announcement": "There is an announcement for you.",
        "operator.notice": "There is news of the server for you.",
        "account.suspended": "Your account was suspended for a while.",
        "mutation.rolled_back": "A change of yours was not accepted.",
    }
)
"""What a push says, by the kind of its notification: none of anybody's words, names or emoji."""
OTHER_TITLE = "Something happened while you were away."


@dataclass(frozen=True, slots=True)
class Subscription:
    """A browser: ``endpoint`` is where to post, ``p256dh`` and ``auth`` (base64url) whom to encrypt for."""

    endpoint: str
    p256dh: str
    auth: str


@dataclass(frozen=True, slots=True)
class Services:
    """The push services that are accepted: names, ``*.`` for any name below, ``:port`` where it is not 443.

    ``private`` is for a service inside one's own network: then ``http:`` and addresses pass too, if listed.
    """

    hosts: tuple[str, ...] = KNOWN_HOSTS
    private: bool = False

    def accept(self, endpoint: str) -> bool:
        """Whether ``endpoint`` is a URL of one of them."""
        return self.pattern_of(endpoint) is not None

    def pattern_of(self, endpoint: str) -> str | None:
        """Return the entry of ``hosts`` that ``endpoint`` is a URL of; None when there is none."""
        try:
            parts = urlsplit(endpoint)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return None
        if not endpoint.isascii() or len(endpoint) > MAX_ENDPOINT or not endpoint.isprintable() or " " in endpoint:
            return None
        if not (_NAME.fullmatch(host) or _is_address(host)):
            return None
        if parts.username is not None or parts.password is not None or parts.fragment:
            return None
        if parts.scheme != "https" and not (self.private and parts.scheme == "http"):
            return None
        if _is_address(host) and not self.private:
            return None
        place = host if port in (None, 443) else f"{host}:{port}"
        return next((pattern for pattern in self.hosts if _fits(place, pattern)), None)


def is_point(raw: bytes) -> bool:
    """Whether ``raw`` is a point on P-256 (y^2 = x^3 - 3x + b; constants: FIPS 186-4, D.1.2.3)."""
    if len(raw) != POINT_BYTES or raw[0] != 4:
        return False
    x, y = int.from_bytes(raw[1:33]), int.from_bytes(raw[33:])
    return x < _P and y < _P and (y * y - (x * x * x - 3 * x + _B)) % _P == 0


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # Browsers take "127.1" and "0x7f000001" for addresses too: a name ends in letters.
        return not host.rpartition(".")[2].isalpha()
    return True


def _fits(place: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return place.endswith(pattern[1:]) and len(place) > len(pattern) - 1
    return place == pattern
