"""A small idling.v1 server over ``memory_log``, with the faults that a client must survive.

Several instances can share one log, as real ones share a database. A test sets the
switches below; each is read at the moment it matters.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from tests.support.memory_log import EPOCH, JsonObject, UserLog, error

LIMITS = {"frame_bytes": 32768, "messages_per_s": 1000, "pending_mutations": 32}


@dataclass
class Switches:
    """What goes wrong, until a test switches it off again."""

    refuse_sockets: int = 0
    refuse_streams: int = 0
    # Per connection: entries (by seq) that are left out once, or sent twice.
    drop_seqs: set[int] = field(default_factory=set)
    repeat_seqs: set[int] = field(default_factory=set)
    unavailable: int = 0
    # Run the mutation, then cut the line instead of telling.
    cut_after_commit: int = 0
    void_cursors: bool = False
    token_expires_in_s: float | None = None
    tokens: dict[str, int] = field(default_factory=dict)


class MemoryServer:
    """One log, any number of instances of the doors to it."""

    def __init__(self) -> None:
        self.users: dict[int, UserLog] = {}
        self.switches = Switches()
        self.hellos: list[JsonObject] = []
        self.frames: list[JsonObject] = []
        self.seen = asyncio.Event()
        self._ids = itertools.count(1)
        self._servers: list[TestServer] = []

    async def start(self, instances: int = 1) -> list[str]:
        """Open the doors; return the base URLs."""
        for _ in range(instances):
            app = web.Application()
            app.router.add_get("/ws", self._socket)
            app.router.add_post("/auth/guest", self._guest)
            app.router.add_post("/api/mutations", self._mutations)
            app.router.add_get("/api/snapshot", self._snapshot)
            app.router.add_get("/api/events", self._events)
            server = TestServer(app)
            await server.start_server()
            self._servers.append(server)
        return [str(server.make_url("")).rstrip("/") for server in self._servers]

    async def close(self) -> None:
        """Close the doors."""
        for server in self._servers:
            await server.close()

    def new_user(self) -> tuple[int, str]:
        """Make an account; return its id and token."""
        user_id = next(self._ids)
        self.users[user_id] = UserLog(user_id)
        token = f"token-{user_id}"
        self.switches.tokens[token] = user_id
        return user_id, token

    def _user(self, request: web.Request) -> UserLog:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        user_id = self.switches.tokens.get(token)
        if user_id is None:
            raise web.HTTPUnauthorized(text=orjson.dumps(error("unauthenticated", "auth")).decode())
        return self.users[user_id]

    # --- REST -----------------------------------------------------------------------------

    async def _guest(self, _request: web.Request) -> web.Response:
        user_id, token = self.new_user()
        return _json({"user": {"id": user_id}, "access_token": token, "expires_in_s": 900}, 201)

    async def _mutations(self, request: web.Request) -> web.Response:
        user = self._user(request)
        answers: list[JsonObject] = []
        stopped = False
        for wire in orjson.loads(await request.read())["mutations"]:
            if stopped:
                answers.append({"mid": wire["mid"], "status": "not_run"})
            elif self.switches.unavailable:
                self.switches.unavailable -= 1
                stopped = True
                refused = error("unavailable", "database", retryable=True)
                answers.append({"mid": wire["mid"], "status": "error", "error": refused})
            else:
                answers.append(user.mutate(wire))
        if self.switches.cut_after_commit and request.transport is not None:
            self.switches.cut_after_commit -= 1
            request.transport.abort()
        return _json({"verdicts": answers, "cursor": user.cursor})

    async def _snapshot(self, request: web.Request) -> web.Response:
        user = self._user(request)
        return _json({"state": user.state, "cursor": user.cursor})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        user = self._user(request)
        cursor = request.headers.get("Last-Event-ID") or request.query.get("cursor")
        if "text/event-stream" in request.headers.get("Accept", ""):
            if self.switches.refuse_streams:
                self.switches.refuse_streams -= 1
                raise web.HTTPBadGateway
            return await self._stream(request, user, cursor)
        after = self._position(user, cursor)
        if after is None:
            return _json(error("cursor_void", "validation"), 410)
        if len(user.entries) == after:
            try:
                async with asyncio.timeout(float(request.query["wait_s"])):
                    await user.changed.wait()
            except TimeoutError:
                return web.Response(status=204)
        entries = [orjson.loads(entry) for entry in user.entries[after:]]
        return _json({"entries": entries, "cursor": user.cursor})

    async def _stream(self, request: web.Request, user: UserLog, cursor: str | None) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        welcome, at = self._welcome(user, cursor)
        await response.write(b"event: welcome\ndata: " + orjson.dumps(welcome) + b"\n\n")
        while True:
            changed = user.changed
            for seq in range(at + 1, len(user.entries) + 1):
                event = f"event: entry\nid: {EPOCH}.{seq}.0\ndata: ".encode()
                for frame in self._faulty(user, seq):
                    await response.write(event + frame + b"\n\n")
                at = seq
            await changed.wait()

    # --- WebSocket ------------------------------------------------------------------------

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if self.switches.refuse_sockets:
            self.switches.refuse_sockets -= 1
            raise web.HTTPBadGateway
        ws = web.WebSocketResponse(protocols=("idling.v1",))
        await ws.prepare(request)
        hello = orjson.loads((await ws.receive_str()).split("\n")[0])
        self.hellos.append(hello)
        token = hello.get("token") or request.headers.get("Authorization", "").removeprefix("Bearer ")
        user_id = self.switches.tokens.get(token)
        if user_id is None:
            await ws.close(code=4001, message=b"invalid token")
            return ws
        user = self.users[user_id]
        welcome, at = self._welcome(user, hello.get("cursor"))
        await ws.send_str(orjson.dumps(welcome).decode())
        position = [at]
        follower = asyncio.create_task(self._follow(ws, user, position))
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    for line in message.data.split("\n"):
                        await self._on_frame(ws, user, orjson.loads(line), position)
        finally:
            follower.cancel()
        return ws

    async def _follow(self, ws: web.WebSocketResponse, user: UserLog, position: list[int]) -> None:
        while not ws.closed:
            changed = user.changed
            while position[0] < len(user.entries):
                position[0] += 1
                frames = self._faulty(user, position[0])
                if frames:
                    await ws.send_str(b"\n".join(frames).decode())
            await changed.wait()

    async def _on_frame(self, ws: web.WebSocketResponse, user: UserLog, frame: JsonObject, position: list[int]) -> None:
        self.frames.append(frame)
        self.seen.set()
        self.seen = asyncio.Event()
        if frame["type"] == "resume":
            position[0] = self._position(user, frame["cursor"]) or 0
            user.changed.set()
            user.changed = asyncio.Event()
        if frame["type"] != "mutate":
            return
        if self.switches.unavailable:
            self.switches.unavailable -= 1
            refused = error("unavailable", "database", retryable=True)
            await ws.send_str(orjson.dumps({"type": "error", "mid": frame["mid"], "error": refused}).decode())
            return
        if self.switches.cut_after_commit:
            self.switches.cut_after_commit -= 1
            # Before the commit, so that nothing of it can go out on this line.
            _abort(ws)
            user.mutate(frame)
            return
        verdict = user.mutate(frame)
        if verdict.get("duplicate") or "seq" not in verdict:
            await ws.send_str(orjson.dumps({"type": "verdict", **verdict}).decode())

    # --- both ---------------------------------------------------------------------------

    def _position(self, user: UserLog, cursor: str | None) -> int | None:
        if cursor is None or self.switches.void_cursors:
            return None
        epoch, seq, _shared = cursor.split(".")
        return int(seq) if epoch == EPOCH and int(seq) <= len(user.entries) else None

    def _welcome(self, user: UserLog, cursor: str | None) -> tuple[JsonObject, int]:
        after = self._position(user, cursor)
        welcome: JsonObject = {
            "type": "welcome",
            "cursor": user.cursor,
            "resumed": after is not None,
            "user": {"id": user.user_id},
            "instance": "memory",
            "heartbeat_s": 25,
            "limits": LIMITS,
        }
        if self.switches.token_expires_in_s is not None:
            welcome["token_expires_in_s"] = self.switches.token_expires_in_s
        if after is None:
            welcome["state"] = user.state
            welcome["reason"] = "new" if cursor is None else "expired"
            return welcome, len(user.entries)
        return welcome, after

    def _faulty(self, user: UserLog, seq: int) -> list[bytes]:
        """Return the frames that really go out for this entry."""
        frame = user.entries[seq - 1]
        if seq in self.switches.drop_seqs:
            self.switches.drop_seqs.discard(seq)
            return []
        return [frame, frame] if seq in self.switches.repeat_seqs else [frame]


def _abort(ws: web.WebSocketResponse) -> None:
    transport: Any = ws.get_extra_info("socket")
    # The duplicate, because the loop keeps its own from being shut down.
    with transport.dup() as double:
        double.shutdown(2)


def _json(body: JsonObject, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
