"""Signing in over HTTP: everything that is no way in."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.support.providers.served import answering, crashing, silent
from tests.support.sign_in_deployment import Place
from tests.support.tampering import TAMPERINGS as SHARED
from tests.support.tampering import Return, Tampering
from tests.support.visitor import A_PAGE, consent, error_of
from tests.support.wire_client import Answer

TAMPERINGS: dict[str, Tampering] = SHARED | {
    "state no text": lambda mine, _: mine.asking(state="\ud800.\u00e9\x00"),
    "nothing at all": lambda mine, _: replace(mine, query={}),
}


@pytest.mark.parametrize("case", TAMPERINGS)
async def test_a_tampered_answer_is_refused(place: Place, case: str) -> None:
    """Each differs from a good answer in one thing: a clear page or problem, no account, no login, no session."""
    first, second = place.visitor(), place.visitor()
    mine, other = [
        Return(await consent("twitch", await visitor.leave("twitch"), "mallory"), next(iter(visitor.cookies.values())))
        for visitor in (first, second)
    ]
    counted = place.count()
    bad = TAMPERINGS[case](mine, other)
    for headers in (A_PAGE, {"Accept": "application/json"}):
        visitor = place.visitor(**({} if bad.cookie is None else dict.fromkeys(first.cookies, bad.cookie)))
        answer = await visitor.come_back(bad.provider, bad.query, headers=headers)
        if headers is A_PAGE:
            assert error_of(answer) in ("login_failed", "provider_wrong", "provider_refused")
        else:
            assert answer.status in (400, 502)
            assert answer.headers["Content-Type"].startswith("application/problem+json")
            assert answer.json["code"] in ("login_failed", "provider_wrong", "provider_refused")
        assert "script" not in answer.body.decode() + answer.headers.get("Location", "")
        assert visitor.session_cookie is None
    assert place.count() == counted


async def test_a_parameter_that_comes_twice_is_refused(place: Place) -> None:
    """Who reads the first and who reads the last must not disagree."""
    visitor = place.visitor()
    query = await consent("twitch", await visitor.leave("twitch"), "twice")
    path = f"/auth/callback/twitch?state={query['state']}&code={query['code']}&code=other"
    assert error_of(await visitor.ask("GET", path, headers=A_PAGE)) == "login_failed"
    assert visitor.session_cookie is None


async def test_an_answer_counts_once_on_all_instances_together(place: Place) -> None:
    visitor = place.visitor()
    query = await consent("twitch", await visitor.leave("twitch"), "once")
    cookies = dict(visitor.cookies)
    assert error_of(await visitor.come_back("twitch", query)) is None
    counted = place.count()
    for _ in place.instances:
        again = place.visitor(**cookies)
        assert error_of(await again.come_back("twitch", query)) == "login_failed"
        assert again.session_cookie is None
    assert place.count() == counted


MOODS: dict[str, tuple[Any, str]] = {
    "answering 500": (crashing, "provider_unavailable"),
    "answering HTML": (answering("<h1>Hello</h1>", 200, "text/html"), "provider_wrong"),
    "answering a list": (answering("[]"), "provider_wrong"),
    "answering nothing": (answering(""), "provider_wrong"),
    "redirecting": (answering("", 302), "provider_wrong"),
    "silent": (silent, "provider_unavailable"),
}


@pytest.mark.parametrize("mood", MOODS)
async def test_a_service_that_fails_is_a_clear_page_and_no_account(place: Place, mood: str) -> None:
    """At the exchange of the code; and the next time it works."""
    counted = place.count()
    place.twitch.moods["/oauth2/token"], code = MOODS[mood]
    visitor = place.visitor()
    assert error_of(await visitor.sign_in("twitch", "unlucky")) == code
    assert visitor.session_cookie is None
    assert place.count() == counted


async def test_a_wrong_profile_is_a_clear_page_and_no_account(place: Place) -> None:
    counted = place.count()
    for change in ({"sub": 7}, {"sub": ""}, {"aud": "somebody-else"}, {"nonce": "x"}, {"iss": "https://evil.test"}):
        place.twitch.change_claims = lambda claims, change=change: claims | change  # type: ignore[misc]  # bound now
        visitor = place.visitor()
        assert error_of(await visitor.sign_in("twitch", "unlucky")) == "provider_wrong"
        assert visitor.session_cookie is None
    assert place.count() == counted


async def test_a_no_at_the_provider_is_a_clear_page(place: Place) -> None:
    visitor = place.visitor()
    query = await consent("twitch", await visitor.leave("twitch"), "no", yes="no")
    assert error_of(await visitor.come_back("twitch", query)) == "provider_refused"
    assert not visitor.cookies


async def test_a_provider_that_is_not_offered_is_not_found(place: Place) -> None:
    """Nothing of its name comes back or gets into the log as more than one line."""
    for name in ("nobody", "%0d%0aforged%20line", "%ff", "..%2f..%2fetc", "%00"):
        for path in (f"/auth/login/{name}", f"/auth/callback/{name}?state=x&code=y"):
            answer = await place.visitor().ask("GET", path, headers=A_PAGE)
            assert answer.status in (404, 400)
            assert answer.headers["Content-Type"].startswith("application/problem+json")
            assert "forged" not in answer.body.decode()
    for instance in place.instances:
        assert not [line for line in instance.log_path.read_text().splitlines() if line.startswith("forged")]


async def test_nothing_secret_is_logged(place: Place) -> None:
    """Neither codes nor states nor cookies nor tokens."""
    visitor = place.visitor()
    url = await visitor.leave("twitch")
    query = await consent("twitch", url, "discreet")
    cookies = list(visitor.cookies.values())
    await visitor.come_back("twitch", query | {"code": "made-up-code"})
    query2 = await consent("twitch", await visitor.leave("twitch"), "discreet")
    await visitor.come_back("twitch", query2)
    token = await visitor.token()
    nonce = dict(parse_qsl(urlsplit(url).query))["nonce"]
    logs = "".join(instance.log_path.read_text() for instance in place.instances)
    secrets = [query["state"], query["code"], query2["code"], "made-up-code", nonce, token, *cookies]
    for secret in (*secrets, visitor.session_cookie or ""):
        assert secret
        assert secret not in logs


async def test_a_failed_sign_in_is_audited(place: Place) -> None:
    """Once for each, whether a page or a problem answered it: what failed and why, and nothing that was sent."""
    visitor = place.visitor()
    query = await consent("twitch", await visitor.leave("twitch"), "audited")
    said = "SELECT outcome, after FROM audit_log WHERE action = 'login' AND trace_id = ANY(%s)"
    answers = [
        await place.visitor().come_back("twitch", query),
        await place.visitor().come_back("twitch", query, headers={"Accept": "application/json"}),
        await visitor.come_back("twitch", query | {"iss": "https://evil.test"}),
    ]
    traces = [answer.headers["X-Trace-Id"] for answer in answers]
    async with asyncio.timeout(60):  # it is written soon, not at once
        while len(found := place.rows(said, traces)) < 3:
            await asyncio.sleep(0.05)
    assert sorted(found) == sorted(
        [
            (
                "refused",
                '{"provider":"twitch","code":"login_failed","reason":"the attempt is not of this browser"}',
            )
        ]
        * 2
        + [("refused", '{"provider":"twitch","code":"provider_wrong","reason":"the answer names another issuer"}')]
    )


async def test_a_head_does_not_use_up_an_attempt(place: Place) -> None:
    """Link scanners ask for the head of everything."""
    visitor = place.visitor()
    query = await consent("twitch", await visitor.leave("twitch"), "scanned")
    answer: Answer = await visitor.ask("HEAD", f"/auth/callback/twitch?state={query['state']}&code={query['code']}")
    assert answer.status == 405
    assert error_of(await visitor.come_back("twitch", query)) is None
