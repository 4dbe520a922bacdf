"""The page and its files, as they lie in ``static/``: no build step, nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

from aiohttp import web

from idling_ws.domain.errors import InvalidError
from idling_ws.edge.site import Site

# Scripts and styles of our own files only; sockets to where the page came from.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# Files at the top of the site: a service worker's scope is the folder it comes from.
TOP_LEVEL = {"sw.js": "sw.js", "manifest.webmanifest": "manifest.webmanifest", "favicon.ico": "icons/favicon.ico"}
# Without a version in the address the file may change with a deploy: ask each time, the ETag answers.
ASK_EACH_TIME = "no-cache"
FOR_EVER = "public, max-age=31536000, immutable"
_VERSIONED = re.compile(r"v-([0-9a-f]{16})/(.+)", re.DOTALL)


def static_dir() -> Path:
    """Return the folder of the page: beside the package in a checkout, inside it when installed."""
    here = Path(__file__).resolve().parent.parent
    beside = here.parent / "static"
    return beside if beside.is_dir() else here / "static"


class Pages:
    """Serves files of one folder, and nothing outside of it."""

    def __init__(self, folder: Path) -> None:
        self._site = Site(folder)

    async def index(self, request: web.Request) -> web.StreamResponse:
        """``GET /``."""
        self._site.look()
        return self._answer(request, "index.html")

    def page(self, request: web.Request, name: str) -> web.StreamResponse:
        """Return another page than the first one."""
        self._site.look()
        return self._answer(request, name)

    async def top(self, request: web.Request) -> web.StreamResponse:
        """``GET /sw.js`` and its like."""
        self._site.look()
        name = request.path.removeprefix("/")
        return self._answer(request, TOP_LEVEL[name])

    async def static(self, request: web.Request) -> web.StreamResponse:
        """``GET /static/…``, with or without a version in front."""
        name = request.match_info["path"]
        match = _VERSIONED.fullmatch(name)
        if match is None:
            return self._answer(request, name)
        # Another version: another instance's page, in the middle of a deploy. It gets what is
        # here, which nearly always fits, and must not keep it under that name.
        is_ours = match[1] == self._site.version
        return self._answer(request, match[2], FOR_EVER if is_ours else "no-store")

    def _answer(self, request: web.Request, name: str, caching: str = ASK_EACH_TIME) -> web.Response:
        file = self._site.get(name)
        if file is None:
            raise InvalidError("not_found")
        is_packed = file.packed is not None and _takes_gzip(request)
        # The compressed copy is another representation, and so has another tag (RFC 9110, section 8.8.3.3).
        etag = f"{file.etag}-gz" if is_packed else file.etag
        headers = {
            "Cache-Control": caching,
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "ETag": f'"{etag}"',
            "Vary": "Accept-Encoding",
        }
        if any(tag.value in {etag, "*"} for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = file.media_type
        if is_packed:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=file.packed if is_packed else file.body, headers=headers)


def _takes_gzip(request: web.Request) -> bool:
    for part in request.headers.get("Accept-Encoding", "").lower().split(","):
        coding, _, weight = part.strip().partition(";")
        if coding.strip() == "gzip":
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
