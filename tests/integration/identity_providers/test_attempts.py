"""An attempt to sign in counts once, in its own browser, in time, as it was sent: nothing else does."""

from __future__ import annotations

import asyncio

import pytest

from idling_ws.identity.attempts import LIFE, AttemptError, Attempts
from idling_ws.identity.outbound import ProviderError
from idling_ws.identity.providers import preset
from idling_ws.identity.sign_in import Arrival
from scripts.fake_provider import CLIENT_ID, CLIENT_SECRET
from tests.support.identity import SECRET
from tests.support.providers.served import (
    MoodyTwitch,
)
from tests.support.sign_in_place import Place, open_place
from tests.support.tampering import TAMPERINGS as SHARED
from tests.support.tampering import Return, Tampering
from tests.support.visitor import consent

TAMPERINGS: dict[str, Tampering] = SHARED | {
    # What no HTTP request can hold, or a form would have cut.
    "state without stamp": lambda mine, _: mine.asking(state=mine.query["state"].partition(".")[0]),
    "state no ASCII": lambda mine, _: mine.asking(state="\ud800.\u00e9"),
    "cookie too long": lambda mine, _: mine.holding("A" * 10_000),
    "empty code": lambda mine, _: mine.asking(code=""),
    "code too long": lambda mine, _: mine.asking(code="x" * 10_000),
}


FORGED = {
    case
    for case in TAMPERINGS
    if ("state" in case and "attempt" not in case) or case.startswith(("stamp", "another provider"))
}


@pytest.mark.parametrize("case", TAMPERINGS)
async def test_a_tampered_answer_is_refused(migrated_url: str, twitch: MoodyTwitch, case: str) -> None:
    """Each differs from a good answer in one thing; no account and no login come of it."""
    settings = [
        preset("twitch", CLIENT_ID, CLIENT_SECRET, issuer=twitch.issuer),
        preset("google", CLIENT_ID, CLIENT_SECRET, issuer=twitch.issuer, secret_in_body=True),
    ]
    async with open_place(migrated_url, settings) as place:
        mine, other = [
            Return(await consent("twitch", departure.url, "ada"), departure.cookie)
            for departure in [await place.sign_in.begin("twitch", "/", None) for _ in range(2)]
        ]
        bad = TAMPERINGS[case](mine, other)
        with pytest.raises((AttemptError, ProviderError)) as caught:
            await place.sign_in.arrive(
                bad.provider, bad.query, bad.cookie, None, address="", user_agent="", device="device"
            )
        reason = getattr(caught.value, "reason", "")
        assert reason
        assert "<" not in str(caught.value) + reason
        if case in FORGED:  # told apart before the cookie is even looked at
            assert reason in ("no state", "the state is not ours")
        assert await place.count() == (0, 0, 0)
        # The answer itself was good: what had not been used up still is.
        if "cookie" in case or "state" in case:
            assert isinstance(
                await place.sign_in.arrive(
                    "twitch", mine.query, mine.cookie, None, address="", user_agent="", device="device"
                ),
                Arrival,
            )


async def test_an_answer_counts_once(place: Place) -> None:
    departure = await place.sign_in.begin("twitch", "/", None)
    answer = await consent("twitch", departure.url, "ada")
    results = await asyncio.gather(*(place.arrive(answer, departure) for _ in range(5)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Arrival", *["AttemptError"] * 4]
    with pytest.raises(AttemptError, match="login_failed") as caught:
        await place.arrive(answer, departure)
    assert caught.value.reason == "the state was used before"


async def test_an_answer_that_comes_late_is_refused_whatever_the_clocks(place: Place) -> None:
    departure = await place.sign_in.begin("twitch", "/", None)
    answer = await consent("twitch", departure.url, "ada")
    place.clock.move(LIFE.total_seconds())
    with pytest.raises(AttemptError) as caught:
        await place.arrive(answer, departure)
    assert caught.value.reason == "the attempt took too long"


async def test_used_states_do_not_pile_up(place: Place) -> None:
    attempts = Attempts(place.database, SECRET, place.clock)
    for pause_s in (0, 0, 0, 0, 3 * LIFE.total_seconds()):
        place.clock.move(pause_s)
        attempt, cookie = attempts.begin("twitch", "/", None)
        await attempts.take("twitch", attempt.question.state, cookie)
    assert await place.database.run("SELECT count(*) FROM spent_states") == [(1,)]


async def test_another_secret_knows_no_attempt(migrated_url: str, twitch: MoodyTwitch, place: Place) -> None:
    departure = await place.sign_in.begin("twitch", "/", None)
    answer = await consent("twitch", departure.url, "ada")
    with pytest.raises(AttemptError):
        await Attempts(place.database, "another secret", place.clock).take("twitch", answer["state"], departure.cookie)
