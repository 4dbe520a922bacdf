"""Signing in over HTTP, through the doors of two instances: the way in."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.instances import running_instances
from tests.support.providers.node_oidc import NodeOidc
from tests.support.providers.served import MoodyTwitch
from tests.support.rows import rows_become
from tests.support.sign_in_deployment import Place
from tests.support.visitor import A_PAGE, PUBLIC_URL, Visitor, consent, error_of
from tests.support.wire_client import call, connect


async def test_twenty_of_twenty_sign_ins_with_a_real_provider(
    migrated_url: str, redis_url: str, oidc: NodeOidc
) -> None:
    """Out at one instance and back at the other: ten people twice each, with an account, a login and a cookie."""
    settings: dict[str, Any] = {
        "OIDC_ISSUER": oidc.issuer,
        "OIDC_CLIENT_ID": oidc.client_id,
        "OIDC_SECRET": oidc.client_secret,
    }
    with running_instances(migrated_url, redis_url, PUBLIC_URL=PUBLIC_URL, **settings) as (a, b):
        place = Place([a, b], migrated_url, MoodyTwitch())
        seen: list[int] = []
        for n in range(20):
            visitor = place.visitor()
            answer = await visitor.sign_in("oidc", f"person-{n % 10}", "/room?id=7")
            assert (answer.status, answer.headers["Location"]) == (303, "/room?id=7")
            profile = (await visitor.state())["profile"]
            assert profile["name"] == f"person-{n % 10} of OIDC"
            assert profile["roles"] == ["member"]
            async with await connect(a.url, await visitor.token()) as device:
                assert device.welcome["user"]["id"] == profile["id"]
            seen.append(profile["id"])
        assert len(set(seen)) == 10
        assert seen[:10] == seen[10:]
        assert place.count() == (10, 10, 20)


async def test_what_is_offered_is_said(place: Place) -> None:
    answer = await call(place.instances[0].url, "GET", "/auth/providers")
    assert answer.json == {
        "providers": [{"name": "twitch", "title": "Twitch"}, {"name": "google", "title": "Google"}],
        "guest": True,
    }


async def test_a_first_sign_in_makes_a_whole_account(place: Place) -> None:
    """Profile, preferences and account stand in the very first state."""
    visitor = place.visitor()
    assert (await visitor.sign_in("twitch", "Grace Hopper")).headers["Location"] == "/"
    state = await visitor.state()
    assert state["profile"]["name"] == "Grace Hopper"
    assert state["profile"]["roles"] == ["member"]
    assert state["preferences"]["version"] == 1
    assert state["accounts"]["twitch"]["name"] == "Grace Hopper"
    assert state["notifications"]["unread_count"] == 0


async def test_cookies_are_out_of_reach_of_scripts_and_other_sites(place: Place) -> None:
    visitor = place.visitor()
    left = await visitor.ask("GET", "/auth/login/twitch")
    back = await visitor.come_back("twitch", await consent("twitch", left.headers["Location"], "ada"))
    [attempt] = left.headers.getall("Set-Cookie")
    named = {line.partition("=")[0]: line for line in back.headers.getall("Set-Cookie")}
    [taken_back] = [named.pop(name) for name in list(named) if "attempt" in name]
    session, browser = named.pop("idling"), named.pop("idling-device")
    assert named == {}
    for line in (attempt, session, taken_back, browser):
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(line.split("; "))
    assert "Max-Age=0" in taken_back
    assert len(session.partition("=")[2].partition(";")[0]) == 43  # 256 bits
    for answer in (left, back):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


async def test_under_tls_cookies_belong_to_this_host_alone(
    migrated_url: str, redis_url: str, twitch: MoodyTwitch
) -> None:
    """``__Host-`` and Secure, on their way out and when they are taken back: else a browser ignores it."""
    settings: dict[str, Any] = {"PUBLIC_URL": "https://idling.test", "TWITCH_ISSUER": twitch.issuer}
    with running_instances(migrated_url, redis_url, 1, **settings) as (instance,):
        visitor, own = Visitor(instance.url), {"Origin": "https://idling.test"}
        lines = (await visitor.ask("GET", "/auth/login/twitch")).headers.getall("Set-Cookie")
        lines += (await visitor.ask("POST", "/auth/guest", json={}, headers=own)).headers.getall("Set-Cookie")
        lines += (await visitor.ask("POST", "/auth/logout", headers=own)).headers.getall("Set-Cookie")
        assert [line.partition("=")[0].partition("attempt")[0] for line in lines] == [
            "__Host-idling-",
            "__Host-idling",
            "__Host-idling",
        ]
        for line in lines:
            assert {"Secure", "HttpOnly", "Path=/"} <= set(line.split("; "))
            assert "Domain" not in line


@pytest.mark.parametrize(
    "next_path",
    ["https://evil.test/", "//evil.test", "/\\evil.test", "javascript:alert(1)", "/auth/logout", "\t//evil.test", "x"],
)
async def test_next_stays_on_the_site(place: Place, next_path: str) -> None:
    assert (await place.visitor().sign_in("twitch", "ada", next_path)).headers["Location"] == "/"


async def test_two_tabs_do_not_take_each_others_attempt(place: Place) -> None:
    visitor = place.visitor()
    first = await consent("twitch", await visitor.leave("twitch", "/first"), "ada")
    second = await consent("twitch", await visitor.leave("twitch", "/second"), "ada")
    assert (await visitor.come_back("twitch", first)).headers["Location"] == "/first"
    # The second began under no sign-in and ends as a sign-in of its own.
    assert (await visitor.come_back("twitch", second)).headers["Location"] == "/second"


async def test_attempts_do_not_pile_up_in_a_browser(place: Place) -> None:
    visitor = place.visitor()
    for _ in range(20):
        await visitor.leave("twitch")
        assert len(visitor.cookies) <= 4


async def test_other_devices_hear_of_a_new_one(place: Place) -> None:
    """At once, in the stream; the first device of an account has nobody to tell."""
    here, there = place.visitor(), place.visitor()
    await here.sign_in("twitch", "tell me")
    async with await connect(place.instances[1].url, await here.token()) as device:
        assert device.state["notifications"]["items"] == {}
        firefox = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}
        query = await consent("twitch", await there.leave("twitch"), "tell me")
        assert (await there.come_back("twitch", query, headers={**A_PAGE, **firefox})).status == 303
        await device.expect("entry")
        [notification] = device.state["notifications"]["items"].values()
    assert notification["kind"] == "device.signed_in"
    assert notification["title"] == "Firefox on Linux signed in."
    devices = (await here.ask("GET", "/api/devices")).json["devices"]
    assert {each["id"]: each["current"] for each in devices} == {
        notification["data"]["login"]: False,
        next(each["id"] for each in devices if each["current"]): True,
    }


async def test_a_browser_that_was_here_before_is_not_new(place: Place) -> None:
    """Also after signing out, and for who was a guest in it; another browser is new, whatever it says it is."""
    here, there = await place.guest(), place.visitor()
    await here.sign_in("twitch", "often here")
    told = "SELECT count(*) FROM notifications WHERE kind = 'device.signed_in' AND user_id = %s"
    user_id = (await here.state())["profile"]["id"]
    for _ in range(2):
        assert (await here.ask("POST", "/auth/logout")).status == 200
        await here.sign_in("twitch", "often here")
    assert place.rows(told, user_id) == [(0,)]
    # Nobody else is signed in: who took the account over is seen when its owner is back.
    assert (await here.ask("POST", "/auth/logout-everywhere")).status == 200
    there.cookies["idling-device"] = "not one of ours"
    await there.sign_in("twitch", "often here")
    await rows_become(place.database_url, [(1,)], told, user_id)
    assert here.cookies["idling-device"] != there.cookies["idling-device"]


async def test_a_new_name_at_the_provider_shows(place: Place) -> None:
    visitor = place.visitor()
    await visitor.sign_in("twitch", "old name")
    place.twitch.change_claims = lambda claims: claims | {"preferred_username": "New Name"}
    place.twitch.change_userinfo = place.twitch.change_claims
    await place.visitor().sign_in("twitch", "old name")
    state = await visitor.state()
    assert state["accounts"]["twitch"]["name"] == "New Name"
    assert state["profile"]["name"] == "old name"


# -- fixation --------------------------------------------------------------------------------


async def test_fixation_fifty_of_fifty(place: Place) -> None:
    """A cookie that somebody planted never becomes the cookie of who signs in; where it meant a login, that ends."""
    for n in range(50):
        planted = (await place.guest()).session_cookie if n % 2 else "A" * 43
        assert planted is not None
        victim = place.visitor(idling=planted)
        if n % 4 == 3:
            assert (await victim.ask("POST", "/auth/guest", json={})).status == 201
        else:
            # Begun without it and ended under it, so that it is no linking.
            beginning = place.visitor()
            query = await consent("twitch", await beginning.leave("twitch"), f"victim-{n}")
            victim.cookies |= beginning.cookies
            assert error_of(await victim.come_back("twitch", query)) is None
        assert victim.session_cookie not in (None, planted)
        for instance in place.instances:
            left = await call(instance.url, "GET", "/api/snapshot", headers={"Cookie": f"idling={planted}"})
            assert left.status == 401
