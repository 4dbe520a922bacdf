"""Revocation on every instance: what ends anywhere stops counting everywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from idling_ws.domain.errors import AuthError, DeniedError
from idling_ws.identity.guests import GuestLogin
from idling_ws.identity.logins import RefreshReusedError
from idling_ws.identity.revocations import Revocations, Revoked
from idling_ws.store import revocations as rows
from tests.support.identity import Parts, open_parts


@pytest.fixture
async def parts(migrated_url: str) -> AsyncIterator[Parts]:
    async with open_parts(migrated_url) as opened:
        yield opened


class Instance:
    """One instance's list, and what it was told."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.heard: list[Revoked] = []
        self.list = Revocations(parts.database, parts.keyring, parts.clock, self.heard.append)

    def check(self, made: GuestLogin) -> None:
        """Let the token in, or raise."""
        self.list.check(self.parts.tokens.verify(made.access_token))


async def two_instances(parts: Parts) -> list[Instance]:
    instances = [Instance(parts), Instance(parts)]
    for instance in instances:
        await instance.list.load()
    return instances


async def guest(parts: Parts) -> GuestLogin:
    return await parts.guests.create(None, address="", user_agent="")


async def test_a_log_out_reaches_every_instance_once(parts: Parts) -> None:
    ended, other = await guest(parts), await guest(parts)
    instances = await two_instances(parts)
    await parts.logins.logout(ended.login_id)
    for instance in instances:
        instance.check(ended)
        for _ in range(3):
            await instance.list.poll()
        with pytest.raises(AuthError):
            instance.check(ended)
        instance.check(other)
        assert instance.heard == [Revoked(ended.user.id, ended.login_id, "logged_out")]


async def test_log_out_everywhere_and_a_reused_token_are_heard_of_too(parts: Parts) -> None:
    one, other = await guest(parts), await guest(parts)
    instances = await two_instances(parts)
    await parts.logins.logout_everywhere(one.user.id)
    await parts.logins.refresh(other.refresh_token)
    with pytest.raises(RefreshReusedError):
        await parts.logins.refresh(other.refresh_token)
    for instance in instances:
        await instance.list.poll()
        assert [(revoked.login_id, revoked.reason) for revoked in instance.heard] == [
            (one.login_id, "logged_out"),
            (other.login_id, "reused"),
        ]


async def test_an_instance_that_starts_later_knows_what_ended_before(parts: Parts) -> None:
    ended = await guest(parts)
    await parts.logins.logout(ended.login_id)
    [late, _] = await two_instances(parts)
    with pytest.raises(AuthError):
        late.check(ended)


async def test_a_row_that_commits_late_is_not_stepped_over(parts: Parts) -> None:
    """Its time lies before what was read already: the overlap finds it."""
    slow, quick = await guest(parts), await guest(parts)
    [instance, _] = await two_instances(parts)
    async with parts.database.transaction() as connection:
        await connection.run(
            "INSERT INTO revocations (user_id, login_id, reason) VALUES (%s, %s, 'logged_out')",
            (slow.user.id, slow.login_id),
        )
        await parts.logins.logout(quick.login_id)
        await instance.list.poll()
        assert [revoked.login_id for revoked in instance.heard] == [quick.login_id]
    await instance.list.poll()
    assert [revoked.login_id for revoked in instance.heard] == [quick.login_id, slow.login_id]


async def test_suspension_is_heard_of_lifted_and_ends_by_itself(parts: Parts) -> None:
    made = await guest(parts)
    [instance, _] = await two_instances(parts)

    async def suspend(until: object) -> None:
        await parts.database.run(
            "INSERT INTO revocations (user_id, reason, until) VALUES (%s, 'suspended', %s)", (made.user.id, until)
        )
        await instance.list.poll()

    await suspend(parts.clock.now() + timedelta(minutes=5))
    with pytest.raises(DeniedError) as caught:
        instance.check(made)
    assert caught.value.code == "suspended"
    assert instance.heard == [Revoked(made.user.id, None, "suspended")]
    await suspend(None)
    instance.check(made)
    assert len(instance.heard) == 1
    await suspend(parts.clock.now() + timedelta(minutes=5))
    parts.clock.move(300)
    instance.check(made)


async def test_who_was_suspended_before_this_instance_started_stays_out(parts: Parts) -> None:
    made = await guest(parts)
    await parts.database.run("UPDATE users SET suspended_until = now() + interval '1 day'")
    parts.clock._now = (await parts.database.run("SELECT now()"))[0][0]
    fresh = parts.tokens.issue(made.user.id, made.login_id)
    [instance, _] = await two_instances(parts)
    with pytest.raises(DeniedError):
        instance.list.check(parts.tokens.verify(fresh))


async def test_what_no_token_can_outlive_is_forgotten(parts: Parts) -> None:
    """The list is as long as the sign-outs of a token's life, not as the history of the place."""
    ended = await guest(parts)
    await parts.logins.logout(ended.login_id)
    [instance, _] = await two_instances(parts)
    await parts.database.run("UPDATE revocations SET at = at - interval '901 seconds'")
    late = Instance(parts)
    await late.list.load()
    assert late.list._ended == {}
    instance.list._ended = {key: at - timedelta(seconds=901) for key, at in instance.list._ended.items()}
    await instance.list.poll()
    assert instance.list._ended == {}


async def test_old_rows_are_dropped(parts: Parts) -> None:
    for _ in range(3):
        await parts.logins.logout((await guest(parts)).login_id)
    [(newest,)] = await parts.database.run("SELECT max(at) FROM revocations")
    assert await rows.delete_before(parts.database, newest) == 2


async def test_a_device_of_another_cannot_be_signed_out(parts: Parts) -> None:
    mine, theirs = await guest(parts), await guest(parts)
    assert not await parts.logins.logout_device(mine.user.id, theirs.login_id)
    await parts.logins.identify(theirs.login_id)
    assert await parts.logins.logout_device(mine.user.id, mine.login_id)


async def test_a_scripts_token_ends_with_everything_else(parts: Parts) -> None:
    made = await guest(parts)
    claims = parts.tokens.verify(await parts.logins.issue_for(made.user.id))
    assert claims.login_id in await parts.logins.logout_everywhere(made.user.id)


async def test_a_changed_cookie_kills_the_old_one(parts: Parts) -> None:
    made = await guest(parts)
    cookie = await parts.logins.change_cookie(made.login_id, "device")
    assert (await parts.logins.authenticate_cookie(cookie)).login_id == made.login_id
    with pytest.raises(AuthError):
        await parts.logins.authenticate_cookie(made.cookie_token)
    await parts.logins.logout(made.login_id)
    with pytest.raises(AuthError):
        await parts.logins.change_cookie(made.login_id, "device")
