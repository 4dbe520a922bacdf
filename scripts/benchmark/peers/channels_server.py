"""Django Channels under uvicorn, its groups over channels-redis' pub/sub layer."""

from __future__ import annotations

import os
import secrets
import sys
from typing import Any
from urllib.parse import parse_qs

import django
import orjson
import uvicorn
from django.conf import settings

settings.configure(
    SECRET_KEY=secrets.token_hex(),
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
        }
    },
)
django.setup()

# Channels reads the settings as it is imported.
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402 -- as said above
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402 -- as said above
from django.urls import path  # noqa: E402 -- as said above


class Consumer(AsyncWebsocketConsumer):
    """One connection: in the group of all, and in that of its user."""

    async def connect(self) -> None:
        """Join, then say so."""
        [user] = parse_qs(self.scope["query_string"].decode())["user"]
        await self.channel_layer.group_add("room", self.channel_name)
        await self.channel_layer.group_add(f"user.{user}", self.channel_name)
        await self.accept()
        await self.send(text_data='{"type":"welcome"}')

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Answer each question."""
        question = orjson.loads(text_data or "")
        await self.send(text_data=orjson.dumps({"type": "error", "mid": question["mid"]}).decode())

    async def entry(self, event: dict[str, Any]) -> None:
        """Pass on what comes for a group."""
        await self.send(text_data=event["text"])


app = ProtocolTypeRouter({"websocket": URLRouter([path("ws", Consumer.as_asgi())])})
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", log_level="warning")
