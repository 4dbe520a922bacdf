"""A sign-in by who is here already: accounts that become theirs, and those that do not."""

from __future__ import annotations

import pytest

from idling_ws.domain.errors import IdlingError, RejectedError
from idling_ws.identity.attempts import AttemptError
from idling_ws.identity.person import Identity
from idling_ws.identity.sign_in import Arrival, Linking
from tests.support.sign_in_place import Place
from tests.support.visitor import consent


async def guest_of(place: Place) -> Identity:
    made = await place.parts.guests.create(None, address="", user_agent="")
    return await place.parts.logins.authenticate_cookie(made.cookie_token)


async def test_who_is_signed_in_links_what_is_nobodys(place: Place) -> None:
    """Nothing is written yet: it becomes theirs by a change in their own stream."""
    current = await guest_of(place)
    linking = await place.go("twitch", "ada", current)
    assert isinstance(linking, Linking)
    assert (linking.identity, linking.account_name) == (current, "ada")
    assert await place.count() == (1, 0, 1)


async def test_a_guest_moves_on_to_an_account_there_was(place: Place) -> None:
    """The guest's login ends: the browser holds another cookie now."""
    owner = (await place.entered("twitch", "ada")).person
    current = await guest_of(place)
    arrival = await place.entered("twitch", "ada", current)
    assert arrival.person == owner
    with pytest.raises(IdlingError):
        await place.parts.logins.identify(current.login_id)


async def test_a_member_cannot_take_anothers_account(place: Place) -> None:
    await place.entered("twitch", "ada")
    current = await place.identity(await place.entered("twitch", "bea"))
    with pytest.raises(RejectedError) as caught:
        await place.go("twitch", "ada", current)
    assert caught.value.code == "account_taken"
    await place.parts.logins.identify(current.login_id)


async def test_linking_ends_where_it_began(place: Place) -> None:
    """Signed out or somebody else meanwhile: the half-done sign-in is worth nothing."""
    current, other = await guest_of(place), await guest_of(place)
    for now in (None, other):
        departure = await place.sign_in.begin("twitch", "/", current)
        with pytest.raises(AttemptError):
            await place.arrive(await consent("twitch", departure.url, "ada"), departure, now)
    assert (await place.count())[1] == 0


async def test_fixation_fifty_of_fifty(place: Place) -> None:
    """A cookie from before never becomes the cookie of who signs in after."""
    for n in range(50):
        planted = await place.parts.guests.create(None, address="", user_agent="")
        identity = await place.parts.logins.authenticate_cookie(planted.cookie_token)
        # Begun by nobody, ended while the planted cookie is there; every second time begun under it too.
        begun_by = identity if n % 2 else None
        await place.entered("twitch", f"victim-{n}")
        departure = await place.sign_in.begin("twitch", "/", begun_by)
        arrival = await place.arrive(await consent("twitch", departure.url, f"victim-{n}"), departure, identity)
        assert isinstance(arrival, Arrival)
        assert arrival.login.cookie_token != planted.cookie_token
        with pytest.raises(IdlingError):
            await place.parts.logins.authenticate_cookie(planted.cookie_token)
