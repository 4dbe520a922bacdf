"""Linking over HTTP: a guest keeps everything, nobody takes anybody's account, and the last way in stays."""

from __future__ import annotations

from typing import Any

from tests.support.sign_in_deployment import Place
from tests.support.visitor import A_PAGE, PUBLIC_URL, consent, error_of
from tests.support.wire_client import call, connect


async def test_a_guest_who_links_keeps_everything(place: Place) -> None:
    """Session, favourites, preferences, name, id and open devices; another cookie, and roles that say member."""
    visitor = await place.guest()
    old_cookie = visitor.session_cookie
    assert old_cookie is not None
    await visitor.ask("POST", "/api/sessions/create", json={"activity": "watching rain", "emoji": "🌧️"})
    mutations = [
        {"mid": "m-fav", "name": "favorite.add", "args": {"emoji": "🌧️"}},
        {"mid": "m-pref", "name": "preferences.set", "args": {"values": {"theme": "dark"}}},
        {"mid": "m-bio", "name": "profile.update", "args": {"bio": "here for the rain"}},
    ]
    await visitor.ask("POST", "/api/mutations", json={"mutations": mutations})
    before = await visitor.state()
    async with await connect(place.instances[1].url, await visitor.token()) as device:
        assert error_of(await visitor.sign_in("twitch", "rain watcher")) is None
        entry = await device.expect("entry")
        # Its roles were read when it came: it has to come again.
        assert (await device.expect_close()).code == 4203
        state = await visitor.state()
        assert device.state == state
    assert [item["kind"] for item in entry["items"]] == ["account.linked"]
    assert state["accounts"]["twitch"]["name"] == "rain watcher"
    assert state["profile"]["roles"] == ["member"]
    kept = {key: value for key, value in before.items() if key not in ("accounts", "profile")}
    assert {key: state[key] for key in kept} == kept
    assert {k: v for k, v in state["profile"].items() if k not in ("roles", "version")} == {
        k: v for k, v in before["profile"].items() if k not in ("roles", "version")
    }
    assert visitor.session_cookie != old_cookie
    for instance in place.instances:
        left = await call(instance.url, "GET", "/api/snapshot", headers={"Cookie": f"idling={old_cookie}"})
        assert left.status == 401
    # And back in through the account, from elsewhere: the same person.
    elsewhere = place.visitor()
    await elsewhere.sign_in("twitch", "rain watcher")
    assert (await elsewhere.state())["profile"] == state["profile"]


async def test_an_account_of_somebody_else_is_not_taken_over(place: Place) -> None:
    """Neither by who is a member here, nor by the guest that moves on to it."""
    owner, member, guest = place.visitor(), place.visitor(), await place.guest()
    await owner.sign_in("twitch", "owner")
    owned = (await owner.state())["profile"]["id"]
    await member.sign_in("twitch", "member")
    before = await member.state()
    assert error_of(await member.sign_in("twitch", "owner")) == "account_taken"
    assert await member.state() == before
    assert error_of(await guest.sign_in("twitch", "owner")) is None
    assert (await guest.state())["profile"]["id"] == owned


async def test_a_second_account_of_the_same_kind_is_refused(place: Place) -> None:
    visitor = place.visitor()
    await visitor.sign_in("twitch", "first")
    assert error_of(await visitor.sign_in("twitch", "second")) == "provider_linked"
    assert next(iter((await visitor.state())["accounts"].values()))["name"] == "first"


async def test_the_last_way_in_is_never_taken_off(place: Place) -> None:
    """With one account it stays; with two one may go, and then the other stays."""
    visitor = place.visitor()
    await visitor.sign_in("twitch", "only one")

    async def unlink(provider: str, mid: str) -> Any:
        asked = {"mutations": [{"mid": mid, "name": "account.unlink", "args": {"provider": provider}}]}
        [verdict] = (await visitor.ask("POST", "/api/mutations", json=asked)).json["verdicts"]
        return verdict.get("error", {}).get("code", verdict["status"])

    assert await unlink("twitch", "m1") == "last_provider"
    user_id = (await visitor.state())["profile"]["id"]
    place.rows(
        "INSERT INTO accounts (provider, subject, user_id, linked_at, used_at) VALUES ('google', %s, %s, now(), now())",
        f"g-{user_id}",
        user_id,
    )
    assert await unlink("twitch", "m2") == "confirmed"
    assert await unlink("google", "m3") == "last_provider"
    assert list((await visitor.state())["accounts"]) == ["google"]


async def test_linking_does_not_begin_on_a_foreign_page(place: Place) -> None:
    """It could have signed the browser in as its own account at the provider before."""
    visitor = await place.guest()
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Referer": "https://evil.test/"},
        {"Referer": PUBLIC_URL + ".evil.test/"},
    ):
        answer = await visitor.ask("GET", "/auth/login/twitch", headers={**A_PAGE, **headers})
        assert error_of(answer) == "forbidden"
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Referer": PUBLIC_URL + "/x"}):
        assert (await visitor.ask("GET", "/auth/login/twitch", headers=headers)).status == 303
    stranger = await place.visitor().ask("GET", "/auth/login/twitch", headers={"Sec-Fetch-Site": "cross-site"})
    assert stranger.headers["Location"].startswith(place.twitch.issuer)


async def test_a_half_done_sign_in_is_worth_nothing_once_its_login_has_ended(place: Place) -> None:
    """Signed out meanwhile, or somebody else: the account does not become theirs."""
    visitor = await place.guest()
    query = await consent("twitch", await visitor.leave("twitch"), "half done")
    attempt = {name: value for name, value in visitor.cookies.items() if "attempt" in name}
    await visitor.ask("POST", "/auth/logout")
    counted = place.count()
    other = await place.guest()
    other.cookies |= attempt
    visitor.cookies |= attempt
    assert error_of(await visitor.come_back("twitch", query)) == "login_failed"
    assert place.count()[1] == counted[1]
