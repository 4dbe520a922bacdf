"""Stands between a page and its sockets: a bad line, or a server of the test's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import WebSocketRoute


@dataclass
class SocketGate:
    """Stands between a page and its sockets: may refuse them, hold back what the server says, or let it come late.

    What the server itself has to tell of the topic ``mutes`` does not reach the page.
    """

    refuses: bool = False
    holds: bool = False
    mutes: str | None = None
    delay_s: float = 0.0
    opened: int = 0
    held: list[tuple[WebSocketRoute, str | bytes]] = field(default_factory=list)
    newest: WebSocketRoute | None = None

    async def serve(self, route: WebSocketRoute) -> None:
        """Take a socket that the page opens."""
        if self.refuses:
            await route.close(code=1011)
            return
        self.opened += 1
        self.newest = route
        server = route.connect_to_server()
        server.on_message(lambda message: self._pass(route, message))
        route.on_message(server.send)

    def _pass(self, route: WebSocketRoute, message: str | bytes) -> None:
        if self.mutes is not None:
            message = "\n".join(line for line in _lines(message) if json.loads(line).get("topic") != self.mutes)
        if self.holds:
            self.held.append((route, message))
        else:
            asyncio.get_running_loop().call_later(self.delay_s, route.send, message)

    def say(self, frame: Mapping[str, Any]) -> None:
        """Tell the page something in the server's place."""
        assert self.newest is not None
        self.newest.send(json.dumps(frame))

    def open(self) -> None:
        """Let pass what was held, and everything after it."""
        self.holds = False
        held, self.held = self.held, []
        for route, message in held:
            route.send(message)


def _lines(message: str | bytes) -> list[str]:
    return (message if isinstance(message, str) else message.decode()).splitlines()
