"""A service that fails, moves its keys or is away: a clear error, no account, and no secret told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from idling_ws.identity.attempts import Attempts
from idling_ws.identity.discovery import LOOK_AGAIN_S
from idling_ws.identity.logins import Logins
from idling_ws.identity.outbound import ProviderError
from idling_ws.identity.providers import preset
from idling_ws.identity.sign_in import Arrival, SignIn
from scripts.fake_provider import CLIENT_ID, CLIENT_SECRET
from tests.support.identity import SECRET
from tests.support.providers.served import (
    MoodyTwitch,
    answering,
    crashing,
    dripping,
    endless,
    hanging_up,
    silent,
)
from tests.support.sign_in_place import Place, open_place, refused
from tests.support.visitor import consent

FAILURES: dict[str, tuple[Any, str]] = {
    "silent": (silent, "provider_unavailable"),
    "dripping": (dripping, "provider_unavailable"),
    "answering 500": (crashing, "provider_unavailable"),
    "answering 429": (answering("{}", 429), "provider_unavailable"),
    "hanging up": (hanging_up, "provider_unavailable"),
    "answering HTML": (answering("<h1>Hello</h1>", 200, "text/html"), "provider_wrong"),
    "answering nothing": (answering(""), "provider_wrong"),
    "answering a list": (answering("[]"), "provider_wrong"),
    "answering NaN": (answering('{"a": NaN}'), "provider_wrong"),
    "answering without end": (endless, "provider_wrong"),
    "redirecting": (answering("", 302), "provider_wrong"),
    "answering an empty object": (answering("{}"), "provider_wrong"),
}


@pytest.mark.parametrize("endpoint", ["token", "userinfo", "keys", ".well-known/openid-configuration"])
@pytest.mark.parametrize("failure", FAILURES)
async def test_a_service_that_fails_is_a_clear_error_and_no_account(
    place: Place, twitch: MoodyTwitch, endpoint: str, failure: str
) -> None:
    """Whatever it does instead of answering, in time we know; and afterwards it works again."""
    mood, code = FAILURES[failure]
    twitch.moods[f"/oauth2/{endpoint}"] = mood
    if mood in (silent, dripping):
        place.outbound.hopeless.add(f"/oauth2/{endpoint}")
    async with asyncio.timeout(120):
        assert (await refused(place)).code == code
    assert f"/oauth2/{endpoint}" in twitch.asked
    twitch.moods.clear()
    place.outbound.hopeless.clear()
    place.clock.move(LOOK_AGAIN_S + 1)
    await place.entered("twitch", "ada")


async def test_a_service_that_is_down_is_a_clear_error(migrated_url: str) -> None:
    settings = preset("twitch", CLIENT_ID, CLIENT_SECRET, issuer="http://127.0.0.1:9/oauth2")
    async with open_place(migrated_url, [settings]) as place:
        with pytest.raises(ProviderError) as caught:
            await place.sign_in.begin("twitch", "/", None)
        assert caught.value.code == "provider_unavailable"


async def test_errors_hold_no_secret(place: Place, twitch: MoodyTwitch) -> None:
    """Neither code nor verifier nor client secret nor the service's own words get into what is logged."""
    twitch.moods["/oauth2/token"] = answering('{"status": 400, "message": "do not repeat me"}', 400)
    departure = await place.sign_in.begin("twitch", "/", None)
    answer = await consent("twitch", departure.url, "ada")
    with pytest.raises(ProviderError) as caught:
        await place.arrive(answer, departure)
    said = repr(caught.value) + caught.value.reason + repr(place.providers["twitch"].settings)
    for secret in (answer["code"], answer["state"], CLIENT_SECRET, "do not repeat me"):
        assert secret not in said


async def test_rotated_keys_are_fetched_and_a_made_up_kid_does_not_hammer(place: Place, twitch: MoodyTwitch) -> None:
    await place.entered("twitch", "ada")
    await place.entered("twitch", "ada")
    assert twitch.asked.count("/oauth2/keys") == 1
    twitch.key = RSAKey.generate_key(2048, parameters={"kid": "2"})
    with pytest.raises(ProviderError):
        await place.go("twitch", "ada")  # they were fetched a moment ago
    place.clock.move(LOOK_AGAIN_S + 1)
    await place.entered("twitch", "ada")
    assert twitch.asked.count("/oauth2/keys") == 2


async def test_what_a_service_announced_counts_while_it_is_away(place: Place, twitch: MoodyTwitch) -> None:
    """Keys and endpoints outlive their hour when there are no newer ones to be had."""
    await place.entered("twitch", "ada")
    twitch.moods["/oauth2/keys"] = crashing
    twitch.moods["/oauth2/.well-known/openid-configuration"] = crashing
    place.clock.move(1.0)
    place.clock._steady += 7200
    await place.entered("twitch", "ada")


async def test_a_configuration_of_another_issuer_is_refused(migrated_url: str, twitch: MoodyTwitch) -> None:
    """Found under one name, announcing another: somebody may have put it there."""
    settings = preset("twitch", CLIENT_ID, CLIENT_SECRET, issuer=twitch.issuer + "/")
    async with open_place(migrated_url, [settings]) as place:
        with pytest.raises(ProviderError) as caught:
            await place.sign_in.begin("twitch", "/", None)
        assert caught.value.code == "provider_wrong"


async def test_attempts_need_no_redis_and_no_memory_of_this_instance(place: Place, twitch: MoodyTwitch) -> None:
    """Begun here, ended on another instance that knows only the secret and the database."""
    departure = await place.sign_in.begin("twitch", "/", None)
    answer = await consent("twitch", departure.url, "ada")
    logins = Logins(place.database, place.parts.tokens, place.clock, SECRET)
    other = SignIn(place.database, place.providers, Attempts(place.database, SECRET, place.clock), logins, place.clock)
    arrival = await other.arrive("twitch", answer, departure.cookie, None, address="", user_agent="", device="device")
    assert isinstance(arrival, Arrival)
