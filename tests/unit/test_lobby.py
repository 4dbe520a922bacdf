"""The lobby: one of those that are watched reads the room for all, and whatever is lost on the way is noticed."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idling_ws.delivery.lobby import PATIENCE_S, REFRESH_EVERY_TICKS
from idling_ws.delivery.lobby_board import is_later
from idling_ws.delivery.lobby_words import SAMPLE, Words
from idling_ws.domain.errors import UnavailableError
from idling_ws.store.sessions import SessionStore
from tests.support.lobby_world import ANN, FrailWorld, Room, Watcher, World, member


async def test_who_came_is_told_though_the_room_was_seen_with_them_before() -> None:
    """The database has it before the word of the instance where it happened is on the board."""
    world = World()
    await world.tick()
    for members, who in (([ANN], ANN), ([], None)):
        world.room.members = members
        for _ in range(REFRESH_EVERY_TICKS):
            await world.tick()
        await world.say(1, who)
        await world.tick()
    for watcher in world.watchers:
        assert watcher.told == [
            ([], [], []), ([ANN], [], []), ([ANN], [ANN], []), ([], [], []), ([], [], [1]),
        ]  # fmt: skip
    await world.tick()
    assert [len(watcher.notices) for watcher in world.watchers] == [5, 5]


async def test_who_came_and_left_is_not_forgotten_while_the_room_cannot_be_read() -> None:
    """What was to be told then is told when the database answers again; the latest word counts."""
    world = World()
    for who, joined, left in ((ANN, [ANN], []), (None, [], [1])):
        world.room.is_away = True
        await world.say(1, ANN)
        await world.tick()
        await world.say(1, who)
        world.room.is_away = False
        await world.tick()
        for watcher in world.watchers:
            assert watcher.told[-1][1:] == (joined, left)


async def test_one_reads_for_all_and_the_others_show_the_same_bytes() -> None:
    """However long it goes on, and whoever says what."""
    world = World()
    for user_id in range(1, 9):
        await world.change(user_id % 2, member(user_id), user_id)
        await world.tick()
    assert [lobby.reads for lobby in world.lobbies] == [8, 0]
    assert world.watchers[0].notices == world.watchers[1].notices
    assert len(world.watchers[0].notices) == 8


async def test_nothing_is_read_while_nothing_changes_but_now_and_then() -> None:
    """Somebody may have fallen silent: that is seen without a word."""
    world = World()
    for _ in range(1 + 3 * REFRESH_EVERY_TICKS):
        await world.tick()
    assert [lobby.reads for lobby in world.lobbies] == [4, 0]
    assert [len(watcher.notices) for watcher in world.watchers] == [1, 1]


async def test_nobody_reads_while_nobody_watches() -> None:
    """And whoever read for all leaves that to those that are watched."""
    world = World()
    await world.tick()
    world.lobbies[0].unwatch(world.watchers[0])
    for _ in range(3):
        await world.change(0, ANN)
        await world.tick()
    assert (world.wall.teller, [lobby.reads for lobby in world.lobbies]) == ("b", [1, 3])
    world.lobbies[1].unwatch(world.watchers[1])
    for _ in range(2 * REFRESH_EVERY_TICKS):
        await world.tick()
    assert (world.wall.teller, [lobby.reads for lobby in world.lobbies]) == ("", [1, 3])


async def test_a_first_watcher_sees_the_whole_room_and_nobody_reads_it_again() -> None:
    """By what was told last, at the next tick; those who know it already hear nothing."""
    world = World()
    world.lobbies[1].unwatch(world.watchers[1])
    await world.change(0, ANN)
    await world.tick()
    newcomers = [Watcher(), Watcher()]
    for lobby, newcomer in zip(world.lobbies, newcomers, strict=True):
        lobby.watch(newcomer)
    await world.tick()
    assert [newcomer.notices for newcomer in newcomers] == [world.watchers[0].notices] * 2
    assert [lobby.reads for lobby in world.lobbies] == [1, 0]
    assert len(world.watchers[0].notices) == 1


async def test_a_message_that_is_lost_is_made_good_at_the_next_tick() -> None:
    """It is seen by the number that is told now."""
    world = World()
    await world.tick()
    await world.change(0, ANN)
    await world.lobbies[0].tick()
    world.wall.messages.clear()
    assert world.watchers[1].told[-1][0] == []
    await world.lobbies[1].tick()
    assert world.watchers[1].told[-1] == ([ANN], [ANN], [])


async def test_a_message_that_comes_late_or_twice_is_not_shown() -> None:
    """Neither one that is known, nor an older one of the same teller; one of a former teller only until the tick."""
    world = World()
    await world.tick(hear=False)
    await world.change(0, ANN)
    await world.tick(hear=False)
    first, second = world.wall.messages
    for message in (second, first, second):
        world.lobbies[1].heard(message)
    assert [told[0] for told in world.watchers[1].told] == [[], [ANN]]
    _, _, framed = first.partition(b" ")
    world.lobbies[1].heard(b"former-7 " + framed)
    assert world.watchers[1].told[-1][0] == []
    await world.tick()
    assert world.watchers[1].told[-1][0] == [ANN]
    assert world.lobbies[1].reads == 0
    assert [is_later(b"x-10", known) for known in (b"x-9", b"x-10", b"y-11", None)] == [True, False, True, True]


@pytest.mark.parametrize("message", [b"", b"a-9", b"nonsense", b"a-x ", b'{"user":1}'])
async def test_what_cannot_be_read_does_no_harm(message: bytes) -> None:
    """From another version, say: on the channel, or among the words."""
    world = World()
    await world.tick()
    for lobby in world.lobbies:
        lobby.heard(message)
    world.wall.words += [message, Words().encode()]
    await world.change(0, ANN)
    await world.tick()
    assert [watcher.told[-1] for watcher in world.watchers] == [([ANN], [ANN], [])] * 2


async def test_without_the_board_each_reads_for_itself_and_goes_back_after() -> None:
    """Once a second at most; who came and went here is told here, and the rest seen now and then."""
    world = World()
    await world.tick()
    for board in world.boards:
        board.is_away = True
    before = [lobby.reads for lobby in world.lobbies]
    with pytest.raises(UnavailableError):
        await world.change(1, ANN)
    for ticks in range(1, 2 * REFRESH_EVERY_TICKS):
        await world.tick()
        assert ticks > 1 or [lobby.reads - had for lobby, had in zip(world.lobbies, before, strict=True)] == [1, 1]
        assert all(lobby.reads - had <= ticks for lobby, had in zip(world.lobbies, before, strict=True))
    assert world.watchers[1].told[-1] == ([ANN], [ANN], [])
    assert world.watchers[0].told[-1] == ([ANN], [], [])
    for board in world.boards:
        board.is_away = False
    await world.tick()
    before = [lobby.reads for lobby in world.lobbies]
    await world.change(1, None)
    await world.tick()
    assert [lobby.reads - had for lobby, had in zip(world.lobbies, before, strict=True)] == [1, 0]
    assert [watcher.told[-1] for watcher in world.watchers] == [([], [], [1])] * 2


async def test_a_board_that_fails_after_the_reading_costs_no_second_one() -> None:
    """What was read is shown here; the others see it once there is a board again."""
    world = World()
    await world.tick()
    await world.change(0, ANN)
    board, reads = world.boards[0], world.lobbies[0].reads
    words = board.words

    async def fail_after() -> list[bytes]:
        found = await words()
        board.is_away = True
        return found

    board.words = fail_after  # type: ignore[method-assign]  # it is away from then on
    await world.lobbies[0].tick()
    assert world.lobbies[0].reads == reads + 1
    assert world.watchers[0].told[-1] == ([ANN], [ANN], [])


async def test_who_cannot_read_the_room_lets_somebody_else_do_it() -> None:
    """The database may not answer this instance alone. The words are not lost over it."""
    world = World()
    await world.tick()
    away = Room()
    away.is_away = True
    world.lobbies[0]._sessions = cast("SessionStore", away)
    await world.change(0, ANN)
    await world.tick()
    assert world.wall.teller == "b"
    assert [watcher.told[-1] for watcher in world.watchers] == [([ANN], [ANN], [])] * 2


async def test_a_teller_that_tells_nothing_is_waited_for_and_not_for_ever() -> None:
    """As long as a first look may take; then each looks for itself."""
    world = World()
    world.wall.teller = "somebody who hangs"
    while world.clock.monotonic() <= 1000 + PATIENCE_S:
        await world.tick()
        assert [lobby.reads for lobby in world.lobbies] == [0, 0]
    await world.tick()
    assert [lobby.reads for lobby in world.lobbies] == [1, 1]
    assert [len(watcher.notices) for watcher in world.watchers] == [1, 1]


def test_words_are_a_sample_and_the_latest_counts() -> None:
    """Of the newest; what was said before something does not undo it."""
    words, later = Words(), Words()
    for user_id in range(3 * SAMPLE):
        words.note(user_id, member(user_id))
        words.note(1000 + user_id, None)
    assert [one["user"]["id"] for one in words.joined] == list(range(2 * SAMPLE, 3 * SAMPLE))
    assert words.left == list(range(1000 + 2 * SAMPLE, 1000 + 3 * SAMPLE))
    words = words.take().take()
    later.note(1000 + 3 * SAMPLE - 1, member(5, "Back"))
    later.note(3 * SAMPLE - 1, None)
    words.add(Words.decode(later.encode()))
    assert (words.joined[-1], words.left[-1]) == (member(5, "Back"), 3 * SAMPLE - 1)
    assert 3 * SAMPLE - 1 not in [one["user"]["id"] for one in words.joined]


EVENTS = [name for name in vars(FrailWorld) if not name.startswith("_")]


@given(st.lists(st.sampled_from(EVENTS), max_size=40))
async def test_whatever_is_lost_in_the_end_all_see_the_room(events: list[str]) -> None:
    """Messages, the board, the lease and what is told on it: some quiet ticks later each shows who is there."""
    world = FrailWorld()
    for event in events:
        await getattr(world, event)()
    await world.find_board()
    for _ in range(REFRESH_EVERY_TICKS + 2):
        await world.tick(hear=False)
    for watcher in world.watchers:
        assert watcher.told[-1][0] == world.room.members
