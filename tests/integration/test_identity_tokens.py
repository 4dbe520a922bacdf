"""Keys and access tokens over a real database: rotation, and every forged token refused."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from idling_ws.domain.errors import AuthError
from idling_ws.domain.ids import UserId
from idling_ws.identity.keys import PICKUP_S, KeyRing
from idling_ws.identity.sealing import SealBrokenError
from idling_ws.identity.tokens import LoginId, Tokens, UnknownKeyError
from idling_ws.store.postgres import Database
from tests.support.clocks import MovableClock
from tests.support.identity import ISSUER, SECRET, Parts, build, open_parts

USER = UserId(42)
LOGIN = LoginId("0193-a-login")


@pytest.fixture
async def parts(migrated_url: str) -> Any:
    async with open_parts(migrated_url) as opened:
        yield opened


def code_of(check: Callable[[], object]) -> str:
    with pytest.raises(AuthError) as caught:
        check()
    return caught.value.code


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

    made_up = [signed(parts, {"kid": f"made-up-{n}"}) for n in range(200)]
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


# -- forged tokens ---------------------------------------------------------------------------


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def good_payload(parts: Parts, **changes: object) -> dict[str, object]:
    now = int(parts.clock.now().timestamp())
    claims: dict[str, object] = {
        "iss": ISSUER,
        "aud": "idling",
        "sub": "42",
        "sid": LOGIN,
        "jti": "j",
        "iat": now,
        "exp": now + 900,
    }
    claims.update(changes)
    return {name: value for name, value in claims.items() if value is not ...}


def signed(parts: Parts, header: dict[str, Any] | None = None, **claims: object) -> str:
    """Sign anything with the real key: only what is said can be wrong, not the signature."""
    real = {"alg": "ES256", "typ": "at+jwt", "kid": parts.keyring.signing_key.kid}
    head = b64(json.dumps(real if header is None else real | header).encode())
    body = b64(json.dumps(good_payload(parts, **claims)).encode())
    proof = parts.keyring.signing_key.key.get_op_key("sign")
    r, s = decode_dss_signature(proof.sign(f"{head}.{body}".encode(), ECDSA(SHA256())))
    return f"{head}.{body}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def hs_confusion(parts: Parts) -> Iterator[str]:
    """HS256 with every spelling of the public key as the shared secret."""
    key = parts.keyring.signing_key.key
    head = b64(json.dumps({"alg": "HS256", "typ": "at+jwt", "kid": parts.keyring.signing_key.kid}).encode())
    body = b64(json.dumps(good_payload(parts)).encode())
    secrets = [
        key.as_pem(private=False),
        key.as_der(private=False),
        json.dumps(key.as_dict(private=False)).encode(),
        json.dumps(parts.keyring.public_jwks()["keys"][0]).encode(),
    ]
    for secret in secrets:
        proof = hmac.digest(secret, f"{head}.{body}".encode(), hashlib.sha256)
        yield f"{head}.{body}.{b64(proof)}"


def own_key(parts: Parts, **more: object) -> str:
    """An attacker's own key, offered along in the header."""
    key = ECKey.generate_key("P-256")
    header = {"alg": "ES256", "typ": "at+jwt", "kid": parts.keyring.signing_key.kid}
    offered = {name: key.as_dict(private=False) if value == "key" else value for name, value in more.items()}
    return jws.serialize_compact(
        header | offered,
        json.dumps(good_payload(parts)).encode(),
        key,
        registry=jws.JWSRegistry(strict_check_header=False),
    )


NO_TIMES: list[object] = [..., None, "9999999999", 1e300, True, [], -1.5]

