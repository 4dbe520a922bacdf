"""Files by their content: the name of a file is the SHA-256 of what is in it.

So a file never changes, may be cached for ever, is stored once however often it comes,
and shows by itself whether it is whole. Two places can hold them behind one interface: a
local folder (here) and an S3 bucket (``bucket``), named by one URL.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NewType, Protocol, TypeVar
from urllib.parse import urlsplit

from idling_ws.domain.errors import InternalError, UnavailableError

Digest = NewType("Digest", str)
"""SHA-256 in 64 lower-case hexadecimal digits."""

# The closed list of what is ever given out: nothing that a browser would run.
SUFFIXES = {"image/png": ".png", "image/gif": ".gif", "image/webp": ".webp", "image/jpeg": ".jpeg"}
MEDIA_TYPES = {suffix: media_type for media_type, suffix in SUFFIXES.items()}

LEFTOVER_AGE_S = 3600
"""Age from which an unfinished file belongs to a process that died; none takes so long to write."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it was put."""

    content: bytes
    media_type: str


class FileStore(Protocol):
    """Where files lie. Every call raises UnavailableError when that place does not answer in time."""

    async def put(self, content: bytes, media_type: str) -> Digest:
        """The file is stored and survives a crash. Raises ValueError for a type that is not in SUFFIXES."""

    async def get(self, digest: str) -> StoredFile | None:
        """The file, or None when there is none. Raises InternalError when it is not what was put."""

    async def exists(self, digest: str) -> bool:
        """Whether the file is there."""

    async def delete(self, digest: str) -> None:
        """The file is not there any more, if it ever was."""

    async def close(self) -> None:
        """Nothing is held open any more."""


def open_file_store(url: str) -> FileStore:
    """The place that ``url`` names; nothing is read or sent yet.

    A folder: ``/srv/files`` or ``file:///srv/files``. A bucket: ``s3://bucket/prefix``, with
    ``?endpoint=https://…&region=…`` where it is not Amazon's. Raises ValueError for anything else.
    """
    parts = urlsplit(url)
    if parts.scheme == "s3":
        try:
            from idling_ws.store.bucket import BucketFiles
        except ImportError as error:
            raise ValueError("s3:// needs the extra: pip install 'idling-ws[s3]'") from error
        return BucketFiles.from_url(url)
    if parts.scheme in {"", "file"} and not parts.netloc and parts.path:
        return FolderFiles(Path(parts.path if parts.scheme else url))
    raise ValueError("files lie in a folder (a path or file:///…) or a bucket (s3://…)")


def digest_of(content: bytes) -> Digest:
    """The name of a file with this content."""
    return Digest(hashlib.sha256(content).hexdigest())


def is_digest(text: str) -> bool:
    """Whether ``text`` can name a file. What cannot is never looked up, so it can name no other path."""
    return _DIGEST.fullmatch(text) is not None


def verified(digest: str, content: bytes, media_type: str) -> StoredFile:
    """The file, once its content proves its name. Raises InternalError when it does not."""
    if digest_of(content) != digest or media_type not in SUFFIXES:
        raise InternalError from ValueError(f"file {digest} is damaged")
    return StoredFile(content, media_type)


class FolderFiles:
    """Files in a local folder, in 256 folders by the first two digits of their names.

    A file appears whole or not at all: it is written beside its place, flushed to the disk,
    and renamed. All disk work is done in threads.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unfinished = folder / "unfinished"

    async def put(self, content: bytes, media_type: str) -> Digest:
        """See ``FileStore``."""
        if media_type not in SUFFIXES:
            raise ValueError(f"files of type {media_type} are not stored")
        digest = digest_of(content)
        path = self._path(digest, SUFFIXES[media_type])
        await _in_thread(lambda: self._write(path, content))
        return digest

    async def get(self, digest: str) -> StoredFile | None:
        """See ``FileStore``."""
        path = await self._find(digest)
        if path is None:
            return None
        content = await _in_thread(lambda: _read(path))
        return None if content is None else verified(digest, content, MEDIA_TYPES[path.suffix])

    async def exists(self, digest: str) -> bool:
        """See ``FileStore``."""
        return await self._find(digest) is not None

    async def delete(self, digest: str) -> None:
        """See ``FileStore``."""
        while (path := await self._find(digest)) is not None:
            await _in_thread(lambda path=path: path.unlink(missing_ok=True))  # type: ignore[misc] # mypy cannot type the default

    async def close(self) -> None:
        """See ``FileStore``."""

    async def sweep(self) -> int:
        """Remove what processes left unfinished when they were killed; how many files that were."""
        return await _in_thread(self._sweep)

    def _path(self, digest: str, suffix: str) -> Path:
        return self._folder / digest[:2] / f"{digest}{suffix}"

    async def _find(self, digest: str) -> Path | None:
        if not is_digest(digest):
            return None
        paths = [self._path(digest, suffix) for suffix in MEDIA_TYPES]
        return await _in_thread(lambda: next((path for path in paths if path.exists()), None))

    def _write(self, path: Path, content: bytes) -> None:
        # One by one: parents that mkdir makes along the way would be open to everybody.
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (path.parent, self._unfinished):
            folder.mkdir(mode=0o700, exist_ok=True)
        if _read(path) != content:
            self._replace(path, content)
        # The name is on the disk only when the folder is, and a new folder only when its own is.
        for folder in (path.parent, self._folder):
            _sync_folder(folder)

    def _replace(self, path: Path, content: bytes) -> None:
        number, name = tempfile.mkstemp(dir=self._unfinished)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _sweep(self) -> int:
        swept = 0
        with contextlib.suppress(FileNotFoundError):
            for path in self._unfinished.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < time.time() - LEFTOVER_AGE_S:
                        path.unlink()
                        swept += 1
        return swept


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


async def _in_thread(work: Callable[[], _T]) -> _T:
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise UnavailableError from error
