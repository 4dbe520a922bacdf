"""A process that runs the embedded servers, for tests that kill it or run it as somebody else.

    python -m tests.support.embedded_host DATA_DIR

Prints one JSON object a line: where the servers are and who they are, or the error;
ends in order on SIGINT, SIGTERM or when its standard input is closed. Standard
library only, so that it also runs where the environment's packages cannot be read.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from idling_ws.embedded import EmbeddedServers, EmbeddedServersError


async def run(data_dir: Path) -> int:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    loop.add_reader(sys.stdin, ended.set)
    servers = EmbeddedServers(data_dir)
    try:
        endpoints = await servers.start()
    except EmbeddedServersError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    pids = {"postgres_pid": servers.postgres_pid, "redis_pid": servers.redis_pid}
    print(json.dumps(asdict(endpoints) | pids), flush=True)
    await ended.wait()
    await servers.stop()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(run(Path(sys.argv[1]))))
