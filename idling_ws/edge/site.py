"""The files of the page, read once, with the names and sizes in which browsers want them.

There is no build step. What one would do happens when the files are read: each gets a
hash and a compressed copy, and all of them together one version, which becomes part of
their addresses (``/static/v-3f9a…/js/app.js``). Modules import each other relatively, so
whoever loads one version's page loads that version's modules, and may keep them for ever.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json; charset=utf-8",
}
_PACKED_ALREADY: Final = {".ico", ".png", ".webp"}
# The pages that the service worker can open without a line, by address.
SHELL_PAGES: Final = {"/": "index.html"}
# What a page needs to start. Raster icons are the system's business, not the page's.
_SHELL_SUFFIXES: Final = {".css", ".js", ".svg"}
# What a page of its own needs, which most people never open: not loaded with the first one.
_APART: Final = ("js/admin/", "js/docs/", "js/inspector/", "css/admin", "css/docs", "css/inspector")
_LOOK_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class SiteFile:
    """One file as it is answered. ``packed`` is its gzip, or None where that would gain nothing."""

    media_type: str
    body: bytes
    packed: bytes | None
    digest: bytes

    @property
    def etag(self) -> str:
        """Its name among all contents."""
        return self.digest.hex()[:32]

    @property
    def integrity(self) -> str:
        """How a browser is told to check it (Subresource Integrity)."""
        return f"sha256-{base64.b64encode(self.digest).decode()}"


def _file(name: str, body: bytes) -> SiteFile:
    suffix = Path(name).suffix
    packed = None
    if suffix not in _PACKED_ALREADY:
        packed = gzip.compress(body, 9, mtime=0)
        if len(packed) >= len(body):
            packed = None
    return SiteFile(_TYPES.get(suffix, "application/octet-stream"), body, packed, hashlib.sha256(body).digest())


class Site:
    """All files of one folder, in memory. They are read again when one of them has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._looked_at = 0.0
        self._seen: dict[str, tuple[int, int]] = {}
        self._files: dict[str, SiteFile] = {}
        self.version = ""
        self.look()

    def get(self, name: str) -> SiteFile | None:
        """Return the file of that name, relative to the folder."""
        return self._files.get(name)

    def look(self) -> None:
        """Read everything anew if something has changed: whoever works on the page sees it at the next reload."""
        now = time.monotonic()
        if self._seen and now - self._looked_at < _LOOK_EVERY_S:
            return
        self._looked_at = now
        seen = {
            path.relative_to(self._folder).as_posix(): (stat.st_mtime_ns, stat.st_size)
            for path in sorted(self._folder.rglob("*"))
            if path.is_file()
            for stat in (path.stat(),)
        }
        if seen != self._seen:
            self._read(seen)

    def _read(self, seen: dict[str, tuple[int, int]]) -> None:
        raw = {name: _file(name, (self._folder / name).read_bytes()) for name in seen}
        total = hashlib.sha256()
        for name, file in raw.items():
            total.update(name.encode() + b"\0" + file.digest)
        self.version = total.hexdigest()[:16]
        pages = {name: file for name, file in raw.items() if name.endswith(".html")}
        raw |= {name: _file(name, self._versioned(file.body)) for name, file in pages.items()}
        self._files = raw
        if "sw.js" in raw:
            raw["sw.js"] = _file("sw.js", self._worker(raw["sw.js"].body))
        self._seen = seen

    def _versioned(self, html: bytes) -> bytes:
        return html.replace(b'"/static/', f'"/static/v-{self.version}/'.encode())

    def _worker(self, script: bytes) -> bytes:
        """Tell the service worker which version it is for, and what that consists of."""
        shell = [
            [f"/static/v-{self.version}/{name}", file.integrity]
            for name, file in self._files.items()
            if Path(name).suffix in _SHELL_SUFFIXES and name != "sw.js" and not name.startswith(_APART)
        ]
        pages = [[path, self._files[name].integrity] for path, name in SHELL_PAGES.items() if name in self._files]
        told = json.dumps({"version": self.version, "pages": pages, "files": shell})
        # It lies beside the modules and is served from above them.
        return script.replace(b"'./js/", f"'/static/v-{self.version}/js/".encode()).replace(
            b"null /* SHELL */", told.encode()
        )
