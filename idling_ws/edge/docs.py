"""The API's own documents, and a page to read them with, offline: everything on it comes from here.

With the extra ``docs`` installed the page is Swagger UI, whose files are taken from its
package; without, a plain list that says how to get it. Either way under the strict policy
of all pages: no script of anybody else's, none inline.
"""

from __future__ import annotations

import functools
import html
import importlib.util
from pathlib import Path

from aiohttp import web

from idling_ws import __version__
from idling_ws.domain.emoji import CUSTOM_CATEGORY
from idling_ws.domain.errors import InvalidError
from idling_ws.edge.pages import CONTENT_SECURITY_POLICY, Pages
from idling_ws.edge.public import public
from idling_ws.mutations.table import MUTATIONS
from idling_ws.store.catalogue import load_packaged_catalogue
from idling_ws.wire.asyncapi import build_asyncapi
from idling_ws.wire.jsontext import encode
from idling_ws.wire.openapi import build_openapi
from idling_ws.wire.operations import OPERATIONS
from idling_ws.wire.schemas import ArgumentsSchema

PAGE = "docs.html"
CACHING = "public, max-age=60"
# Of Swagger UI's package, which holds an editor and more: what the page needs.
FILES = frozenset({"swagger-ui.css", "swagger-ui-bundle.js"})
HOW_TO_GET_IT = "pip install 'idling-ws[docs]'"


@functools.cache
def openapi_document() -> bytes:
    """Return OpenAPI as JSON: everything that is there over plain HTTP."""
    categories = [category.id for category in load_packaged_catalogue().categories]
    return encode(build_openapi(__version__, sorted({*categories, CUSTOM_CATEGORY}), _public_mutations()))


@functools.cache
def asyncapi_document() -> bytes:
    """Return AsyncAPI as JSON: every frame of the socket."""
    return encode(build_asyncapi(__version__, _public_mutations()))


def _public_mutations() -> dict[str, ArgumentsSchema]:
    return {name: mutation.schema for name, mutation in MUTATIONS.items() if mutation.public}


def swagger_folder() -> Path | None:
    """Return where the files of Swagger UI lie, or None where the extra is not installed."""
    # Only found, not imported: it brings web frameworks of its own.
    spec = importlib.util.find_spec("swagger_ui")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "static"
    return folder if all((folder / name).is_file() for name in FILES) else None


async def get_openapi(request: web.Request) -> web.Response:
    """``GET /api/openapi.json``."""
    return public(request, openapi_document(), CACHING)


async def get_asyncapi(request: web.Request) -> web.Response:
    """``GET /api/asyncapi.json``."""
    return public(request, asyncapi_document(), CACHING)


class Docs:
    """Serves the page and its files."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._folder = swagger_folder()

    async def page(self, request: web.Request) -> web.StreamResponse:
        """``GET /api/docs``."""
        if self._folder is not None:
            return self._pages.page(request, PAGE)
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Cache-Control": "no-cache"}
        return web.Response(text=plain_page(), content_type="text/html", headers=headers)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """``GET /api/docs/{name}``."""
        name = request.match_info["name"]
        if self._folder is None or name not in FILES:
            raise InvalidError("not_found")
        return web.FileResponse(self._folder / name, headers={"Cache-Control": "public, max-age=3600"})


def plain_page() -> str:
    """Return the list of all routes as a page."""
    rows = "".join(
        f"<tr><td><code>{each.method}</code></td><td><code>{html.escape(each.path)}</code></td>"
        f"<td>{html.escape(each.summary)}</td></tr>"
        for each in OPERATIONS
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>API · Idling</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<link rel="stylesheet" href="/static/css/tokens.css"><link rel="stylesheet" href="/static/css/base.css">'
        '<link rel="stylesheet" href="/static/css/docs.css"></head><body><main class="docs"><h1>The API</h1>'
        '<p>All of it for machines: <a href="/api/openapi.json">OpenAPI</a> over plain HTTP, '
        '<a href="/api/asyncapi.json">AsyncAPI</a> over the socket. To try it on this page, install the extra: '
        f"<code>{html.escape(HOW_TO_GET_IT)}</code></p><table><thead><tr><th>Method</th><th>Path</th><th>What it does"
        f"</th></tr></thead><tbody>{rows}</tbody></table></main></body></html>"
    )
