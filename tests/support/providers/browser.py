"""As much of a browser as a sign-in needs: it keeps cookies, follows redirects and fills in forms."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urljoin, urlsplit

import aiohttp

MAX_STEPS = 15


class Form(HTMLParser):
    """The first form of a page: where it goes, and what is filled in already."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.found = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take over the form and its named inputs."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.found:
            self.found, self.action = True, given.get("action") or None
        elif tag == "input" and given.get("name"):
            self.fields[given["name"]] = given.get("value", "")


class LittleBrowser:
    """One browser: its cookies are its own."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def sign_in(self, url: str, callback: str, answers: Mapping[str, str]) -> dict[str, str]:
        """Go to ``url``, fill in every form with ``answers``, and return the query that came to ``callback``."""
        method, data = "GET", None
        for _ in range(MAX_STEPS):
            async with self._session.request(method, url, data=data, allow_redirects=False) as response:
                page = await response.text()
                location = response.headers.get("Location")
            if location is not None:
                url, method, data = urljoin(url, location), "GET", None
                if url.partition("?")[0] == callback:
                    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
                continue
            form = Form(page)
            assert form.found, f"neither a form nor a redirect at {url}: {page[:500]}"
            data = form.fields | {name: value for name, value in answers.items() if name in form.fields or value}
            url, method = urljoin(url, form.action or url), "POST"
        raise AssertionError("the sign-in goes round in circles")
