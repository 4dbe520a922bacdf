"""Clocks that are set: nobody is taken to be silent, and nobody to be there, because a time of day jumped."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from idling_ws import jobs
from idling_ws.jobs import Jobs
from idling_ws.store.postgres import Database
from idling_ws.store.sessions import SessionStore
from tests.support.clocks import MovableClock

HOUR = timedelta(hours=1)


@pytest.fixture
async def idler(database: Database) -> int:
    """Somebody whose session runs, last heard of four minutes ago by the database's clock."""
    rows = await database.run(
        "INSERT INTO users (name, name_key, created_at) VALUES ('Ida', 'ida', now()) RETURNING id"
    )
    user_id = int(rows[0][0])
    await database.run(
        "INSERT INTO sessions (id, user_id, activity, status, started_at, last_seen_at, version) "
        "VALUES ('s', %s, 'tea', 'active', now(), now() - interval '4 minutes', 1)",
        (user_id,),
    )
    return user_id


async def age_s(database: Database) -> float:
    """Return for how long nobody was heard of, as the database tells."""
    return float((await database.run("SELECT extract(epoch FROM now() - last_seen_at) FROM sessions"))[0][0])


@pytest.mark.parametrize("apart", [-HOUR, HOUR, timedelta()])
async def test_signs_of_life_count_by_the_clock_that_silence_is_measured_by(
    database: Database, idler: int, apart: timedelta
) -> None:
    """Whatever an instance believes the time to be: heard of ten seconds ago is ten seconds of silence."""
    store = SessionStore(database, stale_s=90)
    now: datetime = (await database.run("SELECT clock_timestamp()"))[0][0] + apart
    await store.touch({idler: now - timedelta(seconds=10)}, now)
    assert 9 <= await age_s(database) <= 60
    assert await store.silent(120, 10) == []


async def test_a_sign_of_life_is_never_of_tomorrow(database: Database, idler: int) -> None:
    """Noted before the clock was set back: it counts as of now."""
    store = SessionStore(database, stale_s=90)
    now: datetime = (await database.run("SELECT clock_timestamp()"))[0][0]
    await store.touch({idler: now}, now - HOUR)
    assert 0 <= await age_s(database) <= 60


async def test_nobody_is_taken_to_be_silent_while_a_clock_jumps(
    database: Database, idler: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database's or this machine's: for one silence's length everybody may speak again first."""
    clock = MovableClock()
    store = SessionStore(database, stale_s=90)
    ended: list[int] = []
    work = Jobs.__new__(Jobs)  # what it does about sessions needs few of its many parts
    work._settings = cast("Any", SimpleNamespace(session_timeout_s=120.0, stale_s=90.0))
    work._clock, work._database, work._sessions = cast("Any", clock), database, store
    work._look_every_s, work._answers_since, work._database_apart = 15.0, clock.monotonic(), None

    async def always(name: str, for_s: float) -> bool:
        return True

    async def nobody(user_ids: list[int], since: datetime) -> set[int]:
        return set()

    async def end(user_id: int, name: str, args: dict[str, Any]) -> bool:
        ended.append(user_id)
        return True

    work._leases = cast("Any", SimpleNamespace(take=always))
    work._presence = cast("Any", SimpleNamespace(heard_elsewhere=nobody))
    work._submit = end  # type: ignore[method-assign]  # what ending is, is not tested here
    apart = timedelta()

    async def database_time(_: Database) -> datetime:
        return clock.now() + apart

    monkeypatch.setattr(jobs, "database_time", database_time)
    assert await work.end_silent_sessions() == 0, "it has just begun"
    work.hold_off()
    clock.move(89)
    assert await work.end_silent_sessions() == 0, "a clock has just jumped"
    clock.move(2)
    apart = HOUR
    work._database_apart = clock.now().timestamp() - clock.monotonic()
    assert await work.end_silent_sessions() == 0, "the database's clock has jumped"
    clock.move(15)
    assert await work.end_silent_sessions() == 0
    clock.move(80)
    assert await work.end_silent_sessions() == 1
    assert ended == [idler]
