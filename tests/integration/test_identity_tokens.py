"""Keys and access tokens over a real database: rotation, and every forged token refused."""

from __future__ import annotations

import asyncio
import base64
import json
from functools import partial
from typing import Any

import pytest

from idling_ws.domain.ids import UserId
from idling_ws.identity.keys import PICKUP_S, KeyRing
from idling_ws.identity.sealing import SealBrokenError
from idling_ws.identity.tokens import LoginId, Tokens, UnknownKeyError
from idling_ws.store.postgres import Database
from tests.support.clocks import MovableClock
from tests.support.identity import ISSUER, SECRET, Parts, build, code_of, open_parts

USER = UserId(42)
LOGIN = LoginId("0193-a-login")


@pytest.fixture
async def parts(migrated_url: str) -> Any:
    async with open_parts(migrated_url) as opened:
        yield opened


async def test_a_token_says_whose_it_is(parts: Parts) -> None:
    """Claims and header are those of RFC 9068, and a second look gives the same."""
    token = parts.tokens.issue(USER, LOGIN)
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    payload = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))

    claims = parts.tokens.verify(token)

    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": parts.keyring.signing_key.kid}
    assert (payload["aud"], payload["iss"], payload["sub"], payload["sid"]) == ("idling", ISSUER, "42", LOGIN)
    assert claims.expires_at - claims.issued_at == 900
    assert claims == parts.tokens.verify(token)
    assert parts.tokens.verify(parts.tokens.issue(USER, LOGIN)).jti != claims.jti


async def test_a_token_ends_when_it_says_so_remembered_or_not(parts: Parts) -> None:
    """The last second is alive, the next is not; for known tokens too."""
    token = parts.tokens.issue(USER, LOGIN, ttl_s=60)
    parts.tokens.verify(token)
    parts.clock.move(59)
    parts.tokens.verify(token)
    parts.clock.move(1)
    assert code_of(lambda: parts.tokens.verify(token)) == "token_expired"
    parts.tokens.forget()
    assert code_of(lambda: parts.tokens.verify(token)) == "token_expired"


async def test_tokens_remembered_are_bounded(parts: Parts) -> None:
    tokens = Tokens(parts.keyring, ISSUER, parts.clock, remembered=3)
    made = [tokens.issue(USER, LoginId(f"login-{n}")) for n in range(10)]
    assert [f"login-{n}" for n in range(10)] == [tokens.verify(token).login_id for token in made]
    assert len(tokens._known) == 3


async def test_two_instances_that_start_at_once_share_one_first_key(migrated_url: str) -> None:
    """Ten rings over one empty table end with one signing key, the same for all."""
    database = Database(migrated_url, max_size=10)
    await database.open()
    clock = MovableClock()
    rings = [KeyRing(database, SECRET, clock) for _ in range(10)]
    await asyncio.gather(*(ring.load() for ring in rings))
    assert len({ring.signing_key.kid for ring in rings}) == 1
    assert len(await database.run("SELECT 1 FROM signing_keys")) == 1
    await database.close()


async def test_private_keys_are_unreadable_at_rest_and_without_the_secret(parts: Parts) -> None:
    [(kid, sealed, public)] = await parts.database.run("SELECT kid, private_sealed, public_jwk FROM signing_keys")
    assert "d" not in json.loads(public)
    private = str(parts.keyring.signing_key.key.as_dict(private=True)["d"])
    raw = base64.urlsafe_b64decode(private + "==")
    assert private.encode() not in bytes(sealed)
    assert raw not in bytes(sealed)

    with pytest.raises(SealBrokenError, match="IDLING_SECRET_KEY"):
        await build(parts.database, parts.clock, secret="another secret").keyring.load()

    # A row given another's name does not open either.
    await parts.database.run("UPDATE signing_keys SET kid = 'moved' WHERE kid = %s", (kid,))
    with pytest.raises(SealBrokenError):
        await build(parts.database, parts.clock).keyring.load()


async def test_a_lost_secret_is_cured_by_rotation(parts: Parts) -> None:
    """Tokens of before verify on: only signing needed the lost private key."""
    token = parts.tokens.issue(USER, LOGIN)
    other = build(parts.database, parts.clock, secret="another secret")
    await other.keyring.rotate()
    assert other.tokens.verify(token).user_id == USER
    assert other.tokens.verify(other.tokens.issue(USER, LOGIN)).user_id == USER


