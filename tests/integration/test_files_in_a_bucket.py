"""Running instances whose files lie in a bucket of a real S3 server."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.support import images
from tests.support.buckets import BucketServer, make_bucket, objects
from tests.support.instances import Instance, running_instances
from tests.support.rows import run_sql
from tests.support.uploading import upload
from tests.support.wire_client import Login, call, connect, sign_in

BUCKET = "idling-files"
# Two are promised; the rest is what a busy machine adds.
FOUND_WITHIN_S = 60.0


@pytest.fixture
def own_bucket_server(bucket_server: BucketServer) -> Iterator[BucketServer]:
    """The S3 server, listening again whatever the test did to it."""
    yield bucket_server
    bucket_server.stop()
    bucket_server.start()


async def moderator_of(instance: Instance, database_url: str) -> Login:
    login = await sign_in(instance.url)
    run_sql(database_url, "INSERT INTO roles (user_id, role) VALUES (%s, 'moderator')", login.user_id)
    answer = await call(instance.url, "POST", "/auth/refresh", json={"refresh_token": login.refresh_token})
    return Login(login.user_id, login.name, answer.json["access_token"], answer.json["refresh_token"], login.cookie)


async def shown(instance: Instance, name: str) -> list[str]:
    """Return the custom emoji that anybody finds there."""
    answer = await call(instance.url, "GET", "/api/emojis/search", params={"q": name})
    return [emoji["id"] for emoji in answer.json["emojis"] if emoji["custom"]]


async def test_from_upload_over_review_to_everybody(
    migrated_url: str, redis_url: str, own_bucket_server: BucketServer
) -> None:
    """Uploaded here, reviewed there, found and served on both; deleted, it is found on neither.

    While the bucket is away an upload may be tried again and leaves nothing; everything else goes on.
    """
    files_url = await make_bucket(own_bucket_server.url, BUCKET)
    with running_instances(migrated_url, redis_url, FILES_URL=files_url) as (a, b):
        owner, moderator = await sign_in(a.url), await moderator_of(a, migrated_url)
        answer = await upload(a.url, owner, images.animation("GIF", 4), "Zephyrwave")
        assert answer.status == 201, answer.body
        emoji = answer.json["custom_emoji"]
        digest = emoji["url"].removeprefix("/files/")
        assert [key.rpartition("/")[2].partition(".")[0] for key in await objects(own_bucket_server.url, BUCKET)] == [
            digest
        ]
        for instance in (a, b):
            assert await shown(instance, "zephyrwave") == []
        device, reviewing = await connect(a.url, owner.token), await connect(b.url, moderator.token)
        verdict = await reviewing.mutate("custom_emoji.review", {"id": emoji["id"], "approve": True})
        assert verdict["status"] == "confirmed"
        await device.expect("entry")
        assert [one["kind"] for one in device.state["notifications"]["items"].values()] == ["custom_emoji.reviewed"]
        for instance in (a, b):
            await until_shown(instance, [emoji["id"]])
            served = await call(instance.url, "GET", emoji["url"])
            assert (served.status, served.headers["Content-Type"]) == (200, "image/gif")
            assert served.headers["Cache-Control"] == "public, max-age=31536000, immutable"

        own_bucket_server.stop()
        away = await upload(a.url, owner, images.still(), "Unlucky")
        assert (away.status, away.json["code"], away.json["retryable"]) == (503, "unavailable", True)
        assert (await call(b.url, "GET", emoji["url"])).status == 503
        assert run_sql(migrated_url, "SELECT count(*) FROM custom_emojis") == [(1,)]
        assert (await device.mutate("favorite.add", {"emoji": emoji["id"]}))["status"] == "confirmed"
        own_bucket_server.start()
        assert (await upload(b.url, owner, images.still(), "Lucky")).status == 201
        assert (await call(b.url, "GET", emoji["url"])).status == 200

        assert (await device.mutate("custom_emoji.delete", {"id": emoji["id"]}))["status"] == "confirmed"
        for instance in (a, b):
            await until_shown(instance, [])
        await device.close()
        await reviewing.close()


async def until_shown(instance: Instance, wanted: list[str]) -> None:
    """Wait for it in the search; the pages of the picker are of the same moment."""
    deadline = time.monotonic() + FOUND_WITHIN_S
    while await shown(instance, "zephyrwave") != wanted:
        assert time.monotonic() < deadline
    page = await call(instance.url, "GET", "/api/emojis/categories/custom")
    assert [emoji["id"] for emoji in page.json["emojis"]] == wanted
    listed = await call(instance.url, "GET", "/api/emojis/categories")
    counts = {category["id"]: category["count"] for category in listed.json["categories"]}
    assert counts.get("custom", 0) == len(wanted)
