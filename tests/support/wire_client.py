"""A client of the wire contract, written from the contract alone: it shares no code with the server.

``sign_in`` comes in, ``connect`` gives a device that said hello and applies what it hears,
``call`` makes one HTTP request. Below it lies ``raw_socket``.
"""

from __future__ import annotations

import asyncio
import copy
import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp
from yarl import URL

from tests.support.raw_socket import ClosedError, JsonObject, RefusedError, Wire, upgrade

__all__ = [
    "Answer",
    "ClosedError",
    "Device",
    "Login",
    "RefusedError",
    "call",
    "connect",
    "merge",
    "metric",
    "sign_in",
    "upgrade",
]

TRIES = 5


@dataclass(frozen=True, slots=True)
class Login:
    """A guest who signed in. ``cookie`` is the value of a Cookie header."""

    user_id: int
    name: str
    token: str
    refresh_token: str
    cookie: str


@dataclass(slots=True)
class Answer:
    """An HTTP response, read to its end."""

    status: int
    headers: Any
    body: bytes
    json: Any = field(init=False)

    def __post_init__(self) -> None:
        is_json = self.body and "json" in self.headers.get("Content-Type", "")
        self.json = json.loads(self.body) if is_json else None


async def call(
    base: str, method: str, path: str, *, token: str | None = None, json: Any = None, **options: Any
) -> Answer:
    """Make one HTTP request; ``path`` goes out as it stands.

    ``options`` are those of ``aiohttp.ClientSession.request``.
    """
    headers = dict(options.pop("headers", {}))
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    timeout = aiohttp.ClientTimeout(total=90)
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout) as session,
        session.request(method, URL(base + path, encoded=True), json=json, headers=headers, **options) as response,
    ):
        return Answer(response.status, response.headers, await response.read())


async def metric(base: str, name: str) -> float:
    """Return a number of ``/metrics``: the sum of all lines that begin with ``name``."""
    text = (await call(base, "GET", "/metrics")).body.decode()
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


async def sign_in(base: str, name: str | None = None) -> Login:
    """Come in as a new guest."""
    answer = await call(base, "POST", "/auth/guest", json={} if name is None else {"name": name})
    assert answer.status == 201, answer.body
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    body = answer.json
    return Login(body["user"]["id"], body["user"]["name"], body["access_token"], body["refresh_token"], cookie)


def merge(target: Any, patch: Any) -> Any:
    """Apply a JSON Merge Patch (RFC 7386, section 2)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


class Device(Wire):
    """A connection that said hello: keeps ``state`` and ``cursor`` by the rules of the contract."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self.welcome: JsonObject = {}
        self.state: JsonObject = {}
        self.epoch, self.user_seq, self.all_seq = "", 0, 0
        self.entries: list[JsonObject] = []
        self.repeats = 0
        self._verdicts: dict[str, JsonObject] = {}

    @property
    def cursor(self) -> str:
        """How far this device has applied both streams."""
        return f"{self.epoch}.{self.user_seq}.{self.all_seq}"

    def start_at(self, cursor: str) -> None:
        """Take a cursor over."""
        self.epoch, user_seq, all_seq = cursor.split(".")
        self.user_seq, self.all_seq = int(user_seq), int(all_seq)

    def took(self, message: JsonObject) -> None:
        """Apply entries: drop what is known, refuse gaps. Keep verdicts for whoever asks for them later."""
        if message["type"] == "entry":
            self._apply(message)
            for item in message["items"]:
                if item["kind"] == "verdict":
                    self._verdicts[item["mid"]] = {**item, "seq": message["seq"]}
        elif "mid" in message:
            verdict = message if message["type"] == "verdict" else {"status": "error", **message}
            self._verdicts[message["mid"]] = verdict

    def _apply(self, entry: JsonObject) -> None:
        mine = entry["stream"] == "user"
        last = self.user_seq if mine else self.all_seq
        if entry["seq"] <= last:
            self.repeats += 1
            return
        assert entry["seq"] == last + 1, f"a gap in {entry['stream']}: {last} then {entry['seq']}"
        if mine:
            self.user_seq = entry["seq"]
        else:
            self.all_seq = entry["seq"]
        self.entries.append(entry)
        for item in entry["items"]:
            if "patch" in item:
                self.state = merge(self.state, item["patch"])

    async def reach(self, cursor: str) -> JsonObject:
        """Read until both streams are applied as far as ``cursor``; return the state then."""
        _, user_seq, all_seq = cursor.split(".")
        while self.user_seq < int(user_seq) or self.all_seq < int(all_seq):
            await self.receive()
        return copy.deepcopy(self.state)

    def ask(self, name: str, args: JsonObject, *, mid: str | None = None, **more: Any) -> str:
        """Send a mutation without waiting; return its ``mid``."""
        mid = mid or f"m-{uuid4().hex}"
        self._verdicts.pop(mid, None)
        self.send({"type": "mutate", "mid": mid, "name": name, "args": args, **more})
        return mid

    async def verdict(self, mid: str) -> JsonObject:
        """Read until the verdict of ``mid``, from its entry or outside the stream. An ``error`` counts
        as one: ``{"status": "error", "error": …}``; it may overtake the entries of earlier ones.
        """
        while mid not in self._verdicts:
            await self.receive()
        return self._verdicts.pop(mid)

    async def mutate(self, name: str, args: JsonObject, **more: Any) -> JsonObject:
        """Send a mutation and return its verdict.

        What a busy machine could not do in time was not consumed: it is sent again, as by any client.
        """
        mid = more.pop("mid", None) or f"m-{uuid4().hex}"
        for _ in range(TRIES):
            verdict = await self.verdict(self.ask(name, args, mid=mid, **more))
            if verdict["status"] != "error" or verdict["error"]["code"] not in {"unavailable", "timeout"}:
                break
        return verdict


async def connect(base: str, token: str | None, cursor: str | None = None, **how: Any) -> Device:
    """Open a socket, say hello and wait for the welcome. Raises ``RefusedError``, ``ClosedError``."""
    state = how.pop("state", None)
    device: Device = await upgrade(base, Device, **how)
    hello: JsonObject = {"type": "hello", "client": {"id": uuid4().hex, "name": "wire-client", "version": "1"}}
    if token is not None:
        hello["token"] = token
    if cursor is not None:
        hello["cursor"] = cursor
    device.send(hello)
    device.welcome = await device.expect("welcome")
    if device.welcome["resumed"]:
        assert cursor is not None
        device.start_at(cursor)
        device.state = copy.deepcopy(state or {})
    else:
        device.start_at(device.welcome["cursor"])
        device.state = copy.deepcopy(device.welcome["state"])
    return device
