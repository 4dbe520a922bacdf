"""Sign-in through real and pretended services: the way in."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from idling_ws.domain.errors import DeniedError, InvalidError
from idling_ws.identity.attempts import Attempts
from idling_ws.identity.outbound import ProviderError
from idling_ws.identity.sign_in import Arrival, Departure
from tests.support.identity import SECRET
from tests.support.providers.node_oidc import NodeOidc
from tests.support.providers.served import (
    MoodyTwitch,
)
from tests.support.sign_in_place import Place, oidc_settings, open_place
from tests.support.visitor import PUBLIC_URL, consent


async def test_twenty_of_twenty_sign_ins_with_a_real_provider(migrated_url: str, oidc: NodeOidc) -> None:
    """Ten people come twice each: ten users, and twenty logins that work."""
    async with open_place(migrated_url, [oidc_settings(oidc)]) as place:
        came: list[Arrival] = [await place.entered("oidc", f"person-{n % 10}") for n in range(20)]
        assert [arrival.is_new for arrival in came] == [True] * 10 + [False] * 10
        assert [arrival.person.id for arrival in came[:10]] == [arrival.person.id for arrival in came[10:]]
        for n, arrival in enumerate(came):
            identity = await place.identity(arrival)
            assert identity.person == arrival.person
            assert identity.person.roles == ("member",)
            assert identity.person.name == f"person-{n % 10} of OIDC"
        assert await place.count() == (10, 10, 20)


async def test_a_real_provider_sees_a_wrong_verifier_and_none(migrated_url: str, oidc: NodeOidc) -> None:
    """PKCE works because the provider refuses, not because we say so."""
    async with open_place(migrated_url, [oidc_settings(oidc)]) as place:
        provider = place.providers["oidc"]
        for verifier in ("x" * 64, "", None):
            attempt, _ = Attempts(place.database, SECRET, place.clock).begin("oidc", "/", None)
            departure = Departure(await provider.url_for(attempt.question), attempt.question.state, "")
            answer = await consent("oidc", departure.url, "mallory")
            with pytest.raises(ProviderError) as caught:
                await provider.profile(answer["code"], replace(attempt.question, verifier=verifier))  # type: ignore[arg-type]  # None on purpose
            assert caught.value.code == "provider_refused"
        assert await place.count() == (0, 0, 0)


async def test_a_real_providers_code_works_once(migrated_url: str, oidc: NodeOidc) -> None:
    async with open_place(migrated_url, [oidc_settings(oidc)]) as place:
        departure = await place.sign_in.begin("oidc", "/", None)
        answer = await consent("oidc", departure.url, "ada")
        await place.arrive(answer, departure, name="oidc")
        again = await place.sign_in.begin("oidc", "/", None)
        with pytest.raises(ProviderError) as caught:
            await place.arrive({**answer, "state": again.state}, again, name="oidc")
        assert caught.value.code == "provider_refused"


@pytest.mark.parametrize("issuer", ["https://evil.test", None, ""])
async def test_an_answer_of_another_issuer_is_refused(migrated_url: str, oidc: NodeOidc, issuer: str | None) -> None:
    """A provider that names itself must do so: else one provider could hand on another's code (RFC 9207)."""
    async with open_place(migrated_url, [oidc_settings(oidc)]) as place:
        departure = await place.sign_in.begin("oidc", "/", None)
        answer = await consent("oidc", departure.url, "ada")
        assert answer.pop("iss") == oidc.issuer
        with pytest.raises(ProviderError) as caught:
            await place.arrive(answer if issuer is None else answer | {"iss": issuer}, departure, name="oidc")
        assert caught.value.code == "provider_wrong"
        assert await place.count() == (0, 0, 0)


async def test_a_wrong_client_secret_is_an_error_and_no_account(migrated_url: str, oidc: NodeOidc) -> None:
    settings = replace(oidc_settings(oidc), client_secret="wrong")
    async with open_place(migrated_url, [settings]) as place:
        with pytest.raises(ProviderError) as caught:
            await place.go("oidc", "ada")
        assert caught.value.code == "provider_refused"
        assert await place.count() == (0, 0, 0)


