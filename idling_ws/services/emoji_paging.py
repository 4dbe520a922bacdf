"""Where a page of the emoji search ended, so that the next begins behind it.

The client carries it as an opaque text. It names a place in the order, not a count, so
an emoji that comes or goes between two pages doubles or drops no other.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import zlib

from idling_ws.domain.emoji import EmojiId
from idling_ws.domain.errors import InvalidError

WELL_FORMED = re.compile(r"[A-Za-z0-9_-]{1,400}", re.ASCII)

Place = tuple[int, int, int, int, float, int, int, EmojiId]
"""A hit's place in the order of hits, the least being the first: rank, closeness, place among one's own,
grade, popularity (negative), place among the common ones, position in the catalogue, id."""

_FIELDS = 8


def write_after(place: Place, query: str, category: str | None) -> str:
    """The text that stands for ``place`` among the hits of this query."""
    plain = json.dumps([_mark(query, category), *place], separators=(",", ":"))
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def read_after(after: str, query: str, category: str | None) -> Place:
    """The place that ``after`` stands for.

    Raises InvalidError: ``invalid_arguments`` when it is not well-formed, ``not_found`` when it is no place here.
    """
    if WELL_FORMED.fullmatch(after) is None:
        raise InvalidError(fields={"after": ["Not the `next` of a search."]})
    wrong = InvalidError("not_found", fields={"after": ["Not the `next` of this search."]})
    try:
        padded = after.encode("ascii") + b"=" * (-len(after) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise wrong from error
    if not isinstance(values, list) or len(values) != 1 + _FIELDS:
        raise wrong
    mark, *numbers, id_ = values
    if mark != _mark(query, category) or not isinstance(id_, str):
        raise wrong
    if any(type(number) not in {int, float} or not math.isfinite(number) for number in numbers):
        raise wrong
    rank, closeness, own, grade, popular, prior, position = numbers
    return (rank, closeness, own, grade, popular, prior, position, EmojiId(id_))


def _mark(query: str, category: str | None) -> int:
    """Tells one search's places from another's. No secret: a forged place only skips hits."""
    return zlib.crc32(f"{query}\n{category}".encode())
