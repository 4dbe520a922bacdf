"""A crowd of devices that stay: each follows its user's streams over every break, and asks until it has a verdict.

They keep the client's side of the contract and write down the very lines that they were
sent, so that a test can hold them against what the database says.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

import psycopg2

from tests.support.instances import Instance
from tests.support.raw_socket import ClosedError, JsonObject, RefusedError, Wire, upgrade
from tests.support.wire_client import merge

FULL_SIZE = os.environ.get("IDLING_TEST_FULL_SIZE") == "1"
Size = TypeVar("Size")
RETRY_S = 0.2
TOO_LONG_S = 90.0


def sized(small: Size, full: Size) -> Size:
    """Return how much of something: small, or all of it where ``IDLING_TEST_FULL_SIZE=1`` asks for it."""
    return full if FULL_SIZE else small


@dataclass(frozen=True, slots=True)
class Guest:
    """A user with a token."""

    user_id: int
    token: str


def issue_guests(instance: Instance, count: int) -> list[Guest]:
    """Make so many guests with the product's own command."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IDLING_")}
    environment |= {f"IDLING_{name}": value for name, value in instance.settings.items()}
    words = [sys.executable, "-m", "idling_ws", "token", "issue", "--guests", str(count), "--ttl", "3600"]
    said = subprocess.run(words, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = [json.loads(line) for line in said.splitlines()]
    return [Guest(line["user_id"], line["access_token"]) for line in lines]


class _Link(Wire):
    """One connection of a device."""

    owner: Roamer

    def parse(self, line: str) -> JsonObject:
        message: JsonObject = json.loads(line)
        if message["type"] == "entry":
            self.owner.take(message, line)
        return message


class Roamer:
    """A device that comes back. ``lines`` are the entries as they came; ``answers`` what was said of each ``mid``."""

    def __init__(self, guest: Guest, bases: Sequence[str], *, seed: int = 0) -> None:
        self.guest = guest
        self.bases = list(bases)
        self.state: JsonObject = {}
        self.epoch, self.user_seq, self.all_seq = "", 0, 0
        self.began_at = (0, 0)
        self.lines: dict[tuple[str, int], str] = {}
        self.took_at: dict[tuple[str, int], float] = {}
        self.repeats = 0
        self.gaps: list[str] = []
        self.fresh_starts: list[str] = []
        self.closes: list[int] = []
        self.goodbyes: list[JsonObject] = []
        self.notices: list[tuple[float, JsonObject]] = []
        self.verdicts: dict[str, JsonObject] = {}
        self.refused: list[tuple[str, str, float]] = []
        self.welcomes = 0
        self.resumes_asked = 0
        self.link: _Link | None = None
        self.is_away = False
        self.topics: list[str] = []
        self._pending: dict[str, tuple[JsonObject, float]] = {}
        self._behind_since: tuple[float, str] | None = None
        self._random = random.Random(seed)
        self._news = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    @property
    def cursor(self) -> str:
        """How far this device has applied both streams."""
        return f"{self.epoch}.{self.user_seq}.{self.all_seq}"

    async def start(self) -> Roamer:
        """Connect, and stay; returns once welcomed."""
        self._task = asyncio.create_task(self._stay())
        await self.until(lambda: self.welcomes > 0)
        return self

    async def stop(self) -> None:
        """Hang up for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self.link is not None:
            self.link.cut()

    def cut(self) -> None:
        """Lose the connection, as a broken network does."""
        if self.link is not None:
            self.link.cut()

    async def until(self, is_so: Any, timeout_s: float = TOO_LONG_S) -> None:
        """Wait until something is so, looking again whenever this device hears anything."""
        try:
            async with asyncio.timeout(timeout_s), self._news:
                await self._news.wait_for(lambda: self._failure is not None or is_so())
        except TimeoutError:
            raise AssertionError(f"it never came: {self!r}") from None
        if self._failure is not None:
            raise self._failure

    async def reach(self, user_seq: int, all_seq: int = 0, timeout_s: float = TOO_LONG_S) -> None:
        """Wait until both streams are applied as far as this."""
        await self.until(lambda: self.user_seq >= user_seq and self.all_seq >= all_seq, timeout_s)

    def ask(self, name: str, args: JsonObject, mid: str | None = None) -> str:
        """Ask for a change, again and again until there is a verdict; return its ``mid``."""
        mid = mid or uuid4().hex
        message = {"type": "mutate", "mid": mid, "name": name, "args": args}
        self._pending[mid] = (message, time.monotonic())
        if self.link is not None:
            self.link.send(message)
        return mid

    async def verdict(self, mid: str, timeout_s: float = TOO_LONG_S) -> JsonObject:
        """Wait for the verdict of ``mid``."""
        await self.until(lambda: mid in self.verdicts, timeout_s)
        return self.verdicts[mid]

    def take(self, message: JsonObject, line: str) -> None:
        """Apply an entry, or drop it when it is known."""
        mine = message["stream"] == "user"
        last, seq = self.user_seq if mine else self.all_seq, message["seq"]
        if seq <= last:
            self.repeats += 1
            if self.lines.get((message["stream"], seq), line) != line:
                self.gaps.append(f"{message['stream']} {seq} came twice and differs")
            return
        if seq != last + 1:
            self.gaps.append(f"{message['stream']} {last} then {seq}")
            return
        if mine:
            self.user_seq = seq
        else:
            self.all_seq = seq
        self.lines[message["stream"], seq] = line
        self.took_at[message["stream"], seq] = time.monotonic()
        for item in message["items"]:
            if item["kind"] == "verdict":
                self._settle(item["mid"], {**item, "seq": seq})
            elif "patch" in item:
                self.state = merge(self.state, item["patch"])

    def _settle(self, mid: str, verdict: JsonObject) -> None:
        self._pending.pop(mid, None)
        self.verdicts.setdefault(mid, verdict)

    async def _stay(self) -> None:
        try:
            await self._come_back()
        except Exception as failure:  # noqa: BLE001 -- raised where somebody waits for this device
            self._failure = failure
            await self._tell()

    async def _come_back(self) -> None:
        while True:
            with contextlib.suppress(OSError, RefusedError, ClosedError, TimeoutError, asyncio.IncompleteReadError):
                await self._connect()
            if self.link is not None:
                self.closes.append(self.link.closed.code if self.link.closed is not None else 1006)
                self.link.cut()
                self.link = None
            await self._tell()
            while True:
                await asyncio.sleep(self._random.uniform(RETRY_S / 2, RETRY_S))
                if not self.is_away:
                    break

    async def _connect(self) -> None:
        link: _Link = await upgrade(self._random.choice(self.bases), _Link)
        link.owner = self
        hello: JsonObject = {"type": "hello", "client": {"id": "roamer"}, "token": self.guest.token}
        if self.welcomes:
            hello["cursor"] = self.cursor
        link.send(hello)
        try:
            welcome = await link.expect("welcome")
            self._begin(welcome)
            self.link = link
            link.send(*[{"type": "subscribe", "topic": topic} for topic in self.topics])
            for message, _ in list(self._pending.values()):
                link.send(message)
            await self._tell()
            while True:
                await self._hear(link, await self._next(link))
                await self._tell()
        finally:
            if self.link is not link:
                link.cut()

    async def _next(self, link: _Link) -> JsonObject:
        while not link.inbox:
            if link.closed is not None:
                raise link.closed
            await link._read_frame()
        return link.inbox.popleft()

    def _begin(self, welcome: JsonObject) -> None:
        if not welcome["resumed"]:
            self.epoch, user_seq, all_seq = welcome["cursor"].split(".")
            self.user_seq, self.all_seq = int(user_seq), int(all_seq)
            self.state = copy.deepcopy(welcome["state"])
            if self.welcomes:
                self.fresh_starts.append(welcome["reason"])
            else:
                self.began_at = (self.user_seq, self.all_seq)
        self.welcomes += 1

    async def _hear(self, link: _Link, message: JsonObject) -> None:
        kind = message["type"]
        if kind == "heartbeat":
            link.send({"type": "heartbeat"})
            self._compare(link, message["cursor"])
        elif kind == "bye":
            self.goodbyes.append(message)
        elif kind == "notice":
            self.notices.append((time.monotonic(), message["data"]))
        elif kind == "verdict":
            self._settle(message["mid"], message)
        elif kind == "error" and "mid" in message and message["mid"] in self._pending:
            asked, since = self._pending[message["mid"]]
            self.refused.append((message["mid"], message["error"]["code"], time.monotonic() - since))
            assert message["error"]["retryable"], message
            self._pending[message["mid"]] = (asked, time.monotonic())
            asyncio.get_running_loop().call_later(RETRY_S, self._ask_again, message["mid"])

    def _ask_again(self, mid: str) -> None:
        if self.link is not None and mid in self._pending:
            message, _ = self._pending[mid]
            self._pending[mid] = (message, time.monotonic())
            self.link.send(message)

    def _compare(self, link: _Link, head: str) -> None:
        """Ask for what is missing once a heartbeat's head has been ahead for a while."""
        _, user_seq, all_seq = head.split(".")
        if self.user_seq >= int(user_seq) and self.all_seq >= int(all_seq):
            self._behind_since = None
        elif self._behind_since is None or self._behind_since[1] != self.cursor:
            self._behind_since = (time.monotonic(), self.cursor)
        elif time.monotonic() - self._behind_since[0] > 5:
            self.resumes_asked += 1
            self._behind_since = None
            link.send({"type": "resume", "cursor": self.cursor})

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    def __repr__(self) -> str:
        return (
            f"<user {self.guest.user_id} at {self.cursor}, {self.repeats} repeats, gaps {self.gaps[:3]}, "
            f"closes {self.closes[-3:]}, pending {len(self._pending)}>"
        )


@contextlib.asynccontextmanager
async def gathered(devices: Iterable[Roamer]) -> AsyncIterator[list[Roamer]]:
    """Start devices, some at a time, and stop them all at the end."""
    listed = list(devices)
    slots = asyncio.Semaphore(25)

    async def start(device: Roamer) -> None:
        async with slots:
            await device.start()

    try:
        await asyncio.gather(*[start(device) for device in listed])
        yield listed
    finally:
        await asyncio.gather(*[device.stop() for device in listed])


def logged_entries(database_url: str) -> dict[int, dict[int, str]]:
    """Return every entry of the database: by user (0 is everybody), by ``seq``."""
    found: dict[int, dict[int, str]] = {}
    with contextlib.closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT user_id, seq, frame FROM entries UNION ALL SELECT 0, seq, frame FROM shared_entries")
        for user_id, seq, frame in cursor.fetchall():
            found.setdefault(user_id, {})[seq] = frame
    return found


def check_against_log(devices: Iterable[Roamer], database_url: str, *, repeats: bool = False) -> int:
    """Each device has exactly the entries of its streams since it began, byte for byte, in steps of one.

    Returns how many were compared. ``repeats``: some may have been sent again, and were dropped; so
    they may be to a device that asked for them.
    """
    logged = logged_entries(database_url)
    compared = 0
    for device in devices:
        assert device.gaps == [], device
        assert device.fresh_starts == [], device
        assert repeats or device.resumes_asked or not device.repeats, device
        for stream, user_id, began_at in (
            ("user", device.guest.user_id, device.began_at[0]),
            ("all", 0, device.began_at[1]),
        ):
            wanted = {seq: frame for seq, frame in logged.get(user_id, {}).items() if seq > began_at}
            taken = {seq: line for (name, seq), line in device.lines.items() if name == stream}
            assert wanted == taken, (device, stream, wanted.keys() ^ taken.keys())
            assert sorted(taken) == list(range(began_at + 1, began_at + 1 + len(taken)))
            compared += len(taken)
    return compared
