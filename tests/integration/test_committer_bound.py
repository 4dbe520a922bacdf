"""The line of mutations has an end: beyond it a change is refused at once, and nothing of it is consumed."""

from __future__ import annotations

import asyncio

import pytest

from idling_ws.domain.clock import SystemClock
from idling_ws.domain.errors import UnavailableError
from idling_ws.mutations import committer
from idling_ws.mutations.batch import Job
from idling_ws.mutations.table import MUTATIONS
from idling_ws.store.postgres import Database

FEW = 3


def job(number: int) -> Job:
    """Return a mutation of a user of its own, to be settled within a minute."""
    clock, loop = SystemClock(), asyncio.get_running_loop()
    return Job(
        user_id=number,
        mid=f"m-{number}",
        mutation=MUTATIONS["preferences.set"],
        args={"values": {}},
        args_hash=b"",
        if_version=None,
        source=None,
        actor="user",
        trace_id="",
        address=None,
        came_at=clock.monotonic(),
        deadline=clock.monotonic() + 60,
        done=loop.create_future(),
    )


async def test_one_mutation_too_many_is_refused_and_may_come_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody works them off here: the fourth is told when to ask again; as soon as there is room it is taken."""
    monkeypatch.setattr(committer, "MAX_WAITING", FEW)
    line = committer.Committer(database, SystemClock(), lambda emoji: None, lambda committed, changes: None)
    jobs = [job(number) for number in range(1, FEW + 1)]
    for one in jobs:
        line.submit(one)
    late = job(FEW + 1)
    with pytest.raises(UnavailableError) as refused:
        line.submit(late)
    assert refused.value.retry_after_ms == committer.BUSY_RETRY_MS
    assert (line.waiting, late.done.done()) == (FEW, False)
    await line.stop()
    assert [type(one.done.exception()) for one in jobs] == [UnavailableError] * FEW
    assert line.waiting == 0
    line.submit(late)
    assert line.waiting == 1
    await line.stop()
    assert late.done.exception() is not None