async def test_twitchs_quirks_are_no_obstacle(place: Place) -> None:
    """Scope as a list, the name by ``claims``, the secret in the body."""
    arrival = await place.entered("twitch", "Ada Lovelace")
    assert arrival.person.name == "Ada Lovelace"
    assert await place.database.run("SELECT provider, name FROM accounts") == [("twitch", "Ada Lovelace")]
    assert await place.database.run("SELECT provider, address, user_agent FROM logins") == [
        ("twitch", "192.0.2.7", "test/1")
    ]


async def test_what_is_asked_is_asked_exactly(place: Place) -> None:
    """Code flow, S256, state, nonce, and one redirect URI for each provider."""
    asked = dict(parse_qsl(urlsplit((await place.sign_in.begin("twitch", "/", None)).url).query))
    assert asked["response_type"] == "code"
    assert asked["redirect_uri"] == f"{PUBLIC_URL}/auth/callback/twitch"
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["code_challenge"]) == 43
    assert min(len(asked["state"]), len(asked["nonce"])) >= 43
    other = dict(parse_qsl(urlsplit((await place.sign_in.begin("twitch", "/", None)).url).query))
    assert all(asked[name] != other[name] for name in ("state", "nonce", "code_challenge"))


async def test_a_whole_account_is_made_once_by_two_at_the_same_moment(place: Place) -> None:
    came = await asyncio.gather(*(place.entered("twitch", "ada") for _ in range(6)))
    assert len({arrival.person.id for arrival in came}) == 1
    assert await place.count() == (1, 1, 6)
    made = await place.database.run(
        "SELECT r.role, p.version, s.seq FROM roles r, user_preferences p, streams s"
        " WHERE r.user_id = p.user_id AND p.user_id = s.user_id"
    )
    assert made == [("member", 1, 0)]


async def test_a_name_that_is_taken_gets_a_number(place: Place, twitch: MoodyTwitch) -> None:
    await place.parts.guests.create("Ada", address="", user_agent="")
    arrival = await place.entered("twitch", "ADA")
    assert arrival.person.name.startswith("ADA ")
    assert arrival.person.name.rpartition(" ")[2].isdigit()


@pytest.mark.parametrize(
    "name", ["x", "\u202e", "a\x00", "\u200b\u200b\u200b", "x" * 1000, "<script>alert(1)</script>", 7, None, ["a"], {}]
)
async def test_a_name_that_cannot_be_one_keeps_nobody_out(place: Place, twitch: MoodyTwitch, name: object) -> None:
    """What can be kept of it is kept; else it is a guest's kind of name. It is never markup, only text."""
    twitch.change_userinfo = lambda claims: claims | {"preferred_username": name}
    twitch.change_claims = lambda claims: claims | {"preferred_username": name}
    arrival = await place.entered("twitch", "ada")
    assert 2 <= len(arrival.person.name) <= 40
    assert arrival.person.name.isprintable()


async def test_next_comes_back(place: Place) -> None:
    departure = await place.sign_in.begin("twitch", "/room?id=7", None)
    arrival = await place.arrive(await consent("twitch", departure.url, "ada"), departure)
    assert arrival.next_path == "/room?id=7"


async def test_a_no_at_the_provider_is_a_no(place: Place) -> None:
    departure = await place.sign_in.begin("twitch", "/", None)
    answer = await consent("twitch", departure.url, "ada", yes="no")
    assert answer["error"] == "access_denied"
    with pytest.raises(ProviderError) as caught:
        await place.arrive(answer, departure)
    assert (caught.value.code, caught.value.reason) == ("provider_refused", "it answered access_denied")
    assert await place.count() == (0, 0, 0)


async def test_an_unknown_provider_is_not_found(place: Place) -> None:
    with pytest.raises(InvalidError):
        await place.sign_in.begin("nobody", "/", None)


async def test_somebody_suspended_does_not_get_in(place: Place) -> None:
    await place.entered("twitch", "ada")
    until = place.clock.now() + timedelta(hours=1)
    await place.database.run("UPDATE users SET suspended_until = %s", (until,))
    with pytest.raises(DeniedError) as caught:
        await place.go("twitch", "ada")
    assert caught.value.code == "suspended"
    assert (await place.count())[2] == 1
