"""Connections by address: so many sockets and event streams from one place on this instance.

A user is limited by name once known; this holds off whoever opens sockets without ever
saying who they are, or signs in as a thousand guests. This machine itself is not counted:
that is a proxy which nobody named in ``IDLING_TRUSTED_PROXIES``, and behind it is everybody.
"""

from __future__ import annotations

import ipaddress

from idling_ws.domain.errors import RateLimitError

RETRY_MS = 5000
_IPV6_SITE_BITS = 64


def place_of(address: str) -> str:
    """Return what is counted for an address: itself, or in IPv6 its /64, all of which one client may have."""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(parsed), _IPV6_SITE_BITS), strict=False))
    return address if parsed is None else str(parsed)


class Addresses:
    """Who is connected from where. ``refused`` counts connections that were too many."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: dict[str, int] = {}
        self.refused = 0

    def enter(self, address: str) -> None:
        """Count a connection. Raises ``RateLimitError`` when there are too many from there."""
        if _is_this_machine(address):
            return
        place = place_of(address)
        count = self._open.get(place, 0)
        if count >= self._limit:
            self.refused += 1
            raise RateLimitError(message="Too many connections from your network.", retry_after_ms=RETRY_MS)
        self._open[place] = count + 1

    def leave(self, address: str) -> None:
        """Count a connection no more."""
        place = place_of(address)
        count = self._open.get(place, 0)
        if count > 1:
            self._open[place] = count - 1
        else:
            self._open.pop(place, None)


def _is_this_machine(address: str) -> bool:
    parsed = _parsed(address)
    return parsed is None or parsed.is_loopback  # no address at all: a socket in the file system


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
