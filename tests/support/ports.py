"""Ports for the tests' own servers: each is given out once, so that a server that was stopped finds its port free."""

from __future__ import annotations

import contextlib
import os
import random
import socket

# Below the kernel's range for outgoing connections: a client that keeps dialling a stopped
# server could otherwise be given that very port as its own, connect to itself, and keep
# the server from coming back.
PORTS = range(20_000, 32_000)
_given: set[int] = set()


class NoPortError(RuntimeError):
    """Every port is taken."""


def free_port() -> int:
    """Return a loopback TCP port that nobody listens on now.

    Test processes that run side by side (pytest-xdist) take from different ones.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ports = [port for port in PORTS[worker % workers :: workers] if port not in _given]
    random.shuffle(ports)
    for port in ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port
    raise NoPortError(f"no free loopback port between {PORTS.start} and {PORTS.stop - 1}")
