"""A bystander: somebody else, on both instances, whom nothing of what a test does may touch."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import psycopg2

from tests.support.instances import Instance
from tests.support.raw_socket import PING
from tests.support.wire_client import Device, connect, sign_in

# Of the audit trail what a mutation writes: somebody refused may well be on record. And nothing of what the server
# does by itself at any time: to end sessions that others left behind, or to note that a token was issued. That has no
# ``mid``.
_ROWS = """
SELECT (SELECT count(*) FROM entries WHERE mid IS NOT NULL),
    (SELECT coalesce(sum(seq), 0) FROM streams) - (SELECT count(*) FROM entries WHERE mid IS NULL),
    (SELECT count(*) FROM audit_log WHERE outcome IN ('confirmed', 'rolled_back') AND mid IS NOT NULL),
    (SELECT count(*) FROM sessions), (SELECT count(*) FROM shared_entries),
    (SELECT coalesce(sum(version), 0) FROM user_preferences), (SELECT coalesce(sum(version), 0) FROM users)"""


def stored(database_url: str) -> tuple[int, ...]:
    """Count everything that a mutation could have left in the database."""
    with contextlib.closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(_ROWS)
        row = cursor.fetchone()
    assert row is not None
    return tuple(int(number) for number in row)


@dataclass(slots=True)
class Bystander:
    """One device of one user on each instance."""

    devices: list[Device]
    instances: tuple[Instance, ...]
    pids: list[int]
    database_url: str

    def errors(self) -> list[str]:
        """Return every error that the instances have logged so far."""
        return [line for instance in self.instances for line in instance.logged('"level": "error"')]

    @contextlib.asynccontextmanager
    async def undisturbed(self) -> AsyncIterator[None]:
        """See that the block stores nothing, ends no process, logs no error and closes nobody else's socket."""
        before = stored(self.database_url)
        errors = self.errors()
        yield
        for device in self.devices:
            device.send_frame(PING, b"there?")
            await device.expect_pong(b"there?")
            device.control.clear()
        assert before == stored(self.database_url)
        assert self.pids == [instance.pid for instance in self.instances]
        assert self.errors() == errors


async def _keep_alive(devices: list[Device]) -> None:
    """Speak up now and then: who is silent for a minute is closed."""
    while True:
        for device in devices:
            device.send({"type": "heartbeat", "activity": "idle"})
        await asyncio.sleep(10)


@contextlib.asynccontextmanager
async def standing_by(instances: tuple[Instance, ...], database_url: str) -> AsyncIterator[Bystander]:
    """Let a bystander watch for the length of the block; at its end all its devices still hear each other."""
    login = await sign_in(instances[0].url)
    async with contextlib.AsyncExitStack() as stack:
        devices = [await stack.enter_async_context(await connect(one.url, login.token)) for one in instances]
        keeping_alive = asyncio.create_task(_keep_alive(devices))
        stack.callback(keeping_alive.cancel)
        yield Bystander(devices, instances, [instance.pid for instance in instances], database_url)
        verdict = await devices[0].mutate("profile.update", {"bio": "undisturbed"})
        assert verdict["status"] == "confirmed"
        for device in devices[1:]:
            # Entries of the server's own may have come before it; ``expect`` gives up in time.
            while await device.expect("entry") != devices[0].entries[-1]:
                continue
