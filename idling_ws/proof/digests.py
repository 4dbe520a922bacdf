"""Digests: eight bytes in the place of an entry, so that a history of millions stays small.

Equal JSON gives an equal digest, whatever the order of keys or the spacing: over
long-poll an entry comes inside of a list and its own bytes cannot be had.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson

DIGEST_BYTES = 8

# What may differ between two tellings of the same verdict.
_OF_THE_TELLING = ("trace_id", "retry_after_ms")


def digest_of(value: Any) -> str:
    """Return the digest of a JSON value as 16 hexadecimal digits."""
    canonical = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return blake2b(canonical, digest_size=DIGEST_BYTES).hexdigest()


def verdict_digest(
    status: str, result: dict[str, Any] | None, error: dict[str, Any] | None, current: dict[str, Any] | None
) -> str:
    """Return the digest of what a verdict says, apart from when and how often it was told."""
    if error is not None:
        error = {key: value for key, value in error.items() if key not in _OF_THE_TELLING}
    # An empty result and none are the same news.
    return digest_of([status, result or None, error, current or None])


def request_digest(name: str, args: dict[str, Any], if_version: int | None) -> str:
    """Return the digest of what a mutation asks for."""
    return digest_of([name, args, if_version])
