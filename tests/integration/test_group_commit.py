"""Group commit over a real PostgreSQL: what many in one transaction, or one that fails, must not do to anybody."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg2
import pytest

from idling_ws.domain.clock import SystemClock
from idling_ws.domain.errors import UnavailableError
from idling_ws.domain.rules import LobbyChange
from idling_ws.mutations.batch import Committed, Settled
from idling_ws.mutations.committer import Committer
from idling_ws.mutations.pipeline import Asker, Pipeline
from idling_ws.store.postgres import Database
from tests.support.rows import run_sql

PATIENCE_S = 45.0
USERS = range(1, 6)


class Place:
    """A committer of one instance, and what it told."""

    def __init__(self, database: Database, url: str) -> None:
        self.url = url
        self.told: list[tuple[int, int]] = []
        self.told_before_sender: list[bool] = []
        self.breaks = False
        self.asked: list[asyncio.Future[Settled]] = []
        self.committer = Committer(database, SystemClock(), lambda emoji: "1F44B", self.tell)
        self.pipeline = Pipeline(self.committer, SystemClock())

    def tell(self, committed: list[Committed], lobby: list[LobbyChange]) -> None:
        self.told += [(one.user_id, one.seq) for one in committed]
        self.told_before_sender.append(not any(one.done() for one in self.asked))
        if self.breaks:
            raise RuntimeError

    def ask(
        self, user_id: int, mid: str, name: str, args: dict[str, Any], source: str = "a"
    ) -> asyncio.Future[Settled]:
        """Ask for a change of a user, over the connection ``source``."""
        asker = Asker(user_id, frozenset({"member"}), source)
        asked = self.pipeline.submit(asker, mid, name, args, None, "trace")
        self.asked.append(asked)
        return asked

    def frames(self, user_id: int) -> list[dict[str, Any]]:
        """Return a user's entries."""
        sql = "SELECT frame FROM entries WHERE user_id = %s ORDER BY seq"
        return [json.loads(row[0]) for row in run_sql(self.url, sql, user_id)]

    def mids(self, user_id: int) -> list[str]:
        """Return whose verdicts a user's stream carries, in order."""
        return [item["mid"] for frame in self.frames(user_id) for item in frame["items"] if item["kind"] == "verdict"]

    async def until_somebody_waits(self) -> None:
        """Wait until a transaction waits for a lock of another."""
        sql = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted "
        async with asyncio.timeout(PATIENCE_S):
            while not run_sql(self.url, sql + "AND a.datname = current_database()")[0][0]:
                await asyncio.sleep(0.01)


@contextlib.contextmanager
def holding(url: str, sql: str, *params: object) -> Iterator[psycopg2.extensions.connection]:
    """Hold what a statement locks until the block is over, or its connection has committed."""
    with contextlib.closing(psycopg2.connect(url)) as connection:
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
        yield connection


@pytest.fixture
async def place(database: Database, migrated_url: str) -> AsyncIterator[Place]:
    """With five people; the first idles, in the session ``s1``."""
    for user_id in USERS:
        run_sql(migrated_url, "INSERT INTO streams (user_id) VALUES (%s)", user_id)
        run_sql(
            migrated_url, "INSERT INTO users (id, name, name_key) VALUES (%s, %s, %s)", user_id, *[f"Nr {user_id}"] * 2
        )
    run_sql(
        migrated_url,
        "INSERT INTO sessions (id, user_id, activity, status, started_at, last_seen_at) "
        "VALUES ('s1', 1, 'here', 'active', now(), now())",
    )
    made = Place(database, migrated_url)
    yield made
    await made.committer.stop()


async def ends(*asked: asyncio.Future[Settled]) -> list[str]:
    """Wait for changes to end; return each one's status, the code of its refusal, or the name of its error."""
    async with asyncio.timeout(PATIENCE_S):
        settled = await asyncio.gather(*asked, return_exceptions=True)
    words = []
    for one in settled:
        assert not isinstance(one, Settled) or one.verdict is not None
        words.append(
            (one.refusal or str((one.verdict or {})["status"])) if isinstance(one, Settled) else type(one).__name__
        )
    return words


async def test_who_writes_to_one_stream_at_once_sees_what_the_other_wrote(place: Place) -> None:
    """Facts are read once for a batch: of four who wave at the same one each counts the ones before."""
    asked = [place.ask(n, f"wave-{n}", "reaction.send", {"session": "s1", "emoji": "👋"}) for n in USERS[1:]]
    place.committer.start()
    assert await ends(*asked) == ["confirmed"] * 4
    patches = [item["patch"] for frame in place.frames(1) for item in frame["items"] if "patch" in item]
    assert [patch["notifications"]["unread_count"] for patch in patches] == [1, 2, 3, 4]


