"""Somebody who signed in, asking one instance over REST."""

from __future__ import annotations

from typing import Any

from tests.support.wire_client import Answer, Login, call, sign_in


class Caller:
    """Somebody who signed in, asking one instance."""

    def __init__(self, base: str, login: Login) -> None:
        self.base, self.login = base, login

    async def __call__(self, method: str, path: str, json: Any = None, **options: Any) -> Answer:
        return await call(self.base, method, path, token=self.login.token, json=json, **options)


async def caller(base: str) -> Caller:
    """Sign in and return a caller."""
    return Caller(base, await sign_in(base))
