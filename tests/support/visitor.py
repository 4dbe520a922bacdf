"""A visitor: one browser at the doors of a deployment. It keeps our cookies and goes where it is sent.

What it is sent to is the public URL; which instance answers there is up to the test, as it
is up to a load balancer. The provider's own pages are filled in by ``LittleBrowser``.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.support.providers.browser import LittleBrowser
from tests.support.wire_client import Answer, call

# Never dialled: a pretended service sends people back to this machine only.
PUBLIC_URL = "http://localhost:4080"
A_PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Visitor:
    """One browser. Requests go to the instances in turn, unless one is named."""

    def __init__(self, *bases: str, cookies: Mapping[str, str] | None = None) -> None:
        self._bases = itertools.cycle(bases)
        self.cookies: dict[str, str] = dict(cookies or {})

    @property
    def session_cookie(self) -> str | None:
        """The session cookie it holds."""
        return self.cookies.get("idling")

    @property
    def cookie_header(self) -> dict[str, str]:
        """Its cookies, as a header."""
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}

    async def ask(self, method: str, path: str, *, base: str | None = None, **options: Any) -> Answer:
        """Make one request with the cookies, from our own page; take over the cookies that come back."""
        headers = {**(self.cookie_header if self.cookies else {}), **options.pop("headers", {})}
        if method not in ("GET", "HEAD"):
            headers.setdefault("Origin", PUBLIC_URL)
        answer = await call(base or next(self._bases), method, path, headers=headers, allow_redirects=False, **options)
        for line in answer.headers.getall("Set-Cookie", []):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return answer

    async def leave(self, provider: str, next_path: str | None = None, **options: Any) -> str:
        """Begin a sign-in; return where the provider is."""
        query = "" if next_path is None else "?" + urlencode({"next": next_path})
        answer = await self.ask("GET", f"/auth/login/{provider}{query}", **options)
        assert answer.status == 303, answer.body
        return str(answer.headers["Location"])

    async def come_back(self, provider: str, query: Mapping[str, str], **options: Any) -> Answer:
        """Return from the provider with what it sent along."""
        path = f"/auth/callback/{provider}?{urlencode(query, errors='surrogatepass')}"
        return await self.ask("GET", path, **{"headers": A_PAGE, **options})

    async def sign_in(self, provider: str, who: str, next_path: str | None = None) -> Answer:
        """The whole way as ``who``."""
        return await self.come_back(provider, await consent(provider, await self.leave(provider, next_path), who))

    async def token(self) -> str:
        """Return an access token for the cookie."""
        answer = await self.ask("POST", "/auth/token")
        assert answer.status == 200, answer.body
        return str(answer.json["access_token"])

    async def state(self) -> dict[str, Any]:
        """Return one's own state."""
        answer = await self.ask("GET", "/api/snapshot")
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json["state"]
        return found


async def consent(provider: str, url: str, who: str, yes: str = "yes") -> dict[str, str]:
    """Sign in as ``who`` at the provider, agree, and return the query that the browser brings back."""
    async with LittleBrowser() as browser:
        answers = {"name": who, "consent": yes} if provider == "twitch" else {"login": who, "password": "any"}
        return await browser.sign_in(url, f"{PUBLIC_URL}/auth/callback/{provider}", answers)


def error_of(answer: Answer) -> str | None:
    """Return the code of a sign-in that failed on a page, None for one that did not."""
    location = urlsplit(answer.headers.get("Location", ""))
    assert not location.netloc
    return dict(parse_qsl(location.query)).get("login_error") if location.path == "/" else None
