"""Reading requests: JSON bodies, paging, idempotency keys; each mistake a clear problem."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from idling_ws.domain.clock import unix_ms
from idling_ws.domain.errors import InvalidError, JsonObject
from idling_ws.domain.ids import uuid7
from idling_ws.edge.deadlines import read_body
from idling_ws.edge.parts import PARTS
from idling_ws.wire.frames import MID
from idling_ws.wire.jsontext import decode

DEFAULT_PAGE = 50
MAX_PAGE = 200
# Whatever a list gives as ``next``: an id.
_AFTER = re.compile("[!-~]{1,64}")


async def read_object(request: web.Request, *, required: bool = True) -> JsonObject:
    """Return the JSON object of the body; an absent one is ``{}`` where that is allowed.

    Raises ``InvalidError``: ``unsupported_media_type``, ``bad_json``, ``bad_frame``.
    """
    if not request.can_read_body:
        if required:
            raise InvalidError("bad_json", "A JSON object is expected.")
        return {}
    if request.content_type != "application/json":
        raise InvalidError("unsupported_media_type")
    body = await read_body(request)
    value: Any = decode(body)
    if type(value) is not dict:
        raise InvalidError("bad_frame", "A JSON object is expected.")
    return value


def only(body: JsonObject, *names: str) -> JsonObject:
    """Return ``body`` if it has no members but ``names``. Raises ``InvalidError``."""
    unknown = sorted(set(body) - set(names))
    if unknown:
        raise InvalidError(fields={name: ["Unknown field."] for name in unknown})
    return body


def idempotency_key(request: web.Request) -> str:
    """Return the ``mid`` of a REST write: the ``Idempotency-Key``, or a new one."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return uuid7(unix_ms(request.app[PARTS].clock.now()))
    # The draft RFC spells it as a quoted string; people send it bare as well.
    if len(key) > 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if MID.fullmatch(key) is None:
        raise InvalidError(fields={"Idempotency-Key": ["Not 1-64 characters of A-Za-z0-9_-."]})
    return key


def page(request: web.Request) -> tuple[str | None, int]:
    """Return ``(after, limit)`` of a list. Raises ``InvalidError``."""
    after = request.query.get("after")
    if after is not None and _AFTER.fullmatch(after) is None:
        raise InvalidError(fields={"after": ["Not a page."]})
    raw = request.query.get("limit", str(DEFAULT_PAGE))
    if not (raw.isascii() and raw.isdigit() and 1 <= int(raw[:9]) <= MAX_PAGE):
        raise InvalidError(fields={"limit": [f"Not a number from 1 to {MAX_PAGE}."]})
    return after, int(raw)


def if_version(request: web.Request) -> int | None:
    """Return the version of ``If-Match``, which turns a write into compare-and-swap."""
    header = request.headers.get("If-Match")
    if header is None or header == "*":
        return None
    text = header.strip().strip('"')
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise InvalidError(fields={"If-Match": ["Not a version."]})
    return int(text)
