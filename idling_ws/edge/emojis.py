"""Emoji over REST: pages of the picker, the search, one's favourites and counts, what everybody uses."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Mapping

from aiohttp import web

from idling_ws.domain.caching import POLICIES
from idling_ws.domain.emoji import Emoji, EmojiId, SkinTone, to_char
from idling_ws.domain.errors import InvalidError, JsonObject, UnavailableError
from idling_ws.edge.bodies import only, read_object
from idling_ws.edge.parts import PARTS, Parts
from idling_ws.edge.problems import json_response, page_response
from idling_ws.edge.public import public
from idling_ws.edge.reader import personal, reader, reader_if_any
from idling_ws.edge.rest import change
from idling_ws.edge.who import identify
from idling_ws.services.emoji_search import MAX_LIMIT, Hit, Taste
from idling_ws.wire.jsontext import encode

DEFAULT_HITS = 30
_CATEGORY = re.compile(r"[a-z][a-z-]{0,40}")
_TONES: Mapping[str, SkinTone | None] = {"none": None, **{tone.value: tone for tone in SkinTone}}


async def get_categories(request: web.Request) -> web.Response:
    """``GET /api/emojis/categories``."""
    answer = await request.app[PARTS].reads.categories()
    return public(request, answer.to_object(), POLICIES["categories"].browser, is_stale=answer.is_stale)


async def get_category(request: web.Request) -> web.Response:
    """``GET /api/emojis/categories/{id}``: all of its emoji, in the order of the picker."""
    category = request.match_info["id"]
    if _CATEGORY.fullmatch(category) is None:
        raise InvalidError("not_found")
    answer = await request.app[PARTS].reads.category(category)
    if answer.is_absent:
        raise InvalidError("not_found")
    return public(request, answer.to_object(), POLICIES["category"].browser, is_stale=answer.is_stale)


# -- search ----------------------------------------------------------------------------


async def search(request: web.Request) -> web.Response:
    """``GET /api/emojis/search?q=&category=&tone=&limit=&after=``: public, and by one's own taste for who signed in."""
    parts = request.app[PARTS]
    started = time.perf_counter()
    query = request.query
    limit = whole_number(query.get("limit", str(DEFAULT_HITS)), "limit", MAX_LIMIT)
    who = await reader_if_any(request)
    taste = Taste()
    if who is not None:
        # Without the database and without a copy it is nobody's search, but it is one.
        with contextlib.suppress(UnavailableError):
            own = (await parts.reads.taste(who.user_id, away=who.away)).value()
            tone = None if own["tone"] is None else SkinTone(own["tone"])
            taste = Taste(tuple(own["favorites"]), tuple(own["recents"]), tone)
    if "tone" in query:
        if query["tone"] not in _TONES:
            raise InvalidError(fields={"tone": [f"Not one of {', '.join(_TONES)}."]})
        taste = Taste(taste.favorites, taste.recents, _TONES[query["tone"]])
    found = parts.emoji_search.search(
        query.get("q", ""),
        taste=taste,
        category=query.get("category"),
        limit=limit,
        after=query.get("after"),
        popularity=await parts.reads.ranks(),
    )
    body: JsonObject = {"emojis": [_hit(hit) for hit in found.hits]}
    if found.next is not None:
        body["next"] = found.next
    encoded = encode(body)
    if who is None:
        response = public(request, encoded, POLICIES["search"].browser)
    else:
        response = web.Response(
            body=encoded,
            content_type="application/json",
            headers={"Cache-Control": "private, no-store", "Vary": "Cookie, Authorization"},
        )
    took_s = time.perf_counter() - started
    parts.metrics.search_seconds.observe(took_s)
    response.headers["Server-Timing"] = f"search;dur={took_s * 1000:.2f}"
    return response


def _hit(hit: Hit) -> JsonObject:
    shown = hit.emoji.to_wire()
    if hit.id != hit.emoji.id:
        shown |= {"id": hit.id, "char": to_char(hit.id), "name": hit.emoji.name_of(hit.id), "base": hit.emoji.id}
    return shown


# -- favourites ------------------------------------------------------------------------


async def get_favorites(request: web.Request) -> web.Response:
    """``GET /api/emojis/favorites``: the ids, in their order."""
    who = await reader(request)
    return personal(await request.app[PARTS].reads.favorites(who.user_id, away=who.away))


async def put_favorite(request: web.Request) -> web.Response:
    """``PUT /api/emojis/favorites/{emoji}``."""
    result, cursor, _ = await change(request, "favorite.add", {"emoji": request.match_info["emoji"]})
    return json_response({**result, "cursor": cursor})


async def delete_favorite(request: web.Request) -> web.Response:
    """``DELETE /api/emojis/favorites/{emoji}``."""
    result, cursor, _ = await change(request, "favorite.remove", {"emoji": request.match_info["emoji"]})
    return json_response({**result, "cursor": cursor})


# -- usage and popularity --------------------------------------------------------------


async def post_usage(request: web.Request) -> web.Response:
    """``POST /api/emojis/usage``: ``{emoji, count?}``."""
    body = only(await read_object(request), "emoji", "count")
    result, cursor, _ = await change(request, "emoji.use", {"count": 1, **body})
    return json_response({**result, "cursor": cursor})


async def get_usage(request: web.Request) -> web.Response:
    """``GET /api/emojis/usage``: one's own, the most used first."""
    parts = request.app[PARTS]
    identity = await identify(request)
    limit = whole_number(request.query.get("limit", "50"), "limit", 200)
    at = parts.replicas.reading(identity.user_id)
    used, following = await parts.popularity.own(identity.user_id, request.query.get("after"), limit, at=at)
    shown = [{**brief(parts, one.emoji), "count": one.count, "last_used": one.last_used.isoformat()} for one in used]
    return page_response({"usage": shown}, following)


async def get_popular(request: web.Request) -> web.Response:
    """``GET /api/emojis/popular``: what everybody uses, the newest uses counting most."""
    parts = request.app[PARTS]
    limit = whole_number(request.query.get("limit", "50"), "limit", 200)
    answer = await parts.reads.popular()
    shown: list[JsonObject] = []
    for id_, score in answer.value():
        emoji = find(parts, id_)
        # One that was deleted since it was counted has gone from the shelf first.
        if emoji is not None and len(shown) < limit:
            shown.append({**emoji.to_wire(), "score": score})
    body = {"stale": True, "emojis": shown} if answer.is_stale else {"emojis": shown}
    return public(request, encode(body), POLICIES["popular"].browser, is_stale=answer.is_stale)


def find(parts: Parts, id_: str) -> Emoji | None:
    """Return the emoji of an id, or of a colouring's id: of Unicode's, or one that everybody may use."""
    return parts.catalogue.find(EmojiId(id_)) or parts.shared_emojis.find(EmojiId(id_))


def brief(parts: Parts, id_: str) -> JsonObject:
    """Return an emoji in one line: ``{emoji, name?, char?, url?}``. A custom one may be gone: then its id is left."""
    emoji = find(parts, id_)
    shown: JsonObject = {"emoji": id_}
    if emoji is not None:
        shown["name"] = emoji.name_of(EmojiId(id_))
        shown |= {"url": emoji.url} if emoji.custom else {"char": to_char(id_)}
    return shown


def whole_number(text: str, name: str, most: int) -> int:
    """Return a query's number from 1 to ``most``. Raises ``InvalidError``."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= most):
        raise InvalidError(fields={name: [f"Not a number from 1 to {most}."]})
    return int(text)
