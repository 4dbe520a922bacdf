"""python-socketio under uvicorn: a room for everybody, one for each user, over its Redis manager."""

from __future__ import annotations

import os
import sys
from typing import Any
from urllib.parse import parse_qs

import socketio
import uvicorn

server = socketio.AsyncServer(
    async_mode="asgi", client_manager=socketio.AsyncRedisManager(os.environ["REDIS_URL"]), cors_allowed_origins="*"
)


@server.event
async def connect(sid: str, environ: dict[str, Any]) -> None:
    """Join both rooms; the answer to the connect itself is the welcome."""
    [user] = parse_qs(environ["QUERY_STRING"])["user"]
    await server.enter_room(sid, "room")
    await server.enter_room(sid, f"user.{user}")


@server.event
async def mutate(sid: str, question: dict[str, Any]) -> None:
    """Answer each question."""
    await server.emit("answer", {"type": "error", "mid": question["mid"]}, to=sid)


app = socketio.ASGIApp(server)
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", log_level="warning")