FORGERIES: dict[str, Callable[[Parts], str | list[str]]] = {
    "alg none": lambda p: [
        f"{b64(json.dumps({'alg': alg, 'typ': 'at+jwt', 'kid': p.keyring.signing_key.kid}).encode())}."
        f"{b64(json.dumps(good_payload(p)).encode())}.{tail}"
        for alg in ("none", "None", "NONE", "nOnE", "")
        for tail in ("", "AA", signed(p).rpartition(".")[2])
    ],
    "HS256 with the public key": lambda p: list(hs_confusion(p)),
    "RS256": lambda p: jws.serialize_compact(
        {"alg": "RS256", "typ": "at+jwt", "kid": p.keyring.signing_key.kid},
        json.dumps(good_payload(p)).encode(),
        RSAKey.generate_key(2048),
    ),
    "another algorithm over our key": lambda p: [
        signed(p, {"alg": alg}) for alg in ("ES384", "ES512", "ES256K", "PS256", "EdDSA", "es256", "HS256", ["ES256"])
    ],
    "another's key": own_key,
    "jwk in the header": lambda p: own_key(p, jwk="key"),
    "jku, x5u, x5c in the header": lambda p: [
        own_key(p, jku="https://evil.test/jwks.json"),
        own_key(p, x5u="https://evil.test/x.pem"),
        own_key(p, x5c=["MIIB"]),
        signed(p, {"jku": f"{ISSUER}/.well-known/jwks.json"}),
    ],
    "crit in the header": lambda p: [
        signed(p, {"crit": ["exp"]}),
        signed(p, {"crit": ["b64"], "b64": False}),
    ],
    "any more in the header": lambda p: [signed(p, {"cty": "JWT"}), signed(p, {"zip": "DEF"})],
    "wrong typ": lambda p: [signed(p, {"typ": typ}) for typ in ("JWT", "at+JWT", "application/at+jwt", "", None, 1)],
    "wrong aud": lambda p: [signed(p, aud=aud) for aud in ("other", ["idling"], ["idling", "x"], "", None, ...)],
    "wrong iss": lambda p: [signed(p, iss=iss) for iss in ("https://evil.test", ISSUER + "/", "", None, ...)],
    "not yet valid": lambda p: [
        signed(p, iat=int(p.clock.now().timestamp()) + 3600),
        signed(p, nbf=int(p.clock.now().timestamp()) + 3600),
    ],
    "times that are none": lambda p: [
        *(signed(p, exp=value) for value in NO_TIMES),
        *(signed(p, iat=value) for value in NO_TIMES),
        *(signed(p, nbf=value) for value in NO_TIMES[1:]),
    ],
    "subject that is none": lambda p: [
        signed(p, sub=sub) for sub in (..., 42, "", "x", "-1", "4 2", "\u0664\u0662", None)
    ],
    "login or jti missing": lambda p: [signed(p, sid=...), signed(p, jti=...), signed(p, sid=7)],
    "unknown kid": lambda p: [signed(p, {"kid": kid}) for kid in ("x", "", "../../etc/passwd", None, 7, ["x"])],
    "changed payload": lambda p: ".".join(
        [signed(p).split(".")[0], b64(json.dumps(good_payload(p, sub="1")).encode()), signed(p).split(".")[2]]
    ),
    "cut or empty signature": lambda p: [signed(p)[:-1], signed(p).rpartition(".")[0] + ".", signed(p)[:-40]],
    "signature of zeros": lambda p: signed(p).rpartition(".")[0] + "." + b64(bytes(64)),
    "not a JWT": lambda _: [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "\x00",
        "\ud800",
        "x" * 1_000_000,
        "e30.e30.e30",
        "W10.W10.W10",
    ],
    "JWE and JSON serialisation": lambda p: ["a.b.c.d.e", json.dumps({"payload": signed(p).split(".")[1]})],
    "padding and white space": lambda p: [
        signed(p) + "=",
        " " + signed(p),
        signed(p) + "\n",
        signed(p).replace(".", ".."),
    ],
    "deep nesting": lambda p: b64(b"[" * 900) + "." + signed(p).partition(".")[2],
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_token_is_refused(parts: Parts, name: str) -> None:
    """A well-made token passes; each forgery differs from it in one thing, and does not."""
    assert parts.tokens.verify(signed(parts)).user_id == USER
    made = FORGERIES[name](parts)
    for token in [made] if isinstance(made, str) else made:
        assert code_of(partial(parts.tokens.verify, token)) == "unauthenticated", token


async def test_an_expired_token_is_told_apart_from_a_bad_one(parts: Parts) -> None:
    """Its owner can cure it by refreshing; a forger learns nothing, for its signature counts first."""
    past = int(parts.clock.now().timestamp()) - 1
    assert code_of(lambda: parts.tokens.verify(signed(parts, exp=past))) == "token_expired"
    forged = signed(parts, exp=past)[:-4] + "AAAA"
    assert code_of(lambda: parts.tokens.verify(forged)) == "unauthenticated"


async def test_another_places_token_is_refused(parts: Parts) -> None:
    """The same key under another public URL is another issuer."""
    other = build(parts.database, parts.clock, issuer="https://other.test")
    await other.keyring.load()
    assert code_of(lambda: parts.tokens.verify(other.tokens.issue(USER, LOGIN))) == "unauthenticated"
