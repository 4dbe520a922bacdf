"""Coming in at a socket: the upgrade, who it is, and the tokens while it is open."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bystander import Bystander
from tests.support.instances import Instance
from tests.support.minting import mint
from tests.support.rows import run_sql
from tests.support.shapes import is_error
from tests.support.wire_client import (
    Answer,
    ClosedError,
    Device,
    Login,
    RefusedError,
    call,
    connect,
    metric,
    sign_in,
    upgrade,
)

Pair = tuple[Instance, Instance]


async def refusal(base: str, **how: Any) -> dict[str, Any]:
    """Return the problem with which an upgrade is refused, its status among the members."""
    with pytest.raises(RefusedError) as refused:
        await upgrade(base, **how)
    answer = Answer(refused.value.status, {"Content-Type": "application/json"}, refused.value.body.encode())
    assert refused.value.headers["content-type"].startswith("application/problem+json")
    assert answer.json["status"] == refused.value.status
    return dict(answer.json)


# -- the upgrade ---------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [None, "", "idling.v2", "IDLING.V1", "idling.v1x", "graphql-ws, idling.v2"])
async def test_without_our_subprotocol_there_is_no_upgrade(door: str, protocol: str | None) -> None:
    """400, before anything else is looked at."""
    assert (await refusal(door, protocol=protocol))["status"] == 400


@pytest.mark.parametrize("protocol", ["idling.v1", "idling.v2, idling.v1", "idling.v1,other"])
async def test_our_subprotocol_may_stand_among_others(door: str, protocol: str) -> None:
    """And is the one that is chosen."""
    async with await upgrade(door, protocol=protocol):
        pass


@pytest.mark.parametrize(
    "headers",
    [
        {"Upgrade": None}, {"Upgrade": "h2c"}, {"Connection": "keep-alive"}, {"Sec-WebSocket-Version": "8"},
        {"Sec-WebSocket-Version": None}, {"Sec-WebSocket-Key": None}, {"Sec-WebSocket-Key": "AAAA"},
        {"Sec-WebSocket-Key": "not base64 at all!!!!!!!"}, {"Content-Length": "4"}, {"Transfer-Encoding": "chunked"},
    ],
)  # fmt: skip
async def test_a_request_that_is_no_handshake_is_refused(
    pair: Pair, bystander: Bystander, headers: dict[str, str | None]
) -> None:
    """With a problem; one that has a body too, because what follows it would be taken for frames."""
    behind = b"0\r\n\r\n" if "Transfer-Encoding" in headers else b"body" if "Content-Length" in headers else b""
    async with bystander.undisturbed():
        assert (await refusal(pair[0].url, headers=headers, behind=behind))["status"] == 400


async def test_a_head_request_opens_nothing(pair: Pair) -> None:
    """Not a socket, and not a stream."""
    for path, accept in (("/ws", "*/*"), ("/api/events", "text/event-stream")):
        login = await sign_in(pair[0].url)
        answer = await call(pair[0].url, "HEAD", path, token=login.token, headers={"Accept": accept})
        assert answer.status == 405


# -- who it is -----------------------------------------------------------------------


def _origins(own: str) -> dict[str, str | None]:
    port = own.rpartition(":")[2]
    return {
        "absent": None,
        "null": "null",
        "empty": "",
        "foreign": "https://evil.example",
        "a suffix": f"{own}.evil.example",
        "a longer port": f"{own}0",
        "another port": f"http://127.0.0.1:{int(port) + 1}",
        "no port": "http://127.0.0.1",
        "another scheme": own.replace("http://", "https://"),
        "another case": own.replace("http://", "HTTP://"),
        "a subdomain": f"http://x.127.0.0.1:{port}",
        "another name of the host": f"http://localhost:{port}",
        "a path behind": f"{own}/",
        "a user before": own.replace("http://", "http://user@"),
        "two": f"{own}, https://evil.example",
    }


@pytest.mark.parametrize("what", _origins("http://127.0.0.1:1"))
async def test_a_cookie_needs_an_origin_of_ours(pair: Pair, bystander: Bystander, what: str) -> None:
    """403 before the upgrade, whatever the page may call itself."""
    login = await sign_in(pair[0].url)
    origin = _origins(pair[0].url)[what]
    async with bystander.undisturbed():
        problem = await refusal(pair[0].url, headers={"Cookie": login.cookie, "Origin": origin})
        assert problem["status"] == 403
        assert problem["code"] == "forbidden"


async def test_two_origins_are_none(pair: Pair) -> None:
    """A browser sends one; whoever adds another wants to be taken for somebody else."""
    login = await sign_in(pair[0].url)
    twice = f"{pair[0].url}\r\nOrigin: https://evil.example"
    assert (await refusal(pair[0].url, headers={"Cookie": login.cookie, "Origin": twice}))["status"] == 403


async def test_a_cookie_from_our_own_page_or_an_allowed_one_is_enough(door: str, pair: Pair) -> None:
    """The public URL's origin, and whatever ``IDLING_ALLOWED_ORIGINS`` adds."""
    login = await sign_in(door)
    async with await connect(door, None, headers={"Cookie": login.cookie, "Origin": pair[0].url}) as device:
        assert device.welcome["user"]["id"] == login.user_id
        assert "token_expires_in_s" not in device.welcome
    async with await connect(pair[0].url, None, headers={"Cookie": login.cookie, "Origin": pair[1].url}) as device:
        assert device.welcome["user"]["id"] == login.user_id


