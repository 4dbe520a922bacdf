"""Custom emoji over REST, and the files behind them.

    bytes -> drawn anew -> stored by content -> custom_emoji.create -> there, or the file goes again

A file is stored before anything refers to it, and goes only when nothing does: so an
address that somebody was given always leads to its picture.
"""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from idling_ws.domain.custom_emojis import APPROVED, PENDING, REJECTED
from idling_ws.domain.entries import CONFIRMED
from idling_ws.domain.errors import IdlingError, InvalidError, JsonObject, UnavailableError
from idling_ws.edge.bodies import idempotency_key, page
from idling_ws.edge.parts import PARTS, Parts
from idling_ws.edge.problems import TRACE_ID, json_response, page_response
from idling_ws.edge.rest import answer_of
from idling_ws.edge.uploads import read_upload
from idling_ws.edge.who import asker, identify
from idling_ws.identity.policy import allow
from idling_ws.services.images import Picture
from idling_ws.store.files import SUFFIXES, FolderFiles, is_digest
from idling_ws.wire import schemas

log = logging.getLogger(__name__)

# Somebody has to make room first.
RETRY_NO_ROOM_MS = 60_000

FILE_HEADERS = {
    # Named by its content, it is never another one.
    "Cache-Control": "public, max-age=31536000, immutable",
    # An image runs nothing anyway; opened by itself it may do even less.
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-site",
}


async def post_custom(request: web.Request) -> web.Response:
    """``POST /api/emojis/custom``: a picture becomes a custom emoji that waits for a moderator."""
    parts = request.app[PARTS]
    who = await asker(request)
    mid = idempotency_key(request)
    # Before anything of the picture is taken in.
    parts.pipeline.check_allowed(who, "custom_emoji.create", mid, request[TRACE_ID])
    if parts.health.disk.is_full and isinstance(parts.files, FolderFiles):
        raise UnavailableError(
            message="There is no room for pictures just now. Nothing was changed.", retry_after_ms=RETRY_NO_ROOM_MS
        )
    with parts.uploads.place(who.user_id):
        upload = await read_upload(request)
        # Said before the picture is drawn: that takes longer than all else.
        schemas.load(schemas.CustomEmojiCreate(only=("name",)), {"name": upload.name})
        picture = await parts.studio.redraw(upload.content)
        digest = await parts.files.put(picture.content, picture.media_type)
        args: JsonObject = {
            "name": upload.name,
            "digest": digest,
            "media_type": picture.media_type,
            "width": picture.width,
            "height": picture.height,
            "is_animated": picture.frames > 1,
        }
        try:
            settled = await parts.pipeline.submit_upload(who, mid, "custom_emoji.create", args, request[TRACE_ID])
        except UnavailableError:
            raise  # it may have happened: then the file is needed, and else the next try brings it again
        except IdlingError:
            await _drop_unless_needed(parts, digest)
            raise
        assert settled.verdict is not None, "an upload has a mid"  # noqa: S101 -- for the type checker
        if settled.verdict["status"] == CONFIRMED and not settled.duplicate:
            await _keep(parts, digest, picture)
        else:
            await _drop_unless_needed(parts, digest)
    result, cursor = await answer_of(parts, who.user_id, mid, settled)
    return json_response({**result, "cursor": cursor}, status=201)


async def _keep(parts: Parts, digest: str, picture: Picture) -> None:
    """See that the file is still there: whoever brought the same one may have taken it away as unneeded."""
    try:
        await parts.custom_emojis.file_needed(digest)
        if not await parts.files.exists(digest):
            await parts.files.put(picture.content, picture.media_type)
    except UnavailableError:
        log.warning("file %s could not be looked after", digest)


async def _drop_unless_needed(parts: Parts, digest: str) -> None:
    try:
        # Once begun it is ended, whoever goes away meanwhile.
        await asyncio.shield(_drop(parts, digest))
    except UnavailableError:
        # A file too many, under a name that nobody was told; the same picture will use it.
        log.warning("file %s could not be removed", digest)


async def _drop(parts: Parts, digest: str) -> None:
    async with parts.custom_emojis.file_unneeded(digest) as unneeded:
        if unneeded:
            await parts.files.delete(digest)


async def list_custom(request: web.Request) -> web.Response:
    """``GET /api/emojis/custom``: one's own; with ``?status=`` everybody's, for a moderator."""
    parts = request.app[PARTS]
    identity = await identify(request)
    status = request.query.get("status")
    after, limit = page(request)
    if status is None:
        own = await parts.custom_emojis.of_user(identity.user_id)
        return json_response({"custom_emojis": [emoji.to_state() for emoji in own]})
    if status not in {PENDING, APPROVED, REJECTED}:
        raise InvalidError(fields={"status": ["Not pending, approved or rejected."]})
    allow(identity.person.roles, "custom_emoji.review")
    shown, following = await parts.custom_emojis.of_status(status, after, limit)
    return page_response({"custom_emojis": shown}, following)


async def get_file(request: web.Request) -> web.Response:
    """``GET /files/{digest}``: public to who knows the name, and for ever the same."""
    files = request.app[PARTS].files
    digest = request.match_info["digest"]
    if not is_digest(digest):
        raise InvalidError("not_found")
    etag = f'"{digest}"'
    if _has_it(request, digest) and await files.exists(digest):
        return web.Response(status=304, headers={**FILE_HEADERS, "ETag": etag})
    stored = await files.get(digest)
    if stored is None:
        raise InvalidError("not_found")
    name = f"{digest[:16]}{SUFFIXES[stored.media_type]}"
    return web.Response(
        body=stored.content,
        content_type=stored.media_type,
        headers={**FILE_HEADERS, "ETag": etag, "Content-Disposition": f'inline; filename="{name}"'},
    )


def _has_it(request: web.Request, digest: str) -> bool:
    return any(tag.value in {digest, "*"} for tag in request.if_none_match or ())