async def test_a_name_that_two_want_in_one_batch_is_one_of_theirs(place: Place) -> None:
    """What fails for one is the others' no fault: each is tried again alone, and the rule says why."""
    asked = [place.ask(n, f"name-{n}", "profile.update", {"name": "Ann"}) for n in (1, 2)]
    asked.append(place.ask(3, "bio-3", "profile.update", {"bio": "beside them"}))
    place.committer.start()
    assert await ends(*asked) == ["confirmed", "name_taken", "confirmed"]


async def test_a_name_that_another_instance_is_just_taking_is_taken(place: Place) -> None:
    """The rule cannot see it before the index says no; asked again, it can."""
    with holding(place.url, "UPDATE users SET name = 'Ann', name_key = 'ann' WHERE id = 5") as other:
        asked = place.ask(1, "name", "profile.update", {"name": "Ann"})
        place.committer.start()
        await place.until_somebody_waits()
        other.commit()
        assert await ends(asked) == ["name_taken"]


async def test_what_was_sent_after_a_failed_change_fails_with_it(place: Place) -> None:
    """On its connection only: it would otherwise take effect before the one that is sent again."""
    with holding(place.url, "SELECT FROM streams WHERE user_id = 1 FOR UPDATE") as other:
        first = place.ask(1, "one", "profile.update", {"bio": "one"})
        later = place.ask(1, "two", "profile.update", {"bio": "two"})
        elsewhere = place.ask(1, "three", "profile.update", {"bio": "three"}, source="b")
        place.committer.start()
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait([first])
        other.rollback()
        await ends(first, later, elsewhere)
        assert isinstance(first.exception(), UnavailableError)
        assert later.exception() is first.exception()
    assert set(place.mids(1)) <= {"three"}


async def test_changes_of_one_person_keep_their_order_whatever_each_has_to_look_up(place: Place) -> None:
    """The first of each two asks the database whom it concerns before it begins; the second need not."""
    asked, sent = [], []
    place.committer.start()
    for n in range(20):
        asked.append(place.ask(2, f"wave-{n}", "reaction.send", {"session": "s1", "emoji": "👋"}))
        asked.append(place.ask(2, f"bio-{n}", "profile.update", {"bio": str(n)}))
        sent += [f"wave-{n}", f"bio-{n}"]
    assert set(await ends(*asked)) == {"confirmed"}
    assert place.mids(2) == sent


async def test_what_is_committed_is_confirmed_though_telling_it_failed(place: Place) -> None:
    """Devices hear of it from the sweeper; an error would be a lie, and is not what a client may act upon."""
    place.breaks = True
    asked = place.ask(1, "bio", "profile.update", {"bio": "told"})
    place.committer.start()
    assert await ends(asked) == ["confirmed"]
    assert place.mids(1) == ["bio"]


async def test_an_entry_is_told_before_its_sender_hears(place: Place) -> None:
    """So nobody has a verdict whose effects their other devices are not about to get."""
    asked = [place.ask(n, f"bio-{n}", "profile.update", {"bio": "told"}) for n in USERS]
    place.committer.start()
    assert await ends(*asked) == ["confirmed"] * len(USERS)
    assert place.told_before_sender == [True]
    assert sorted(place.told) == [(n, 1) for n in USERS]


async def test_the_outbox_says_how_far_each_stream_is(place: Place) -> None:
    """Of several that nobody has announced yet the newest: else its row would be cleared with an earlier one's mark."""
    place.committer.start()
    for mid in ("one", "two"):
        assert await ends(place.ask(1, mid, "profile.update", {"bio": mid})) == ["confirmed"]
    assert await ends(place.ask(2, "wave", "reaction.send", {"session": "s1", "emoji": "👋"})) == ["confirmed"]
    assert run_sql(place.url, "SELECT user_id, seq FROM outbox ORDER BY 1") == [(1, 3), (2, 1)]


async def test_whoever_does_not_exist_is_told_so_and_harms_nobody(place: Place) -> None:
    """Somebody who was removed while their token lives, in a batch with others."""
    asked = [place.ask(n, f"bio-{n}", "profile.update", {"bio": "told"}) for n in (1, 99, 2)]
    place.committer.start()
    assert await ends(*asked) == ["confirmed", "InvalidError", "confirmed"]


async def test_the_end_of_the_process_leaves_nobody_waiting(place: Place) -> None:
    """Neither what runs, whose outcome is not known, nor what waits behind it."""
    with holding(place.url, "SELECT FROM streams WHERE user_id = 1 FOR UPDATE"):
        asked = [place.ask(1, mid, "profile.update", {"bio": mid}) for mid in ("one", "two")]
        place.committer.start()
        await place.until_somebody_waits()
        await place.committer.stop()
        assert await ends(*asked) == ["UnavailableError"] * 2
        assert place.committer.waiting == 0
