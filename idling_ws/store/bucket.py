"""Files in an S3 bucket, or in what speaks its language (MinIO, R2, Ceph …).

Amazon's client keeps its credentials to itself: environment, profile or the machine's
role, as its own documentation says. None of them stands in our URL.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from idling_ws.domain.errors import UnavailableError
from idling_ws.store.files import SUFFIXES, Digest, StoredFile, digest_of, is_digest, verified

DEADLINE_S = 10.0
"""For one call, repeats by the client included."""

CONNECTIONS = 20

_MISSING = {"404", "NoSuchKey", "NotFound"}


class BucketFiles:
    """Files as objects ``prefix/ab/abcd…``; the client is made with the first call."""

    def __init__(
        self, bucket: str, prefix: str = "", *, endpoint: str | None = None, region: str | None = None
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._options = {"endpoint_url": endpoint, "region_name": region}
        self._held = AsyncExitStack()
        self._making = asyncio.Lock()
        self._made: Any = None

    @classmethod
    def from_url(cls, url: str) -> BucketFiles:
        """The bucket that ``url`` names. Raises ValueError when it names none, or with credentials in it."""
        parts = urlsplit(url)
        query = parse_qs(parts.query, strict_parsing=bool(parts.query))
        if not parts.hostname or "@" in parts.netloc or set(query) - {"endpoint", "region"}:
            raise ValueError("a bucket is s3://bucket/prefix?endpoint=…&region=…, without credentials")
        endpoint, region = (query.get(name, [None])[0] for name in ("endpoint", "region"))
        return cls(parts.netloc, parts.path, endpoint=endpoint, region=region)

    async def put(self, content: bytes, media_type: str) -> Digest:
        """See ``FileStore``."""
        if media_type not in SUFFIXES:
            raise ValueError(f"files of type {media_type} are not stored")
        digest = digest_of(content)
        async with self._client() as client:
            await client.put_object(
                Bucket=self._bucket,
                Key=self._key(digest),
                Body=content,
                ContentType=media_type,
                CacheControl="public, max-age=31536000, immutable",
                # The bucket checks it, so what broke on the way is not stored.
                ChecksumSHA256=base64.b64encode(bytes.fromhex(digest)).decode(),
            )
        return digest

    async def get(self, digest: str) -> StoredFile | None:
        """See ``FileStore``."""
        if not is_digest(digest):
            return None
        try:
            async with self._client() as client:
                answer = await client.get_object(Bucket=self._bucket, Key=self._key(digest))
                async with answer["Body"] as body:
                    content = await body.read()
        except FileNotFoundError:
            return None
        return verified(digest, content, answer["ContentType"])

    async def exists(self, digest: str) -> bool:
        """See ``FileStore``."""
        if not is_digest(digest):
            return False
        try:
            async with self._client() as client:
                await client.head_object(Bucket=self._bucket, Key=self._key(digest))
        except FileNotFoundError:
            return False
        return True

    async def delete(self, digest: str) -> None:
        """See ``FileStore``."""
        if is_digest(digest):
            async with self._client() as client:
                await client.delete_object(Bucket=self._bucket, Key=self._key(digest))

    async def close(self) -> None:
        """See ``FileStore``."""
        self._made = None
        await self._held.aclose()

    def _key(self, digest: str) -> str:
        return f"{self._prefix}{digest[:2]}/{digest}"

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Any]:
        """The client for one call. What fails in it becomes FileNotFoundError or UnavailableError."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                yield await self._make_client()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _MISSING:
                raise FileNotFoundError from error
            raise UnavailableError from error
        except (BotoCoreError, OSError, TimeoutError) as error:
            raise UnavailableError from error

    async def _make_client(self) -> Any:
        async with self._making:
            if self._made is None:
                config = AioConfig(
                    connect_timeout=3,
                    read_timeout=5,
                    retries={"max_attempts": 2, "mode": "standard"},
                    max_pool_connections=CONNECTIONS,
                )
                options = {name: value for name, value in self._options.items() if value}
                client = get_session().create_client("s3", config=config, **options)
                self._made = await self._held.enter_async_context(client)
            return self._made
