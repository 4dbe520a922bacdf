"""Custom emoji from the upload to everybody's use, over two instances; and what is not taken in."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image, ImageSequence

from idling_ws.domain.custom_emojis import MAX_PER_USER
from idling_ws.store.files import digest_of
from tests.support import images
from tests.support.instances import Instance, give_own_epoch, running_instances
from tests.support.rows import run_sql
from tests.support.servers import PostgresServer, RedisServer
from tests.support.shapes import is_problem
from tests.support.uploading import upload
from tests.support.wire_client import Login, call, connect, sign_in

HOSTILE = images.hostile()


@dataclass(frozen=True, slots=True)
class Place:
    """Two instances over one database and one folder of files."""

    a: Instance
    b: Instance
    database_url: str
    folder: Path

    def files(self) -> list[Path]:
        """Return every file that is stored or was begun."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    def rows(self, login: Login) -> int:
        """Return how many custom emoji somebody ever had."""
        found = run_sql(self.database_url, "SELECT count(*) FROM custom_emojis WHERE user_id = %s", login.user_id)
        return int(found[0][0])


@pytest.fixture(scope="module")
def place(
    postgres: PostgresServer,
    redis_server: RedisServer,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    """Two instances that share their files."""
    folder = tmp_path_factory.mktemp("files")
    url = postgres.create_database(migrated_template)
    give_own_epoch(url)
    with running_instances(url, redis_server.url, FILES_URL=folder) as (a, b):
        yield Place(a, b, url, folder)
    postgres.drop_database(url)


async def sign_in_again(place: Place, login: Login, role: str) -> Login:
    """Give somebody a role, and the token that says so."""
    run_sql(place.database_url, "INSERT INTO roles (user_id, role) VALUES (%s, %s)", login.user_id, role)
    answer = await call(place.b.url, "POST", "/auth/refresh", json={"refresh_token": login.refresh_token})
    assert answer.status == 200, answer.body
    return Login(login.user_id, login.name, answer.json["access_token"], answer.json["refresh_token"], login.cookie)


def picture(colour: int) -> bytes:
    """Return a picture that differs from those of the other tests."""
    return images.encode(Image.new("RGB", (40, 30), (colour, 7, 9)), "PNG")


async def test_from_upload_to_everybodys_use(place: Place) -> None:
    """Pending and its owner's alone; approved by a moderator elsewhere: the owner hears of it, all may use it."""
    owner, other, moderator = [await sign_in(place.a.url) for _ in range(3)]
    moderator = await sign_in_again(place, moderator, "moderator")
    device = await connect(place.a.url, owner.token)
    answer = await upload(place.a.url, owner, picture(1), "Party Wave")
    assert answer.status == 201, answer.body
    emoji = answer.json["custom_emoji"]
    assert (emoji["name"], emoji["status"], emoji["width"], emoji["height"]) == ("Party Wave", "pending", 40, 30)
    assert (await device.reach(answer.json["cursor"]))["custom_emojis"] == {emoji["id"]: emoji}
    own = await call(place.b.url, "GET", "/api/emojis/custom", token=owner.token)
    assert own.json == {"custom_emojis": [emoji]}
    others_device = await connect(place.b.url, other.token)
    refused = await others_device.mutate("favorite.add", {"emoji": emoji["id"]})
    assert refused["error"]["code"] == "emoji_not_found"

    waiting = await call(place.b.url, "GET", "/api/emojis/custom?status=pending", token=moderator.token)
    listed = [one for one in waiting.json["custom_emojis"] if one["id"] == emoji["id"]]
    assert listed == [{**emoji, "user": {"id": owner.user_id, "name": owner.name}}]
    is_problem(await call(place.b.url, "GET", "/api/emojis/custom?status=pending", token=other.token), 403, "forbidden")
    denied = await others_device.mutate("custom_emoji.review", {"id": emoji["id"], "approve": True})
    assert denied["error"]["code"] == "forbidden"

    reviewing = await connect(place.b.url, moderator.token)
    verdict = await reviewing.mutate("custom_emoji.review", {"id": emoji["id"], "approve": True})
    assert verdict["status"] == "confirmed", verdict
    while device.state["custom_emojis"][emoji["id"]]["status"] != "approved":
        await device.receive()
    [notification] = device.state["notifications"]["items"].values()
    assert notification["kind"] == "custom_emoji.reviewed"
    assert notification["data"] == {"custom_emoji": emoji["id"], "name": "Party Wave", "status": "approved"}
    assert (await others_device.mutate("favorite.add", {"emoji": emoji["id"]}))["status"] == "confirmed"
    snapshot = await call(place.b.url, "GET", "/api/snapshot", token=owner.token)
    assert device.state == snapshot.json["state"]
    for open_device in (device, others_device, reviewing):
        await open_device.close()


async def test_a_file_is_given_out_for_ever_and_harmless(place: Place) -> None:
    """The right type, immutable, an ETag that answers 304, nothing that a browser would run."""
    owner = await sign_in(place.a.url)
    url = (await upload(place.a.url, owner, images.animation("GIF", 4), "spin")).json["custom_emoji"]["url"]
    answer = await call(place.b.url, "GET", url)
    assert answer.status == 200
    digest = url.removeprefix("/files/")
    assert digest_of(answer.body) == digest
    assert len(list(ImageSequence.Iterator(Image.open(io.BytesIO(answer.body))))) == 4
    assert answer.headers["Content-Type"] == "image/gif"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["ETag"] == f'"{digest}"'
    again = await call(place.a.url, "GET", url, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    assert again.headers["ETag"] == answer.headers["ETag"]
    head = await call(place.a.url, "HEAD", url)
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(answer.body)))


