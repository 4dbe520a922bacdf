"""The log: where every stream stands, and what came after a position.

Postgres is the truth; the Redis tail of a stream is a copy of its newest entries and
is believed only where it joins on without a gap.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from idling_ws.breakers import Breakers, LeftAloneError
from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import AuthError, JsonObject
from idling_ws.domain.ids import ALL
from idling_ws.domain.profiles import Profile
from idling_ws.store.facts import FACTS, STATE_FACTS, Facts, read_facts, render_state
from idling_ws.store.postgres import Database
from idling_ws.store.redis import Failures, Keys, Redis
from idling_ws.store.shared_reads import SharedReads


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """One entry as it is stored."""

    seq: int
    frame: bytes
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where a user's streams stand, and whose they are, from one database snapshot."""

    epoch: str
    user_seq: int
    all_seq: int
    profile: Profile
    suspended_until: datetime | None
    login_is_alive: bool
    state: JsonObject | None = None


_HEADS = """
SELECT (SELECT epoch FROM log_epoch), s.seq, (SELECT a.seq FROM streams a WHERE a.user_id = 0),
    {alive}{facts}
FROM (SELECT %s::bigint AS user_id, '{{}}'::json AS keys) r JOIN streams s ON s.user_id = r.user_id"""

# Of several logins at once: which of them are alive.
_ALIVE = """ARRAY(SELECT l.id FROM logins l
    WHERE l.id = ANY(%s) AND l.user_id = r.user_id AND l.revoked_at IS NULL)"""
_ONE_ALIVE = "EXISTS (SELECT FROM logins l WHERE l.id = %s AND l.user_id = r.user_id AND l.revoked_at IS NULL)"
_POSITION = _HEADS.format(alive=_ONE_ALIVE, facts=", " + FACTS["profile"])
_PROFILE = "SELECT {fact} FROM (SELECT %s::bigint AS user_id) r".format(fact=FACTS["profile"])
_SNAPSHOT = _HEADS.format(alive=_ALIVE, facts="".join(f", {FACTS[name]}" for name in STATE_FACTS))


