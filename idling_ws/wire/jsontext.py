"""JSON, strictly: what cannot mean one thing only is refused before anybody acts on it.

orjson refuses NaN, lone surrogates, broken UTF-8, infinities and depth past 1,024.
It takes the last of two equal keys and turns integers past 64 bits into floats; both
would let two readers see two different messages, so they are refused here.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from idling_ws.domain.errors import InvalidError

MAX_DEPTH = 32
# Where every JSON reader still sees the same integer (RFC 8259, section 6).
MAX_SAFE_INTEGER = 2**53 - 1

_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
# A run of digits that is too long to be a safe integer, outside of a fraction or exponent.
_LONG_INTEGER = re.compile(rb"(?<![0-9.eE+])-?[0-9]{16,}(?![0-9.eE])")


def encode(value: object) -> bytes:
    """Return compact JSON. Dictionaries keep their order; keys must be strings."""
    return orjson.dumps(value)


def canonical(value: object) -> bytes:
    """Return JSON with sorted keys: equal values give equal bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def decode(text: bytes | str) -> Any:
    """Return the value in ``text``.

    Raises ``InvalidError("bad_json")``: not JSON, keys twice, integers that are not
    exact, or nesting past ``MAX_DEPTH``.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    try:
        value = orjson.loads(raw)
    except ValueError as exc:
        raise InvalidError("bad_json") from exc
    skeleton = _STRINGS.sub(b"", raw)
    keys = _count_keys(value, 1)
    if keys != skeleton.count(b":"):
        raise InvalidError("bad_json", "A key stands there twice.")
    if _LONG_INTEGER.search(skeleton) is not None and _has_inexact_integer(skeleton):
        raise InvalidError("bad_json", "A number is too large.")
    return value


def decode_objects(text: bytes) -> list[dict[str, Any] | InvalidError]:
    """Return what one frame holds: an object, or several joined by line feeds.

    Where a line is no object its error (as ``decode`` raises it, or ``bad_frame``) stands in
    its place: it is the same as if each line had come in a frame of its own.
    """
    whole = _object(text)
    if isinstance(whole, InvalidError):
        lines = [line for line in text.split(b"\n") if line.strip()]
        if len(lines) > 1:
            return [_object(line) for line in lines]
    return [whole]


def _object(text: bytes) -> dict[str, Any] | InvalidError:
    try:
        value = decode(text)
    except InvalidError as exc:
        return exc
    return value if type(value) is dict else InvalidError("bad_frame", "A message is a JSON object.")


def _count_keys(value: Any, depth: int) -> int:
    if depth > MAX_DEPTH:
        raise InvalidError("bad_json", "That is nested too deep.")
    if type(value) is dict:
        count = len(value)
        for item in value.values():
            if type(item) is dict or type(item) is list:
                count += _count_keys(item, depth + 1)
        return count
    if type(value) is list:
        return sum(_count_keys(item, depth + 1) for item in value if type(item) is dict or type(item) is list)
    return 0


def _has_inexact_integer(skeleton: bytes) -> bool:
    return any(
        abs(int(digits)) > MAX_SAFE_INTEGER for digits in _LONG_INTEGER.findall(skeleton) if len(digits) < 400
    ) or any(len(digits) >= 400 for digits in _LONG_INTEGER.findall(skeleton))
