"""FastAPI with broadcaster: one channel for everybody, one for each user, over Redis."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator

import orjson
import uvicorn
from broadcaster import Broadcast
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

broadcast = Broadcast(os.environ["REDIS_URL"])


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold the line to Redis."""
    async with broadcast:
        yield


app = FastAPI(lifespan=lifespan)


@app.websocket("/ws")
async def serve(socket: WebSocket, user: str) -> None:
    """Pass on what comes for this user and for all; answer each question."""
    await socket.accept()

    async def forward(channel: str, subscribed: asyncio.Event) -> None:
        async with broadcast.subscribe(channel) as subscriber:
            subscribed.set()
            async for event in subscriber:
                await socket.send_text(event.message)

    events = [asyncio.Event(), asyncio.Event()]
    channels = ("room", f"user.{user}")
    tasks = [asyncio.create_task(forward(*pair)) for pair in zip(channels, events, strict=True)]
    try:
        for event in events:
            await event.wait()
        await socket.send_text('{"type":"welcome"}')
        while True:
            question = orjson.loads(await socket.receive_text())
            await socket.send_text(orjson.dumps({"type": "error", "mid": question["mid"]}).decode())
    except WebSocketDisconnect:
        pass
    finally:
        for task in tasks:
            task.cancel()


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", log_level="warning")