async def test_rotation_overlaps_until_the_last_token_is_gone(parts: Parts) -> None:
    """The other instance signs with the old key until it looks; all of it verifies to its end."""
    other = build(parts.database, parts.clock)
    await other.keyring.load()
    old_kid = parts.keyring.signing_key.kid
    before = parts.tokens.issue(USER, LOGIN)

    new_kid = await parts.keyring.rotate()

    assert new_kid != old_kid
    assert parts.tokens.verify(parts.tokens.issue(USER, LOGIN)).kid == new_kid
    assert parts.tokens.verify(before).kid == old_kid
    assert [key["kid"] for key in parts.keyring.public_jwks()["keys"]] == [new_kid, old_kid]

    parts.clock.move(PICKUP_S)
    late = other.tokens.issue(USER, LOGIN)  # has not looked yet
    parts.clock.move(899)
    assert parts.tokens.verify(late).kid == old_kid
    parts.clock.move(1)
    parts.tokens.forget()
    assert code_of(lambda: parts.tokens.verify(late)) == "unauthenticated"
    await parts.keyring.refresh()
    assert [key["kid"] for key in parts.keyring.public_jwks()["keys"]] == [new_kid]
    [(sealed,)] = await parts.database.run("SELECT private_sealed FROM signing_keys WHERE kid = %s", (old_kid,))
    assert bytes(sealed) == b""


async def test_a_key_that_leaked_is_refused_at_once_remembered_tokens_too(parts: Parts) -> None:
    first = parts.tokens.issue(USER, LOGIN)
    await parts.keyring.rotate()
    second = parts.tokens.issue(USER, LOGIN)
    parts.tokens.verify(first)
    parts.tokens.verify(second)
    await parts.keyring.rotate(at_once=True)
    for token in (first, second):
        assert code_of(partial(parts.tokens.verify, token)) == "unauthenticated"
    assert len(parts.keyring.public_jwks()["keys"]) == 1


async def test_rotations_at_the_same_moment_leave_one_current_key(parts: Parts) -> None:
    rings = [build(parts.database, parts.clock).keyring for _ in range(6)]
    await asyncio.gather(*(ring.rotate() for ring in rings))
    current = await parts.database.run("SELECT kid FROM signing_keys WHERE retired_at IS NULL")
    assert len(current) == 1


async def test_a_token_of_a_key_just_made_is_good_however_lately_one_looked(parts: Parts) -> None:
    other = build(parts.database, parts.clock)
    await other.keyring.load()
    await parts.keyring.rotate()
    token = parts.tokens.issue(USER, LOGIN)

    with pytest.raises(UnknownKeyError):
        other.tokens.verify(token)
    assert (await other.tokens.verify_anew(token)).user_id == USER


async def test_a_crowd_with_tokens_of_a_new_key_is_let_in_and_a_flood_of_made_up_kids_makes_few_looks(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = build(parts.database, parts.clock)
    await other.keyring.load()
    looks = 0
    refresh = other.keyring.refresh

    async def count() -> None:
        nonlocal looks
        looks += 1
        await refresh()

    monkeypatch.setattr(other.keyring, "refresh", count)
    await parts.keyring.rotate()
    tokens = [parts.tokens.issue(USER, LOGIN) for _ in range(50)]
    found = await asyncio.gather(*(other.tokens.verify_anew(token) for token in tokens))
    assert {claims.user_id for claims in found} == {USER}

    _, _, said = tokens[0].partition(".")
    heads = [json.dumps({"alg": "ES256", "typ": "at+jwt", "kid": f"made-up-{n}"}).encode() for n in range(200)]
    made_up = [f"{base64.urlsafe_b64encode(head).rstrip(b'=').decode()}.{said}" for head in heads]
    refused = await asyncio.gather(*(other.tokens.verify_anew(token) for token in made_up), return_exceptions=True)
    assert {type(answer) for answer in refused} == {UnknownKeyError}
    assert looks <= 4


async def test_a_long_life_is_refused_until_the_key_is_kept_that_long(parts: Parts) -> None:
    with pytest.raises(ValueError, match="outlive"):
        parts.tokens.issue(USER, LOGIN, ttl_s=7200)
    await parts.keyring.allow_ttl(7200)
    token = parts.tokens.issue(USER, LOGIN, ttl_s=7200)
    await parts.keyring.rotate()
    parts.clock.move(7199)
    await parts.keyring.refresh()
    assert parts.tokens.verify(token).user_id == USER