async def test_a_token_may_come_from_anywhere(door: str) -> None:
    """In the header or in hello: only code that holds it can send it, so the origin says nothing."""
    login = await sign_in(door)
    foreign = {"Origin": "https://elsewhere.example"}
    async with await connect(door, login.token, headers=foreign) as device:
        assert device.welcome["user"]["id"] == login.user_id
    async with await connect(door, None, headers={**foreign, "Authorization": f"Bearer {login.token}"}) as device:
        assert device.welcome["user"]["id"] == login.user_id
        assert 780 <= device.welcome["token_expires_in_s"] <= 900


async def test_a_bad_token_in_the_header_is_refused_before_the_upgrade(door: str) -> None:
    """401 with a problem."""
    problem = await refusal(door, headers={"Authorization": "Bearer a.b.c"})
    assert (problem["status"], problem["code"]) == (401, "unauthenticated")


async def test_a_token_in_the_url_counts_for_nothing(door: str) -> None:
    """URLs end up in logs and histories."""
    login = await sign_in(door)
    with pytest.raises(ClosedError) as closed:
        await connect(door, None, path=f"/ws?token={login.token}&access_token={login.token}")
    assert closed.value.code == 4001


@pytest.mark.parametrize("token", [None, "", "x", "a.b.c", "\0", "x" * 3000])
async def test_nobody_is_closed_with_4001(door: str, bystander: Bystander, token: str | None) -> None:
    """After a bye that says so."""
    wire = await upgrade(door)
    async with bystander.undisturbed():
        wire.send({"type": "hello", "client": {}, **({} if token is None else {"token": token})})
        bye = await wire.expect("bye")
        assert (bye["code"], bye["reason"], bye["retry_ms"]) == (4001, "invalid_token", 0)
        assert (await wire.expect_close()).code == 4001


async def test_who_says_nothing_of_themselves_is_no_error_and_a_bad_token_is(door: str) -> None:
    """A page asks whether somebody is in before anybody has come in: the board of errors has nothing of it."""
    name = 'idling_errors_total{code="unauthenticated"}'
    before = await metric(door, name)
    for token, more in ((None, 0), ("a.b.c", 1)):
        wire = await upgrade(door)
        wire.send({"type": "hello", "client": {}, **({} if token is None else {"token": token})})
        assert (await wire.expect_close()).code == 4001
        assert await metric(door, name) == before + more


async def test_an_expired_token_is_closed_with_4203(door: str, pair: Pair) -> None:
    """Refresh it first, then come back."""
    login = await sign_in(door)
    with pytest.raises(ClosedError) as closed:
        await connect(door, await mint(pair[0], login, ttl_s=0))
    assert closed.value.code == 4203


