"""Answers that are the same for everybody: kept by browsers and proxies, and asked for again by their ETag."""

from __future__ import annotations

import hashlib

from aiohttp import web

# Who is signed in may get another answer on some of these addresses: a cache must not mix them up.
_VARY = "Cookie, Authorization"
# ``If-None-Match: *``: whatever there is (RFC 9110, section 13.1.2).
_ANY = "*"


def public(request: web.Request, body: bytes, cache_control: str, *, is_stale: bool = False) -> web.Response:
    """Return JSON that anybody may keep for as long as ``cache_control`` says; 304 to who has it already.

    What is stale because the database is away may be shown, and not kept.
    """
    tag = hashlib.blake2b(body, digest_size=12).hexdigest()
    headers = {
        "ETag": f'"{tag}"',
        "Cache-Control": "no-cache" if is_stale else cache_control,
        "Vary": _VARY,
    }
    held = request.if_none_match or ()
    if any(etag.value in (tag, _ANY) for etag in held):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type="application/json", headers=headers)
