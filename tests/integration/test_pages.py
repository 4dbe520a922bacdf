"""The page's files as they are served: one version in all addresses, compressed, never under another version's name."""

from __future__ import annotations

import gzip
import json
import os
import re
import time
from pathlib import Path

import pytest

from idling_ws.edge.pages import static_dir
from idling_ws.edge.site import Site
from tests.support.instances import Instance
from tests.support.wire_client import Answer, call

Pair = tuple[Instance, Instance]
PACKED = {"Accept-Encoding": "br, gzip;q=0.8"}


async def get(pair: Pair, path: str, **headers: str) -> Answer:
    return await call(
        pair[0].url, "GET", path, headers={"Accept-Encoding": "identity", **headers}, auto_decompress=False
    )


async def version(pair: Pair) -> str:
    match = re.search(rb"/static/(v-[0-9a-f]{16})/js/app\.js", (await get(pair, "/")).body)
    assert match is not None
    return match[1].decode()


async def test_every_address_of_the_page_holds_its_version_and_is_kept_for_ever(pair: Pair) -> None:
    """The page itself is asked for each time; what it names never changes."""
    page = await get(pair, "/")
    assert page.headers["Cache-Control"] == "no-cache"
    named = set(re.findall(rb'(?:href|src)="(/static/[^"]+)"', page.body))
    assert len(named) > 30
    prefix = f"/static/{await version(pair)}/".encode()
    assert [path for path in named if not path.startswith(prefix)] == []
    for path in sorted(named)[::12]:
        answer = await get(pair, path.decode())
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")


async def test_another_version_gets_what_there_is_and_may_not_keep_it(pair: Pair) -> None:
    """In the middle of a deploy: two instances, two versions."""
    other = await get(pair, "/static/v-0123456789abcdef/js/app.js")
    assert (other.status, other.headers["Cache-Control"]) == (200, "no-store")
    assert other.body == (await get(pair, "/static/js/app.js")).body
    assert (await get(pair, "/static/v-0123456789abcdef/../../setup.cfg")).status == 404


async def test_compressed_for_who_takes_it_under_a_tag_of_its_own(pair: Pair) -> None:
    """Both forms hold the same; each answers 304 to its own tag; a picture is not packed twice."""
    plain = await get(pair, "/static/js/app.js")
    packed = await get(pair, "/static/js/app.js", **PACKED)
    assert (plain.headers.get("Content-Encoding"), packed.headers["Content-Encoding"]) == (None, "gzip")
    assert gzip.decompress(packed.body) == plain.body
    assert plain.headers["ETag"] != packed.headers["ETag"]
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    for answer, headers in ((plain, {}), (packed, PACKED)):
        again = await get(pair, "/static/js/app.js", **headers, **{"If-None-Match": answer.headers["ETag"]})
        assert (again.status, again.body) == (304, b"")
    refused = await get(pair, "/static/js/app.js", **{"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in refused.headers
    assert "Content-Encoding" not in (await get(pair, "/static/icons/icon-192.png", **PACKED)).headers


async def test_the_worker_is_told_what_its_version_consists_of(pair: Pair) -> None:
    """Every module and style with the hash of what is served, and the page."""
    worker = (await get(pair, "/sw.js")).body.decode()
    assert f"from '/static/{await version(pair)}/js/worker/worker.js'" in worker
    shell = json.loads(worker.split("work(", 1)[1].rsplit(");", 1)[0])
    assert shell["version"] == (await version(pair)).removeprefix("v-")
    assert [path for path, _ in shell["pages"]] == ["/"]
    paths = {path.split("/", 3)[3] for path, _ in shell["files"]}
    assert {"js/app.js", "js/worker/worker.js", "css/base.css", "icons/icon.svg"} <= paths
    assert all(integrity.startswith("sha256-") for _, integrity in shell["files"])


async def test_icons_and_manifest_are_where_systems_look(pair: Pair) -> None:
    """Each icon that the manifest names is there and is what it says."""
    manifest = json.loads((await get(pair, "/manifest.webmanifest")).body)
    purposes = {(icon["sizes"], icon["purpose"]) for icon in manifest["icons"]}
    assert {("192x192", "any"), ("512x512", "any"), ("512x512", "maskable")} <= purposes
    for path, media_type in [
        *((icon["src"], icon["type"]) for icon in manifest["icons"]),
        ("/favicon.ico", "image/x-icon"),
    ]:
        answer = await get(pair, path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, media_type)


def test_who_works_on_the_page_sees_it_at_the_next_reload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed file is another version; nothing changed is the same one."""
    (tmp_path / "js").mkdir()
    (tmp_path / "index.html").write_text('<script src="/static/js/app.js"></script>')
    (tmp_path / "js" / "app.js").write_text("one();")
    site = Site(tmp_path)
    first = site.version
    now = time.monotonic()
    monkeypatch.setattr("idling_ws.edge.site.time.monotonic", lambda: now + 10)
    site.look()
    assert site.version == first
    (tmp_path / "js" / "app.js").write_text("two();")
    os.utime(tmp_path / "js" / "app.js", ns=(1, 1))
    monkeypatch.setattr("idling_ws.edge.site.time.monotonic", lambda: now + 20)
    site.look()
    assert site.version != first
    page = site.get("index.html")
    assert page is not None
    assert site.version.encode() in page.body


def test_a_first_load_is_small() -> None:
    """The page and all that it names, compressed: what a first visit waits for."""
    site = Site(static_dir())
    page = site.get("index.html")
    assert page is not None
    prefix = f"/static/v-{site.version}/"
    named = re.findall(rf'(?:href|src)="{prefix}([^"]+)"', page.body.decode())
    files = [page, *(file for name in set(named) if (file := site.get(name)))]
    assert len(files) > 30
    assert sum(len(file.packed or file.body) for file in files) < 150_000