async def test_an_ended_login_is_closed_with_4004(pair: Pair) -> None:
    """A token outlives its login; the socket does not."""
    login = await sign_in(pair[0].url)
    device = await connect(pair[0].url, login.token)
    assert (await call(pair[0].url, "POST", "/auth/logout", token=login.token)).status == 200
    assert (await device.expect_close()).code == 4004
    for instance in pair:
        with pytest.raises(ClosedError) as closed:
            await connect(instance.url, login.token)
        assert closed.value.code == 4004


async def test_somebody_suspended_is_closed_with_4003(pair: Pair, pair_url: str) -> None:
    """For as long as it holds."""
    login = await sign_in(pair[0].url)
    until = "UPDATE users SET suspended_until = now() + make_interval(secs => %s) WHERE id = %s"
    run_sql(pair_url, until, 3600, login.user_id)
    with pytest.raises(ClosedError) as closed:
        await connect(pair[0].url, login.token)
    assert closed.value.code == 4003
    run_sql(pair_url, until, -1, login.user_id)
    async with await connect(pair[0].url, login.token):
        pass


async def test_an_ended_cookie_leaves_it_to_hello(pair: Pair) -> None:
    """A browser sends its old cookie whether it is good or not."""
    login, other = await sign_in(pair[0].url), await sign_in(pair[0].url)
    assert (await call(pair[0].url, "POST", "/auth/logout", token=login.token)).status == 200
    old = {"Cookie": login.cookie, "Origin": pair[0].url}
    async with await connect(pair[0].url, other.token, headers=old) as device:
        assert device.welcome["user"]["id"] == other.user_id
    with pytest.raises(ClosedError) as closed:
        await connect(pair[0].url, None, headers=old)
    assert closed.value.code == 4001


# -- tokens while it is open ---------------------------------------------------------


async def test_a_token_is_refreshed_on_the_open_socket(door: str, pair: Pair) -> None:
    """The socket then lives as long as the new one."""
    login = await sign_in(door)
    async with await connect(door, await mint(pair[0], login, ttl_s=90)) as device:
        assert 0 < device.welcome["token_expires_in_s"] <= 90
        device.send({"type": "refresh", "token": login.token})
        assert 780 <= (await device.expect("refreshed"))["expires_in_s"] <= 900


async def in_by_a_short_token(door: str, signer: Instance, login: Login) -> tuple[Device, Device]:
    """Connect twice by one token that ends soon; the second has been refreshed in time.

    How soon is too soon depends on the machine.
    """
    for ttl_s in (2, 8, 32):
        short = await mint(signer, login, ttl_s=ttl_s)
        try:
            ends, goes_on = await connect(door, short), await connect(door, short)
            goes_on.send({"type": "refresh", "token": login.token})
            await goes_on.expect("refreshed")
        except ClosedError as late:
            if late.code != 4203:
                raise
        else:
            return ends, goes_on
    raise AssertionError("no token lived long enough")


async def test_a_socket_ends_with_its_token(door: str, pair: Pair) -> None:
    """4203, when it has not been refreshed in time; one that was goes on."""
    login = await sign_in(door)
    ends, goes_on = await in_by_a_short_token(door, pair[0], login)
    bye = await ends.expect("bye")
    assert (bye["code"], bye["reason"]) == (4203, "token_expired")
    assert (await ends.expect_close()).code == 4203
    async with goes_on:
        assert (await goes_on.mutate("profile.update", {"bio": "still here"}))["status"] == "confirmed"


async def test_only_ones_own_living_token_refreshes(pair: Pair) -> None:
    """Not somebody else's, not an expired one, not one whose login has ended; the socket stays."""
    login, other = await sign_in(pair[0].url), await sign_in(pair[0].url)
    async with await connect(pair[0].url, login.token) as device:
        device.send({"type": "refresh", "token": other.token})
        assert is_error((await device.expect("error"))["error"], "unauthenticated")
        device.send({"type": "refresh", "token": await mint(pair[0], login, ttl_s=0)})
        assert is_error((await device.expect("error"))["error"], "token_expired")
        second = await mint(pair[0], login, ttl_s=60)
        run_sql(
            pair[0].settings["DATABASE_URL"], "UPDATE logins SET revoked_at = now() WHERE user_id = %s", login.user_id
        )
        device.send({"type": "refresh", "token": second})
        assert is_error((await device.expect("error"))["error"], "unauthenticated")