@pytest.mark.parametrize("name", ["0" * 64, "A" * 64, "..%2f..%2fetc%2fpasswd", "unfinished", "%00", "*"])
async def test_what_no_file_is_called_is_not_there(place: Place, name: str) -> None:
    """404 for all of it, also for who claims to have it."""
    for headers in ({}, {"If-None-Match": "*"}, {"If-None-Match": f'"{name}"'}):
        is_problem(await call(place.a.url, "GET", f"/files/{name}", headers=headers), 404, "not_found")


async def test_the_same_picture_and_the_same_key(place: Place) -> None:
    """One key is one emoji, however often it is sent and to whom; two people's same picture is one file."""
    owner, other = await sign_in(place.a.url), await sign_in(place.b.url)
    key = {"Idempotency-Key": "upload-1"}
    first = await upload(place.a.url, owner, picture(2), headers=key)
    again = await upload(place.b.url, owner, picture(2), headers=key)
    assert (first.status, again.status) == (201, 201)
    assert first.json["custom_emoji"] == again.json["custom_emoji"]
    is_problem(await upload(place.a.url, owner, picture(3), headers=key), 422, "mid_reused")
    third = await upload(place.b.url, other, picture(2))
    assert third.json["custom_emoji"]["url"] == first.json["custom_emoji"]["url"]
    assert (place.rows(owner), place.rows(other)) == (1, 1)
    names = [path.stem for path in place.files()]
    assert names.count(first.json["custom_emoji"]["url"].removeprefix("/files/")) == 1
    # What the second use of the key brought was stored, and nobody needs it.
    rows = run_sql(place.database_url, "SELECT DISTINCT digest FROM custom_emojis")
    assert sorted(names) == sorted(digest for (digest,) in rows)


async def test_what_is_hostile_is_refused_and_leaves_nothing(place: Place) -> None:
    """Every file that no server should take: a clear problem, no row, no file."""
    assert len(HOSTILE) >= 20
    login = await sign_in(place.a.url)
    before = place.files()
    for what, content in HOSTILE.items():
        answer = await upload(place.a.url, login, content)
        status, code = (413, "too_large") if len(content) > 1 << 20 else (422, "invalid_arguments")
        problem = is_problem(answer, status, code)
        assert problem["fields"].keys() == {"file"}, what
    assert place.rows(login) == 0
    assert place.files() == before


