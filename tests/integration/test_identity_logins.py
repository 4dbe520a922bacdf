"""Guests, cookies, refresh families and log-outs over a real database."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from idling_ws.domain.errors import AuthError, DeniedError, InvalidError, RejectedError
from idling_ws.domain.names import name_key
from idling_ws.identity.credentials import hash_of
from idling_ws.identity.guests import Guests
from idling_ws.identity.logins import LOGIN_IDLE, RefreshReusedError
from idling_ws.identity.tokens import LoginId
from tests.support.identity import SECRET, Parts, open_parts


@pytest.fixture
async def parts(migrated_url: str) -> Any:
    async with open_parts(migrated_url) as opened:
        yield opened


async def guest(parts: Parts, name: str | None = None) -> Any:
    return await parts.guests.create(name, address="192.0.2.1", user_agent="test/1")


async def test_a_guest_is_a_whole_account_with_one_login(parts: Parts) -> None:
    made = await guest(parts)
    [(name, key, role, preferences, seq, provider, address)] = await parts.database.run(
        "SELECT u.name, u.name_key, r.role, p.version, s.seq, l.provider, l.address FROM users u"
        " JOIN roles r ON r.user_id = u.id JOIN user_preferences p ON p.user_id = u.id"
        " JOIN streams s ON s.user_id = u.id JOIN logins l ON l.user_id = u.id WHERE u.id = %s",
        (made.user.id,),
    )
    assert (name, key, role, preferences, seq) == (made.user.name, name_key(name), "guest", 1, 0)
    assert (provider, address) == ("guest", "192.0.2.1")
    identity = await parts.logins.authenticate_cookie(made.cookie_token)
    assert (identity.person, identity.login_id) == (made.user, made.login_id)
    claims = parts.tokens.verify(made.access_token)
    assert (claims.user_id, claims.login_id) == (made.user.id, made.login_id)


async def test_no_secret_is_stored_as_it_is(parts: Parts) -> None:
    made = await guest(parts)
    [(cookie, refresh)] = await parts.database.run("SELECT cookie_hash, refresh_hash FROM logins")
    assert (bytes(cookie), bytes(refresh)) == (hash_of(made.cookie_token), hash_of(made.refresh_token))
    assert len(made.cookie_token) == 43  # 256 bits


async def test_a_wished_name_is_given_once(parts: Parts) -> None:
    assert (await guest(parts, "  Ada ")).user.name == "Ada"
    with pytest.raises(RejectedError) as taken:
        await guest(parts, "\uff21DA")
    assert taken.value.code == "name_taken"
    with pytest.raises(InvalidError) as invalid:
        await guest(parts, "a\nb")
    assert invalid.value.fields is not None
    assert list(invalid.value.fields) == ["name"]
    assert await parts.database.run("SELECT count(*) FROM users") == [(1,)]


async def test_guest_names_that_collide_are_drawn_again(parts: Parts) -> None:
    """With only one name in each ring of numbers, each guest goes one ring further out."""
    stuck = Guests(parts.database, parts.tokens, parts.clock, SECRET, draw=lambda below: below - 1)
    names = [(await stuck.create(None, address="", user_agent="")).user.name for _ in range(4)]
    assert [name.rpartition(" ")[2] for name in names] == ["99", "909", "9009", "90009"]


async def test_guests_in_bulk_are_all_different_and_signed_in(parts: Parts) -> None:
    made = await parts.guests.create_many(2500)
    assert len({user_id for user_id, _, _ in made}) == 2500
    for user_id, token, expires_at in made[::500]:
        claims = parts.tokens.verify(token)
        assert claims.user_id == user_id
        assert claims.expires_at == int(expires_at.timestamp())
        assert (await parts.logins.identify(claims.login_id)).user_id == user_id
    counts = await parts.database.run(
        "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM logins), (SELECT count(*) FROM streams)"
    )
    assert counts == [(2500, 2500, 2501)]


@pytest.mark.parametrize("cookie", ["", "x", "x" * 43, "\x00", "\ud800", "' OR 1=1 --"])
async def test_a_cookie_of_nobody_is_refused(parts: Parts, cookie: str) -> None:
    await guest(parts)
    with pytest.raises(AuthError):
        await parts.logins.authenticate_cookie(cookie)


async def test_log_out_ends_this_login_and_no_other(parts: Parts) -> None:
    one, other = await guest(parts), await guest(parts)
    assert await parts.logins.logout(one.login_id) == one.user.id
    assert await parts.logins.logout(one.login_id) is None
    with pytest.raises(AuthError):
        await parts.logins.authenticate_cookie(one.cookie_token)
    with pytest.raises(AuthError):
        await parts.logins.refresh(one.refresh_token)
    await parts.logins.authenticate_cookie(other.cookie_token)


async def test_log_out_everywhere_ends_all_of_one_user(parts: Parts) -> None:
    one, other = await guest(parts), await guest(parts)
    assert await parts.logins.logout_everywhere(one.user.id) == [one.login_id]
    assert await parts.logins.devices(one.user.id) == []
    assert [device.id for device in await parts.logins.devices(other.user.id)] == [other.login_id]


async def test_a_login_ends_when_its_device_stays_away_and_lives_on_when_not(parts: Parts) -> None:
    """Coming back is written down at most once an hour."""
    away, here = await guest(parts), await guest(parts)
    parts.clock.move(LOGIN_IDLE.total_seconds() - 60)
    await parts.logins.authenticate_cookie(here.cookie_token)
    await parts.logins.flush_seen()
    parts.clock.move(120)
    with pytest.raises(AuthError):
        await parts.logins.authenticate_cookie(away.cookie_token)
    await parts.logins.authenticate_cookie(here.cookie_token)
    assert parts.logins._seen == set()


async def test_refresh_tokens_rotate(parts: Parts) -> None:
    made = await guest(parts)
    token = made.refresh_token
    for _ in range(3):
        pair = await parts.logins.refresh(token)
        assert parts.tokens.verify(pair.access_token).login_id == made.login_id
        assert pair.refresh_token != token
        token = pair.refresh_token


async def test_a_refresh_token_used_again_ends_its_login(parts: Parts) -> None:
    """Whoever comes second may be the owner: neither the thief nor the owner goes on."""
    made = await guest(parts)
    pair = await parts.logins.refresh(made.refresh_token)
    with pytest.raises(RefreshReusedError) as reused:
        await parts.logins.refresh(made.refresh_token)
    assert (reused.value.user_id, reused.value.login_id) == (made.user.id, made.login_id)
    with pytest.raises(AuthError):
        await parts.logins.refresh(pair.refresh_token)
    with pytest.raises(AuthError):
        await parts.logins.authenticate_cookie(made.cookie_token)


async def test_of_ten_at_once_with_one_refresh_token_one_gets_on_at_most(parts: Parts) -> None:
    made = await guest(parts)
    results = await asyncio.gather(
        *(parts.logins.refresh(made.refresh_token) for _ in range(10)), return_exceptions=True
    )
    won = [result for result in results if not isinstance(result, BaseException)]
    assert len(won) == 1
    with pytest.raises(AuthError):
        await parts.logins.refresh(won[0].refresh_token)


async def test_a_made_up_refresh_token_ends_nothing(parts: Parts) -> None:
    """Who knows a login's id (it is in every access token) cannot end it by guessing."""
    made = await guest(parts)
    head, middle, stamp = made.refresh_token.split(".")
    forged = [
        *("", ".", "..", "x", f"{head}.{middle}", f"{head}.{middle}.zz", f"{head}..{stamp}"),
        *(f"{head}.x.{stamp}", f"{head}.{middle}.{'0' * 64}", f"{head}.{middle}.\u0660{stamp[1:]}"),
        f"\ud800.{middle}.{stamp}",
    ]
    for token in forged:
        with pytest.raises(AuthError) as caught:
            await parts.logins.refresh(token)
        assert not isinstance(caught.value, RefreshReusedError)
    await parts.logins.refresh(made.refresh_token)


async def test_while_suspended_nothing_is_renewed_and_nothing_lost(parts: Parts) -> None:
    made = await guest(parts)
    until = parts.clock.now() + LOGIN_IDLE / 2
    await parts.database.run("UPDATE users SET suspended_until = %s WHERE id = %s", (until, made.user.id))
    identity = await parts.logins.authenticate_cookie(made.cookie_token)
    assert identity.suspended_until == until
    with pytest.raises(DeniedError) as by_cookie:
        parts.logins.access_token(identity)
    with pytest.raises(DeniedError) as by_refresh:
        await parts.logins.refresh(made.refresh_token)
    assert (by_cookie.value.code, by_refresh.value.code) == ("suspended", "suspended")
    parts.clock.move((LOGIN_IDLE / 2).total_seconds())
    await parts.logins.refresh(made.refresh_token)


async def test_a_login_of_nobody_is_not_identified(parts: Parts) -> None:
    with pytest.raises(AuthError):
        await parts.logins.identify(LoginId("nobody"))
