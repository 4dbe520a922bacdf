"""Instances of the product as a test may have them: real processes, killed and frozen by their pid.

Several over one PostgreSQL and one Redis are one deployment: they share the secret and
the public URL, so that a token of one is good at all of them.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg2

from tests.support.servers import EXIT_TIMEOUT_S, Server, ServerStartError

SECRET_KEY = "one-secret-for-all-instances-of-a-test-deployment"
# It answers within two seconds by itself; the rest is what a busy machine adds.
READY_TIMEOUT_S = 30.0

# What a test would otherwise run into first; whoever tests a limit sets it.
_ROOMY = {"HTTP_RATE_PER_MIN": "1000000", "LOG_FORMAT": "json", "GUEST_LOGIN": "true", "MAX_LAG_MS": "60000"}


class Instance(Server):
    """One ``idling-ws serve``. ``settings`` are named without ``IDLING_``: ``HEARTBEAT_S="1"``.

    It is ready once it answers 200 on ``/readyz``, and (unless ``needs_redis`` is False) hears Redis.
    """

    def __init__(self, database_url: str, redis_url: str, *, needs_redis: bool = True, **settings: Any) -> None:
        super().__init__()
        self.needs_redis = needs_redis
        self.settings: dict[str, str] = {
            **_ROOMY,
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "SECRET_KEY": SECRET_KEY,
            "DATA_DIR": str(self.folder),
            **{name: str(value) for name, value in settings.items()},
        }

    @property
    def url(self) -> str:
        """Where it serves: ``http://127.0.0.1:port``."""
        return f"http://127.0.0.1:{self.port}"

    def terminate(self) -> int:
        """Send SIGTERM, wait for the end and return the exit status."""
        process = self._running()
        process.terminate()
        status = process.wait(EXIT_TIMEOUT_S)
        self._process = None
        return status

    def readiness(self) -> tuple[int, dict[str, Any]]:
        """Ask ``/readyz``. Raises ``OSError`` when nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=READY_TIMEOUT_S)
        try:
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def said_of(self, part: str) -> str:
        """Return what ``/readyz`` says of a part, or of the whole (``status``); nothing while it does not answer."""
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            _, body = self.readiness()
            return str(body["status"] if part == "status" else body["parts"].get(part, ""))
        return ""

    def logged(self, event: str = "") -> list[str]:
        """Return the lines of its log that hold ``event``."""
        return [line for line in self.log_path.read_text(errors="replace").splitlines() if event in line]

    def run(self, *words: str) -> None:
        """Run ``idling-ws`` with these words and the instance's own settings. Raises ``CalledProcessError``."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("IDLING_")}
        environ |= {f"IDLING_{name}": value for name, value in self.settings.items()}
        subprocess.run([sys.executable, "-m", "idling_ws", *words], env=environ, check=True, capture_output=True)

    def _command(self) -> list[str]:
        words = ["env"]
        for name in os.environ:
            if name.startswith("IDLING_"):
                words += ["-u", name]
        words += [f"IDLING_{name}={value}" for name, value in self.settings.items()]
        words += [sys.executable, "-m", "idling_ws", "serve", "--no-migrate", "--port", str(self.port)]
        setpriv = shutil.which("setpriv")
        return [setpriv, "--pdeathsig", "KILL", "--", *words] if setpriv is not None else words

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            status, body = self.readiness()
            return status == 200 and (body["status"] == "ready" or not self.needs_redis)
        return False

    def _shutdown_signal(self) -> signal.Signals:
        return signal.SIGTERM


@contextlib.contextmanager
def running_instances(
    database_url: str, redis_url: str | Sequence[str], count: int = 2, **settings: Any
) -> Iterator[list[Instance]]:
    """Run ``count`` instances of one deployment, all ready, for the length of the block.

    Each accepts the origins of all; the public URL is that of the first. With several Redis URLs,
    all of one Redis, there is an instance for each.
    """
    redis_urls = [redis_url] * count if isinstance(redis_url, str) else redis_url
    instances = [Instance(database_url, url, **settings) for url in redis_urls]
    origins = ",".join(instance.url for instance in instances)
    for instance in instances:
        instance.settings.setdefault("PUBLIC_URL", instances[0].url)
        instance.settings.setdefault("ALLOWED_ORIGINS", origins)
    try:
        with ThreadPoolExecutor(len(instances)) as starters:
            list(starters.map(Instance.start, instances))
        yield instances
    finally:
        for instance in instances:
            with contextlib.suppress(ServerStartError, ProcessLookupError):
                instance.close()


def give_own_epoch(database_url: str) -> None:
    """Name this copy's log anew: copies of one template would else share their channels in Redis."""
    with contextlib.closing(psycopg2.connect(database_url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("UPDATE log_epoch SET epoch = substr(md5(random()::text), 1, 8)")
