"""The embedded Redis: on a private socket, every write in a file that is synced once a second.

It holds nothing that PostgreSQL does not hold too, except sign-ins of browsers, so a
file that cannot be read any more is put aside rather than keep the server down.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import signal
from pathlib import Path
from urllib.parse import quote

from idling_ws.embedded.binaries import find_redis
from idling_ws.embedded.child import Child
from idling_ws.embedded.errors import EmbeddedServersError, explained

log = logging.getLogger(__name__)

SOCKET = "redis.sock"
ANSWER_TIMEOUT_S = 1.0

# How Redis words it when its own file is what keeps it from starting.
_UNREADABLE = ("append only file", "AOF", "loading DB", "Wrong signature", "RDB")


def redis_url(sockets: Path) -> str:
    """Return the unix:// URL of database 0."""
    return f"unix://{quote(str(sockets / SOCKET))}?db=0"


class Redis(Child):
    """Redis on a unix socket, open to whoever may enter the socket's folder: us.

    Raises:
        EmbeddedServersError: there is no Redis on this machine.
    """

    name = "redis"
    gentle_signal = signal.SIGTERM

    def __init__(self, data_dir: Path, sockets: Path) -> None:
        super().__init__(data_dir, sockets)
        self._socket = sockets / SOCKET
        self._binary = find_redis()

    async def start(self) -> None:
        """Run it; with an empty folder, if what is in the folder cannot be read.

        Raises:
            EmbeddedServersError: no room or no permission.
        """
        try:
            await super().start()
        except EmbeddedServersError as error:
            if not any(words in str(error) for words in _UNREADABLE) or "No space left" in str(error):
                raise
            aside = self.folder.with_name("redis.unreadable")
            log.warning("redis cannot read its file; it starts empty, and the file is kept in %s: %s", aside, error)
            with explained("put the Redis data aside", self.folder):
                shutil.rmtree(aside, ignore_errors=True)
                self.folder.rename(aside)
                self.folder.mkdir(mode=0o700)
            await super().start()

    def command(self) -> list[str]:
        """Return the server and its settings."""
        return [
            *(str(self._binary), "--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"),
            *("--dir", str(self.folder), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            *("--loglevel", "warning", "--daemonize", "no"),
        ]

    async def is_ready(self) -> bool:
        """Ask it; while it still reads its file it answers LOADING."""
        with contextlib.suppress(OSError, TimeoutError):
            return await self.ask(b"PING") == b"+PONG\r\n"
        return False

    async def ask_to_end(self, process: asyncio.subprocess.Process) -> None:
        """Ask it to save and end (SHUTDOWN SAVE); by signal, if it does not listen."""
        try:
            refusal = await self.ask(b"SHUTDOWN", b"SAVE")
        except (OSError, TimeoutError):
            refusal = b"no answer"
        if refusal:
            process.send_signal(self.gentle_signal)

    def stale_files(self) -> list[Path]:
        """Return the socket of an earlier life."""
        return [self._socket]

    async def ask(self, *words: bytes) -> bytes:
        """Send one command over the socket and return the first line of the answer, empty if it hung up."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(str(self._socket))
            try:
                writer.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
                return await reader.readline()
            finally:
                writer.close()
