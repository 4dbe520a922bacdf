"""Both places for files, a folder and a bucket of a real S3 server, held to one interface."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiobotocore.session import get_session

from idling_ws.domain.errors import InternalError, UnavailableError
from idling_ws.store.bucket import BucketFiles
from idling_ws.store.files import (
    LEFTOVER_AGE_S,
    FileStore,
    FolderFiles,
    StoredFile,
    digest_of,
    is_digest,
    open_file_store,
)
from tests.support import images
from tests.support.buckets import make_bucket

CONTENT = images.still()


@pytest.fixture(params=["folder", "bucket"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, s3_endpoint: str) -> AsyncIterator[FileStore]:
    """An empty place for files, of each kind."""
    if request.param == "folder":
        opened = open_file_store(str(tmp_path / "files"))
    else:
        opened = open_file_store(
            await make_bucket(s3_endpoint, f"files-{tmp_path.name.replace('_', '-')}".lower()[:60])
        )
    yield opened
    await opened.close()


async def test_what_was_put_is_got(store: FileStore) -> None:
    """Bytes and type come back under the digest of the bytes, as often as they are put."""
    assert not await store.exists(digest_of(CONTENT))
    for _ in range(2):
        assert await store.put(CONTENT, "image/png") == digest_of(CONTENT)
    assert await store.get(digest_of(CONTENT)) == StoredFile(CONTENT, "image/png")
    assert await store.exists(digest_of(CONTENT))


async def test_files_do_not_get_into_each_others_way(store: FileStore) -> None:
    """Many at once, the same ones among them, are all whole."""
    contents = [images.still(size=(8 + number % 10, 8)) for number in range(20)]
    digests = await asyncio.gather(*(store.put(content, "image/png") for content in contents))
    assert digests == [digest_of(content) for content in contents]
    got = await asyncio.gather(*(store.get(digest) for digest in digests))
    assert got == [StoredFile(content, "image/png") for content in contents]


async def test_deleted_is_gone(store: FileStore) -> None:
    """After deletion there is nothing, and deleting nothing is no error."""
    digest = await store.put(CONTENT, "image/png")
    for _ in range(2):
        await store.delete(digest)
        assert not await store.exists(digest)
        assert await store.get(digest) is None


@pytest.mark.parametrize(
    "name",
    ["", "..", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 65, "a" * 62 + "/x", "\0" * 64, "a" * 64 + "\n", "é" * 64],
)
async def test_what_is_no_digest_names_no_file(store: FileStore, name: str) -> None:
    """Paths, half digests and rubbish find nothing and touch nothing."""
    assert not is_digest(name)
    assert await store.get(name) is None
    assert not await store.exists(name)
    await store.delete(name)


@pytest.mark.parametrize("media_type", ["text/html", "image/svg+xml", "application/javascript", "", "image/png; x=y"])
async def test_only_images_are_stored(store: FileStore, media_type: str) -> None:
    """What a browser might run is not even stored."""
    with pytest.raises(ValueError, match="not stored"):
        await store.put(CONTENT, media_type)
    assert not await store.exists(digest_of(CONTENT))


# The folder


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_folder_holds_whole_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails for want of room is an error that may be tried again, and leaves nothing."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    store = FolderFiles(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(UnavailableError):
            await store.put(CONTENT, "image/png")
    assert files_in(tmp_path) == []
    assert not await store.exists(digest_of(CONTENT))
    await store.put(CONTENT, "image/png")
    assert len(files_in(tmp_path)) == 1


async def test_folder_flushes_before_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content reaches the disk before the name does, and the name before put returns."""
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(number: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        fsync(number)

    def noted_replace(path: Path, target: Path) -> Path:
        order.append("name")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    await FolderFiles(tmp_path).put(CONTENT, "image/png")
    assert order == ["file", "name", "folder", "folder"]


KILLED = """
import asyncio, os, sys
from pathlib import Path
from idling_ws.store.files import FolderFiles
fsync = os.fsync
def stop(number):
    fsync(number)
    print("written", flush=True)
    sys.stdin.read()
os.fsync = stop
asyncio.run(FolderFiles(Path(sys.argv[1])).put(b"half", "image/png"))
"""


async def test_folder_survives_a_killed_process(tmp_path: Path) -> None:
    """Killed before the name was given: there is no file, and the rest is swept once it is old."""
    worker = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert worker.stdout is not None
    assert worker.stdin is not None
    assert worker.stdout.readline() == b"written\n"
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    worker.stdout.close()
    worker.stdin.close()

    store = FolderFiles(tmp_path)
    assert await store.get(digest_of(b"half")) is None
    (leftover,) = files_in(tmp_path)
    assert await store.sweep() == 0
    os.utime(leftover, (0, leftover.stat().st_mtime - LEFTOVER_AGE_S - 1))
    assert await store.sweep() == 1
    assert files_in(tmp_path) == []
    assert await FolderFiles(tmp_path / "not there").sweep() == 0


async def test_damage_on_the_disk_is_noticed_and_healed(tmp_path: Path) -> None:
    """A file whose content no longer proves its name is not given out, and putting it again mends it."""
    store = FolderFiles(tmp_path)
    digest = await store.put(CONTENT, "image/png")
    (path,) = files_in(tmp_path)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(InternalError):
        await store.get(digest)
    await store.put(CONTENT, "image/png")
    assert await store.get(digest) == StoredFile(CONTENT, "image/png")


async def test_folder_is_for_us_alone(tmp_path: Path) -> None:
    """Neither files nor folders are readable by other users of the machine."""
    await FolderFiles(tmp_path / "files").put(CONTENT, "image/png")
    for path in tmp_path.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


async def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    """A path that would reach another file neither reads nor removes it."""
    other = tmp_path / "other.png"
    other.write_bytes(CONTENT)
    store = FolderFiles(tmp_path / "deep" / "files")
    await store.put(CONTENT, "image/png")
    for name in ("../other", str(other.with_suffix(""))):
        assert not await store.exists(name)
        assert await store.get(name) is None
        await store.delete(name)
    assert other.read_bytes() == CONTENT


# The bucket


async def test_bucket_says_how_files_may_be_kept(s3_endpoint: str) -> None:
    """Objects carry their type and may be cached for ever, so the bucket could serve them itself."""
    url = await make_bucket(s3_endpoint, "plain-bucket")
    store = open_file_store(url)
    digest = await store.put(CONTENT, "image/png")
    await store.close()
    async with get_session().create_client("s3", endpoint_url=s3_endpoint, region_name="us-east-1") as client:
        head = await client.head_object(Bucket="plain-bucket", Key=f"some/prefix/{digest[:2]}/{digest}")
    assert head["ContentType"] == "image/png"
    assert "immutable" in head["CacheControl"]


async def test_damaged_object_is_not_given_out(s3_endpoint: str) -> None:
    """What somebody else wrote under a name is refused."""
    store = open_file_store(await make_bucket(s3_endpoint, "damaged-bucket"))
    digest = digest_of(CONTENT)
    async with get_session().create_client("s3", endpoint_url=s3_endpoint, region_name="us-east-1") as client:
        for body, media_type in ((b"other", "image/png"), (CONTENT, "text/html")):
            await client.put_object(
                Bucket="damaged-bucket",
                Key=f"some/prefix/{digest[:2]}/{digest}",
                Body=body,
                ContentType=media_type,
            )
            with pytest.raises(InternalError):
                await store.get(digest)
    await store.close()


async def test_bucket_out_of_reach_is_unavailable(s3_endpoint: str) -> None:
    """No server, or no such bucket: an error that may be tried again, not a missing file."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for store in (
        BucketFiles("files", endpoint=f"http://127.0.0.1:{port}", region="us-east-1"),
        BucketFiles("no-such-bucket", endpoint=s3_endpoint, region="us-east-1"),
    ):
        with pytest.raises(UnavailableError):
            await store.put(CONTENT, "image/png")
        with pytest.raises(UnavailableError):
            await store.get(digest_of(CONTENT))
        await store.close()


@pytest.mark.parametrize(
    "url",
    [
        "", "http://example.org/x", "s3://", "s3:///prefix", "s3://key:secret@bucket", "s3://bucket?secret=x", "ftp://x/y",
        "s3://bucket?endpoint", "file://host/path", "//host/path",
    ],
)  # fmt: skip
def test_what_is_no_place_for_files_is_refused(url: str) -> None:
    """Mistakes in the setting are said at the start, credentials in it too."""
    with pytest.raises(ValueError, match=r"bucket|folder|query"):
        open_file_store(url)


def test_urls_name_both_places(tmp_path: Path) -> None:
    """A path, a file URL and a bucket URL."""
    assert isinstance(open_file_store(str(tmp_path)), FolderFiles)
    assert isinstance(open_file_store(tmp_path.as_uri()), FolderFiles)
    assert isinstance(open_file_store("s3://bucket"), BucketFiles)
