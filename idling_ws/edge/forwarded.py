"""What a proxy says of a request that it hands on: from where it came, and over what.

Only a trusted proxy is believed, and only as far as the first hop that is none: whatever
stands beyond was written by somebody else. ``X-Forwarded-For`` and ``-Proto`` are what most
proxies write; ``Forwarded`` (RFC 7239) is read where they are absent, and never beside them,
because a proxy that writes the one kind hands on whatever a client put into the other.

What the place is called (its origin, its redirect URIs, whom a cookie belongs to) is never
taken from a request: that is ``IDLING_PUBLIC_URL``.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from aiohttp import web

from idling_ws.edge.parts import PARTS

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

# One ``name=value`` of a ``Forwarded`` element, the value a token or a quoted string.
_PAIR = re.compile(r'\s*([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))\s*(;|,|$)')
_MAX_HEADER_CHARS = 4096


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from. ``scheme``: what it came over as a trusted proxy has it, or None."""

    address: str
    scheme: str | None


@dataclass(frozen=True, slots=True)
class _Hop:
    address: str
    scheme: str | None


def origin_of_request(request: web.Request) -> Origin:
    """Return where ``request`` came from, through trusted proxies only."""
    address, networks = request.remote or "", request.app[PARTS].settings.trusted_proxies
    if not networks or not _is_trusted(address, networks):
        return Origin(address, None)
    scheme: str | None = None
    for hop in reversed(_hops(request)):
        scheme = hop.scheme or scheme
        if _parsed(hop.address) is None:  # made up by whoever stands behind our proxy, or hidden
            break
        address = hop.address
        if not _is_trusted(address, networks):
            break
    return Origin(address, scheme)


def address_of(request: web.Request) -> str:
    """Return the client's address, through trusted proxies only."""
    return origin_of_request(request).address


def is_over_tls(request: web.Request) -> bool:
    """Whether ``request`` came over TLS: as a trusted proxy says, else as the place is reached."""
    scheme = origin_of_request(request).scheme
    return request.app[PARTS].settings.is_tls if scheme is None else scheme == "https"


def _hops(request: web.Request) -> list[_Hop]:
    """Return what proxies wrote, the nearest one's word last."""
    addresses = _listed(request, "X-Forwarded-For")
    schemes = [scheme.lower() for scheme in _listed(request, "X-Forwarded-Proto")]
    if not addresses and not schemes:
        return _forwarded(",".join(request.headers.getall("Forwarded", [])))
    # Most proxies write one scheme, whatever came before; of several all must agree on TLS.
    scheme = None if not schemes else "https" if set(schemes) == {"https"} else "http"
    return [_Hop(address, scheme) for address in addresses] or [_Hop("", scheme)]


def _listed(request: web.Request, name: str) -> list[str]:
    return [item.strip() for item in ",".join(request.headers.getall(name, [])).split(",") if item.strip()]


def _forwarded(header: str) -> list[_Hop]:
    """Return the elements of ``Forwarded``; none when it is not well-formed."""
    hops: list[_Hop] = []
    pairs: dict[str, str] = {}
    position = 0
    if len(header) > _MAX_HEADER_CHARS:
        return []
    while position < len(header):
        match = _PAIR.match(header, position)
        if match is None:
            return []
        name, quoted, bare, behind = match.groups()
        pairs[name.lower()] = bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        position = match.end()
        if behind != ";":
            hops.append(_Hop(_node(pairs.get("for", "")), pairs.get("proto", "").lower() or None))
            pairs = {}
    return hops


def _node(node: str) -> str:
    """Return the address of a node (RFC 7239, section 6) without its port."""
    if node.startswith("["):
        return node[1:].partition("]")[0]
    return node.partition(":")[0] if node.count(":") == 1 else node


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None


def _is_trusted(address: str, networks: Networks) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)