class StreamLog:
    """Reads of the log."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._snapshots = SharedReads(self._read_snapshot)

    @property
    def snapshots_shared(self) -> int:
        """How often somebody shared a snapshot with others instead of reading one alone."""
        return self._snapshots.shared

    async def epoch(self) -> str:
        """Return the name of the log's life."""
        return str((await self._database.run("SELECT epoch FROM log_epoch"))[0][0])

    async def position(self, user_id: int, login_id: str | None = None) -> Position:
        """Return the heads of a user's streams. Raises ``AuthError`` when there is no such user."""
        rows = await self._database.run(_POSITION, (login_id, user_id))
        return self._read(rows, ("profile",), with_state=False)

    async def snapshot(self, user_id: int, login_id: str | None = None) -> Position:
        """Return state and heads as one statement saw them, after this was called. Raises ``AuthError``.

        It may be shared: its state must not be changed.
        """
        position, alive = await self._snapshots.read(user_id, login_id)
        return replace(position, login_is_alive=login_id in alive)

    async def _read_snapshot(
        self, user_id: int, login_ids: frozenset[str | None]
    ) -> tuple[Position, frozenset[str | None]]:
        asked = [login_id for login_id in login_ids if login_id is not None]
        rows = await self._database.run(_SNAPSHOT, (asked, user_id))
        position = self._read(rows, STATE_FACTS, with_state=True)
        return position, frozenset(rows[0][3])

    @staticmethod
    def _read(rows: list[tuple[Any, ...]], names: tuple[str, ...], *, with_state: bool) -> Position:
        if not rows or rows[0][4] is None:
            raise AuthError
        epoch, user_seq, all_seq, login_is_alive, *columns = rows[0]
        facts = read_facts(names, tuple(columns))
        until = facts["profile"]["suspended_until"]
        return Position(
            epoch,
            user_seq,
            all_seq,
            Profile.from_row(facts["profile"]),
            datetime.fromisoformat(until) if until else None,
            login_is_alive,
            render_state(facts) if with_state else None,
        )

    async def part(self, user_id: int, *names: str) -> tuple[Position, Facts]:
        """Return some facts of a user and the heads at which they hold. Raises ``AuthError``."""
        wanted = ("profile", *[name for name in names if name != "profile"])
        rows = await self._database.run(
            _HEADS.format(alive=_ONE_ALIVE, facts="".join(f", {FACTS[name]}" for name in wanted)), (None, user_id)
        )
        position = self._read(rows, wanted, with_state=False)
        return position, read_facts(wanted, tuple(rows[0][4:]))

    async def profile(self, user_id: int) -> Profile | None:
        """Return who a user is, or None."""
        rows = await self._database.run(_PROFILE, (user_id,))
        row = read_facts(("profile",), rows[0])["profile"]
        return None if row is None else Profile.from_row(row)

    async def heads(self, user_ids: list[int]) -> list[tuple[int, int]]:
        """Return ``(user_id, seq)`` of these streams."""
        return [
            (row[0], row[1])
            for row in await self._database.run("SELECT user_id, seq FROM streams WHERE user_id = ANY(%s)", (user_ids,))
        ]

    async def after(self, user_id: int, seq: int, limit: int) -> list[LoggedEntry]:
        """Return up to ``limit`` entries of a stream behind ``seq``, in order."""
        if user_id == ALL:
            rows = await self._database.run(
                "SELECT seq, frame, at FROM shared_entries WHERE seq > %s ORDER BY seq LIMIT %s", (seq, limit)
            )
        else:
            rows = await self._database.run(
                "SELECT seq, frame, at FROM entries WHERE user_id = %s AND seq > %s ORDER BY seq LIMIT %s",
                (user_id, seq, limit),
            )
        return [LoggedEntry(row[0], row[1].encode(), row[2]) for row in rows]


class Tails:
    """The newest entries of each stream in Redis, as a Redis stream whose ids are the ``seq``."""

    LENGTH = 128
    EXPIRY_S = 900
    # A copy is worth a short wait; once it did not come, Postgres is asked straight away for a while.
    PATIENCE_S = 0.25
    SHUN_S = 2.0

    def __init__(self, redis: Redis, keys: Keys, clock: Clock, breakers: Breakers | None = None) -> None:
        self._redis = redis
        self._keys = keys
        self._breaker = (breakers or Breakers(clock)).named("redis:tails", failures=1, rest_s=self.SHUN_S)

    async def after(self, user_id: int, seq: int) -> list[LoggedEntry]:
        """Return entries behind ``seq`` without a gap from ``seq + 1`` on; nothing if that fails."""
        first = f"{seq + 1}-0"
        try:
            with self._breaker.guard(*Failures):
                async with asyncio.timeout(self.PATIENCE_S):
                    found: Any = await self._redis.xrange(self._keys.tail(user_id), min=first, count=self.LENGTH)
        except (LeftAloneError, *Failures):
            return []
        entries: list[LoggedEntry] = []
        for entry_id, fields in found:
            if int(entry_id.split(b"-")[0]) != seq + len(entries) + 1:
                break
            entries.append(LoggedEntry(seq + len(entries) + 1, fields[b"f"]))
        return entries

    def append_command(self, user_id: int, seq: int, frame: bytes) -> tuple[bytes | int | str, ...]:
        """Return the command that appends one entry. Redis refuses it when a later one is there."""
        return ("XADD", self._keys.tail(user_id), "MAXLEN", "~", self.LENGTH, f"{seq}-0", "f", frame)

    def expire_command(self, user_id: int) -> tuple[bytes | int | str, ...]:
        """Return the command that lets a quiet tail go."""
        return ("EXPIRE", self._keys.tail(user_id), self.EXPIRY_S)
