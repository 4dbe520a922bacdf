"""A service that lies: tokens and user information that say something wrong make no account."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from scripts.fake_provider import CLIENT_SECRET
from tests.support.providers.served import (
    MoodyTwitch,
)
from tests.support.sign_in_place import Place, refused

OTHER_RSA = RSAKey.generate_key(2048, parameters={"kid": "1"})


def unsigned(claims: dict[str, Any]) -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"none","kid":"1"}').rstrip(b"=").decode()
    return f"{head}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}."


def by_secret(claims: dict[str, Any]) -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"1"}').rstrip(b"=").decode()
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    proof = hmac.digest(CLIENT_SECRET.encode(), f"{head}.{body}".encode(), hashlib.sha256)
    return f"{head}.{body}.{base64.urlsafe_b64encode(proof).rstrip(b'=').decode()}"


CLAIM_LIES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "another issuer": lambda c: c | {"iss": "https://evil.test"},
    "issuer with a slash": lambda c: c | {"iss": c["iss"] + "/"},
    "no issuer": lambda c: c | {"iss": ...},
    "another audience": lambda c: c | {"aud": "somebody-else"},
    "no audience": lambda c: c | {"aud": ...},
    "audience among strangers": lambda c: c | {"aud": [c["aud"], "x"], "azp": "x"},
    "another azp": lambda c: c | {"azp": "somebody-else"},
    "another nonce": lambda c: c | {"nonce": "x"},
    "no nonce": lambda c: c | {"nonce": ...},
    "expired": lambda c: c | {"exp": c["iat"] - 600, "iat": c["iat"] - 900},
    "no expiry": lambda c: c | {"exp": ...},
    "expiry that is none": lambda c: c | {"exp": "tomorrow"},
    "from the future": lambda c: c | {"iat": c["iat"] + 3600, "exp": c["exp"] + 3600},
    "not yet valid": lambda c: c | {"nbf": c["iat"] + 3600},
    "another access token's hash": lambda c: c | {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    "no subject": lambda c: c | {"sub": ...},
    "empty subject": lambda c: c | {"sub": ""},
    "numeric subject": lambda c: c | {"sub": 7},
    "subject too long": lambda c: c | {"sub": "7" * 300},
    "subject with a NUL": lambda c: c | {"sub": "7\x00"},
    "subject of another": lambda c: c | {"sub": "1"},
}

SIGNATURE_LIES: dict[str, Callable[[dict[str, Any]], str]] = {
    "unsigned": unsigned,
    "signed with our secret": by_secret,
    "signed by a stranger": lambda c: jwt.encode({"alg": "RS256", "kid": "1"}, c, OTHER_RSA),
    "signed by a key not announced": lambda c: jwt.encode({"alg": "RS256", "kid": "2"}, c, OTHER_RSA),
    "another algorithm": lambda c: jwt.encode({"alg": "ES256", "kid": "1"}, c, ECKey.generate_key("P-256")),
    "not a token": lambda _: "a.b.c",
    "nothing": lambda _: "",
    "too long": lambda c: jwt.encode({"alg": "RS256", "kid": "1"}, c | {"x": "y" * 100_000}, OTHER_RSA),
}


@pytest.mark.parametrize("lie", CLAIM_LIES)
async def test_an_id_token_that_says_something_wrong_is_refused(place: Place, twitch: MoodyTwitch, lie: str) -> None:
    twitch.change_claims = CLAIM_LIES[lie]
    if "subject" in lie and lie != "subject of another":
        # The user information agrees, so that nothing but the subject itself is left to be refused.
        twitch.change_userinfo = CLAIM_LIES[lie]
    assert (await refused(place)).code == "provider_wrong"
    twitch.change_claims = twitch.change_userinfo = dict
    await place.entered("twitch", "ada")


@pytest.mark.parametrize("lie", SIGNATURE_LIES)
async def test_an_id_token_signed_wrongly_is_refused(place: Place, twitch: MoodyTwitch, lie: str) -> None:
    twitch.sign_with = SIGNATURE_LIES[lie]
    assert (await refused(place)).code == "provider_wrong"


async def test_user_information_of_another_is_refused(place: Place, twitch: MoodyTwitch) -> None:
    twitch.change_userinfo = lambda claims: claims | {"sub": "1"}
    assert (await refused(place)).code == "provider_wrong"


@pytest.mark.parametrize(
    "change",
    [
        lambda tokens: {name: value for name, value in tokens.items() if name != "id_token"},
        lambda tokens: {name: value for name, value in tokens.items() if name != "access_token"},
        lambda tokens: tokens | {"access_token": 7},
        lambda tokens: tokens | {"token_type": "mac"},
        lambda tokens: tokens | {"id_token": ["x"]},
    ],
)
async def test_tokens_that_are_none_are_refused(place: Place, twitch: MoodyTwitch, change: Any) -> None:
    twitch.change_tokens = change
    assert (await refused(place)).code == "provider_wrong"
