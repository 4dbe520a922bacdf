"""An S3 server of the tests' own, with credentials that mean nothing."""

from __future__ import annotations

import os
from typing import Self

from aiobotocore.session import get_session
from moto.server import ThreadedMotoServer

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


class BucketServer:
    """An S3 server on a free port of this machine; what it holds outlives ``stop`` until the process ends.

    While it is entered the environment has the credentials, for this process and those it starts.
    """

    def __init__(self) -> None:
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._before = {name: os.environ.get(name) for name in CREDENTIALS}
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens, after a restart as well."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen."""
        self._server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self._server.start()
        self.port = self._server.get_host_and_port()[1]

    def stop(self) -> None:
        """Listen no more: whoever connects is refused."""
        self._server.stop()

    def __enter__(self) -> Self:
        os.environ.update(CREDENTIALS)
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()
        for name, value in self._before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


# One for all: each reads the whole description of S3 anew.
_SESSION = get_session()


async def make_bucket(endpoint: str, name: str) -> str:
    """Return the URL of a new bucket."""
    async with _SESSION.create_client("s3", endpoint_url=endpoint, region_name="us-east-1") as client:
        await client.create_bucket(Bucket=name)
    return f"s3://{name}/some/prefix?endpoint={endpoint}&region=us-east-1"


async def objects(endpoint: str, name: str) -> list[str]:
    """Return the keys that a bucket holds."""
    async with _SESSION.create_client("s3", endpoint_url=endpoint, region_name="us-east-1") as client:
        listed = await client.list_objects_v2(Bucket=name)
    return [found["Key"] for found in listed.get("Contents", ())]
