"""Uploads: a name and a file as ``multipart/form-data`` (RFC 7578), taken in piece by piece.

Nothing is written anywhere until the last boundary has come: an upload that breaks off
leaves nothing behind. What is held meanwhile is bounded: by the size of one, by how many
one person may have on the way, and by how many there may be in all.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from aiohttp import BodyPartReader, ClientError, web
from aiohttp.http_exceptions import HttpProcessingError

from idling_ws.domain.errors import InvalidError, NetworkError, RateLimitError, UnavailableError

MAX_FILE_BYTES = 1 << 20
MAX_NAME_BYTES = 1024
MAX_FRAMING_BYTES = 16 << 10
"""Boundaries, headers of parts and what may stand before the first."""
DEADLINE_S = 30.0
"""From the first to the last byte: 1 MiB at 300 kbit/s."""
AT_ONCE_OF_ONE = 2
AT_ONCE = 32

_TOO_LARGE = {"file": ["The file is larger than 1 MiB."]}


@dataclass(frozen=True, slots=True)
class Upload:
    """What somebody sent, as it came."""

    name: str
    content: bytes


class Places:
    """How many uploads are on their way in this process."""

    def __init__(self) -> None:
        self._of: dict[int, int] = {}

    @contextlib.contextmanager
    def place(self, user_id: int) -> Iterator[None]:
        """Hold a place for one upload. Raises ``RateLimitError``, ``UnavailableError``."""
        mine = self._of.get(user_id, 0)
        if mine >= AT_ONCE_OF_ONE:
            raise RateLimitError(message="Wait for your other uploads.", retry_after_ms=2000)
        if sum(self._of.values()) >= AT_ONCE:
            raise UnavailableError(message="Too many uploads just now. Nothing was changed.", retry_after_ms=2000)
        self._of[user_id] = mine + 1
        try:
            yield
        finally:
            left = self._of.pop(user_id) - 1
            if left:
                self._of[user_id] = left


async def read_upload(request: web.Request) -> Upload:
    """Return the two fields ``name`` and ``file`` of the body, each there once, and nothing else.

    Raises ``InvalidError``: ``unsupported_media_type``, ``too_large``, ``bad_frame`` for a body that
    is no whole form, ``invalid_arguments``; and ``NetworkError`` when it does not end in time.
    """
    if request.content_type != "multipart/form-data":
        raise InvalidError("unsupported_media_type", "Send multipart/form-data.")
    if (request.content_length or 0) > MAX_FILE_BYTES + MAX_NAME_BYTES + MAX_FRAMING_BYTES:
        raise InvalidError("too_large", fields=_TOO_LARGE)
    try:
        async with asyncio.timeout(DEADLINE_S):
            fields = await _read_fields(request)
    except TimeoutError as exc:
        raise NetworkError from exc
    except (ValueError, AssertionError, RuntimeError, LookupError) as exc:  # what aiohttp says of a form that is none
        raise _no_form() from exc
    except (HttpProcessingError, web.RequestPayloadError, ClientError, ConnectionError) as exc:
        raise _no_form() from exc
    missing = {name: ["Missing data for required field."] for name in ("name", "file") if name not in fields}
    if missing:
        raise InvalidError(fields=missing)
    try:
        name = fields["name"].decode()
    except UnicodeDecodeError as exc:
        raise InvalidError(fields={"name": ["Not UTF-8."]}) from exc
    return Upload(name, fields["file"])


def _no_form() -> InvalidError:
    return InvalidError("bad_frame", "That was not a whole form.")


async def _read_fields(request: web.Request) -> dict[str, bytes]:
    fields: dict[str, bytes] = {}
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        name = part.name if isinstance(part, BodyPartReader) else None
        if not isinstance(part, BodyPartReader) or name not in {"name", "file"} or name in fields:
            # Answered at once: what else the body holds is not waited for.
            raise InvalidError(fields={str(name)[:40]: ["Unknown field." if name not in fields else "Given twice."]})
        fields[name] = await _read_part(part, name)
    return fields


async def _read_part(part: BodyPartReader, name: str) -> bytes:
    limit = MAX_FILE_BYTES if name == "file" else MAX_NAME_BYTES
    content = bytearray()
    while not part.at_eof():
        content += await part.read_chunk(64 << 10)
        if len(content) > limit:
            if name == "file":
                raise InvalidError("too_large", fields=_TOO_LARGE)
            raise InvalidError(fields={"name": ["Must be 2 to 40 characters long."]})
    return bytes(content)