async def test_who_has_no_room_leaves_no_file(place: Place) -> None:
    """The rules say no after the file was stored: then it goes again, unless somebody else has it."""
    login, other = await sign_in(place.a.url), await sign_in(place.a.url)
    shared = (await upload(place.a.url, other, picture(4))).json["custom_emoji"]["url"]
    run_sql(
        place.database_url,
        "INSERT INTO custom_emojis (id, user_id, name, name_key, digest, media_type, width, height, is_animated, "
        "status, created_at) SELECT 'c_' || %s || '_' || n, %s, 'full', 'full', repeat('0', 64), 'image/png', 1, 1, "
        "false, 'pending', now() FROM generate_series(1, %s) AS n",
        login.user_id,
        login.user_id,
        MAX_PER_USER,
    )
    before = place.files()
    is_problem(await upload(place.a.url, login, picture(5)), 409, "custom_emojis_full")
    is_problem(await upload(place.a.url, login, picture(4)), 409, "custom_emojis_full")
    assert place.files() == before
    assert (await call(place.b.url, "GET", shared)).status == 200
    run_sql(place.database_url, "DELETE FROM custom_emojis WHERE user_id = %s", login.user_id)


@pytest.mark.parametrize(
    ("body", "media_type", "status", "code"),
    [
        (b"{}", "application/json", 415, "unsupported_media_type"),
        (b"name=a", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"", "multipart/form-data; boundary=x", 400, "bad_frame"),
        (b"no boundary", "multipart/form-data; boundary=x", 400, "bad_frame"),
        (b"--x\r\n", "multipart/form-data", 400, "bad_frame"),
        (b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\nabc", "multipart/form-data; boundary=x", 400,
         "bad_frame"),
        (b"--x--\r\n", "multipart/form-data; boundary=x", 422, "invalid_arguments"),
        (b"--x\r\nContent-Disposition: form-data; name=role\r\n\r\nadmin\r\n--x--\r\n",
         "multipart/form-data; boundary=x", 422, "invalid_arguments"),
        (b"--x\r\nContent-Disposition: form-data; name=name\r\n\r\n\xff\xfe\r\n"
         b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\nabc\r\n--x--\r\n",
         "multipart/form-data; boundary=x", 422, "invalid_arguments"),
    ],
)  # fmt: skip
async def test_what_is_no_such_form_is_refused(
    place: Place, body: bytes, media_type: str, status: int, code: str
) -> None:
    """Other types, halves of forms, fields that nobody asked for: each its problem."""
    login = await sign_in(place.a.url)
    answer = await call(
        place.a.url, "POST", "/api/emojis/custom", token=login.token, data=body, headers={"Content-Type": media_type}
    )
    is_problem(answer, status, code)
    assert place.rows(login) == 0


@pytest.mark.parametrize("name", ["a", "", "x" * 41, "a\nb", "x" * 5000])
async def test_a_name_that_cannot_be_is_refused(place: Place, name: str) -> None:
    """Too short, too long, more than a line: said before anything is stored."""
    login, before = await sign_in(place.a.url), place.files()
    problem = is_problem(await upload(place.a.url, login, picture(6), name), 422, "invalid_arguments")
    assert problem["fields"].keys() == {"name"}
    assert place.files() == before


async def test_nobody_uploads_without_signing_in(place: Place) -> None:
    """401, and nothing is stored."""
    before = place.files()
    is_problem(await upload(place.a.url, None, picture(7)), 401, "unauthenticated")
    assert place.files() == before


async def test_an_upload_that_breaks_off_leaves_nothing(place: Place) -> None:
    """The client goes away between the first and the last byte; the server goes on as if it had never come."""
    login, before = await sign_in(place.a.url), place.files()
    head = (
        f"POST /api/emojis/custom HTTP/1.1\r\nHost: 127.0.0.1:{place.a.port}\r\nAuthorization: Bearer {login.token}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 900000\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nhalf\r\n'
        '--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    ).encode()
    content = picture(8)
    for sent in (head[:-20], head, head + content[: len(content) // 2], head + content):
        _, writer = await asyncio.open_connection("127.0.0.1", place.a.port)
        writer.write(sent)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    # A place is held for as long as an upload lasts: that there is one again shows that all four are over.
    while (answer := await upload(place.a.url, login, picture(9))).status == 429:
        assert json.loads(answer.body)["retry_after_ms"] > 0
    assert answer.status == 201
    assert place.rows(login) == 1
    assert len(place.files()) == len(before) + 1
