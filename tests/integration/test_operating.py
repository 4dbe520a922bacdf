"""Roles and keys from the command line, beside servers that run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Iterator

import pytest

from tests.support.crowd import FULL_SIZE
from tests.support.instances import Instance, running_instances
from tests.support.raw_socket import ClosedError
from tests.support.rows import run_sql
from tests.support.servers import RedisServer
from tests.support.wire_client import call, connect, sign_in

# Promised where the machine is known to be quiet; elsewhere they must end, long before their tokens do.
PROMISED_S = 2.0 if FULL_SIZE else 45.0


async def idling(instance: Instance, *words: str, **settings: str) -> tuple[int, str]:
    """Run the command line with the settings of ``instance``; return its status and what it said."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("IDLING_")}
    environ |= {f"IDLING_{name}": value for name, value in {**instance.settings, **settings}.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "idling_ws", *words,
        env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return await process.wait(), said.decode()


@pytest.fixture
def instances(migrated_url: str, redis_server: RedisServer) -> Iterator[list[Instance]]:
    """Two of their own: keys are everybody's."""
    with running_instances(migrated_url, redis_server.url) as running:
        yield running


async def test_a_granted_role_shows_on_open_devices_and_holds(pair: tuple[Instance, Instance]) -> None:
    """An admin: state says so, the socket comes again with it, and the trail has who, what, before and after."""
    instances = pair
    login = await sign_in(instances[0].url)
    async with (
        await connect(instances[1].url, login.token) as device,
        await connect(instances[0].url, login.token) as other,
    ):
        status, said = await idling(instances[0], "user", "grant", "--user", str(login.user_id), "--role", "admin")
        assert (status, said.splitlines()[-1]) == (0, f"User {login.user_id} has the role admin.")
        # Each instance hears of it in its own time, and until then ends what has come meanwhile.
        assert (await device.expect_close()).code == 4203
        assert (await other.expect_close()).code == 4203
        cursor, state = device.cursor, device.state
    async with await connect(instances[0].url, login.token, cursor, state=state) as again:
        # The command publishes nothing itself: the entry may come before the end, or is caught up with.
        await again.reach(again.welcome["cursor"])
        assert again.state["profile"] == state["profile"] | {"roles": ["admin", "guest"], "version": 2}
        assert again.welcome["user"]["roles"] == ["admin", "guest"]
        verdict = await again.mutate("announcement.publish", {"title": "hello", "level": "info"})
        assert verdict["status"] == "confirmed"
    trail = "SELECT actor, action, outcome, before, after FROM audit_log WHERE action = 'user.grant' AND user_id = %s"
    [found] = run_sql(instances[0].settings["DATABASE_URL"], trail, login.user_id)
    assert found == ("operator", "user.grant", "confirmed", '{"roles":["guest"]}', '{"roles":["admin","guest"]}')


async def test_a_role_is_taken_away_again_but_not_the_only_one(pair: tuple[Instance, Instance]) -> None:
    instances = pair
    login = await sign_in(instances[0].url)
    words = ("--user", str(login.user_id), "--role")
    assert (await idling(instances[0], "user", "grant", *words, "member"))[0] == 0
    # A member is a guest no longer.
    assert run_sql(
        instances[0].settings["DATABASE_URL"], "SELECT role FROM roles WHERE user_id = %s", login.user_id
    ) == [("member",)]
    assert (await idling(instances[0], "user", "grant", *words, "moderator"))[0] == 0
    assert (await idling(instances[0], "user", "revoke", *words, "moderator"))[0] == 0
    status, said = await idling(instances[0], "user", "revoke", *words, "member")
    assert status == 1
    assert "only role" in said
    assert run_sql(
        instances[0].settings["DATABASE_URL"], "SELECT role FROM roles WHERE user_id = %s", login.user_id
    ) == [("member",)]


@pytest.mark.parametrize(
    ("words", "status", "complaint"),
    [
        (("grant", "--user", "999999", "--role", "admin"), 1, "There is no user 999999."),
        (("grant", "--user", "0", "--role", "admin"), 2, "0 is not in the range"),
        (("grant", "--user", "x", "--role", "admin"), 2, "not a valid integer"),
        (("grant", "--user", "1", "--role", "owner"), 2, "'owner' is not one of"),
        (("grant", "--user", "{id}", "--role", "guest"), 1, "have that role already"),
        (("revoke", "--user", "{id}", "--role", "admin"), 1, "do not have that role"),
    ],
)
async def test_a_change_of_roles_that_makes_no_sense_is_said(
    pair: tuple[Instance, Instance], words: tuple[str, ...], status: int, complaint: str
) -> None:
    login = await sign_in(pair[0].url)
    ended, said = await idling(pair[0], "user", *(word.format(id=login.user_id) for word in words))
    assert (ended, complaint in said, "Traceback" in said) == (status, True, False), said


async def test_rotated_keys_leave_living_tokens_alive(instances: list[Instance]) -> None:
    """Tokens of the old key and of the new one are good at both; only the new one signs."""
    a, b = instances
    old = await sign_in(a.url)
    async with await connect(b.url, old.token) as device:
        status, said = await idling(a, "keys", "rotate")
        kid = said.split()[4]
        assert (status, said) == (0, f"Tokens are signed with {kid} from now on.\n")
        # Made by the command, which signs with the new key: nobody here has seen it yet.
        issued, line = await idling(a, "token", "issue", "--user", str(old.user_id))
        new_token = line.split('"access_token":"')[1].split('"')[0]
        for instance in instances:
            for token in (old.token, new_token):
                assert (await call(instance.url, "GET", "/api/snapshot", token=token)).status == 200
            jwks = (await call(instance.url, "GET", "/.well-known/jwks.json")).json["keys"]
            assert (issued, len(jwks), kid in {key["kid"] for key in jwks}) == (0, 2, True)
        assert (await device.mutate("profile.update", {"bio": "still here"}))["status"] == "confirmed"
    assert run_sql(a.settings["DATABASE_URL"], "SELECT actor FROM audit_log WHERE action = 'keys.rotate'") == [
        ("operator",)
    ]


async def test_keys_rotated_at_once_end_every_token_there_is_in_time(instances: list[Instance]) -> None:
    """Sockets that came by one are closed, whoever signed it; cookies go on, and get a token of the new key."""
    logins = [await sign_in(one.url) for one in instances]
    async with contextlib.AsyncExitStack() as stack:
        devices = [
            await stack.enter_async_context(await connect(one.url, login.token))
            for one, login in zip(instances, logins, strict=True)
        ]
        closing = [asyncio.create_task(device.expect_close()) for device in devices]
        assert (await idling(instances[0], "keys", "rotate", "--at-once"))[0] == 0
        since = time.monotonic()
        assert [closed.code for closed in await asyncio.gather(*closing)] == [4203, 4203]
        assert time.monotonic() - since <= PROMISED_S
    for instance in instances:
        assert len((await call(instance.url, "GET", "/.well-known/jwks.json")).json["keys"]) == 1
        for login in logins:
            assert (await call(instance.url, "GET", "/api/snapshot", token=login.token)).status == 401
            with pytest.raises(ClosedError) as refused:
                await connect(instance.url, login.token)
            assert refused.value.code == 4001
            cookie = {"Cookie": login.cookie, "Origin": instances[0].url}
            fresh = (await call(instance.url, "POST", "/auth/token", headers=cookie)).json["access_token"]
            assert (await call(instance.url, "GET", "/api/snapshot", token=fresh)).status == 200


async def test_a_lost_secret_is_said_and_cured_by_a_rotation(migrated_url: str, redis_url: str) -> None:
    """No traceback; and after the rotation the place opens with the new secret."""
    with running_instances(migrated_url, redis_url, 1) as (instance,):
        old = await sign_in(instance.url)
    other = {"SECRET_KEY": "another secret, as long as a secret has to be"}
    status, said = await idling(instance, "token", "issue", "--guests", "1", **other)
    assert (status, "idling-ws keys rotate" in said, "Traceback" in said) == (1, True, False), said
    assert (await idling(instance, "keys", "rotate", **other))[0] == 0
    with running_instances(migrated_url, redis_url, 1, **other) as (again,):
        headers = {"Cookie": old.cookie, "Origin": again.url}
        assert (await call(again.url, "POST", "/auth/token", headers=headers)).status == 200
