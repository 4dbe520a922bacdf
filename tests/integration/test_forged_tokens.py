"""Forged access tokens over a real database: whatever is wrong with one, it is refused."""

from __future__ import annotations

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

from idling_ws.domain.ids import UserId
from idling_ws.identity.tokens import LoginId
from tests.support.identity import ISSUER, Parts, build, code_of, open_parts

USER = UserId(42)
LOGIN = LoginId("0193-a-login")


@pytest.fixture
async def parts(migrated_url: str) -> Any:
    async with open_parts(migrated_url) as opened:
        yield opened


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
