"""A deployment at whose doors people sign in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support.instances import Instance
from tests.support.providers.served import MoodyTwitch
from tests.support.rows import run_sql
from tests.support.visitor import Visitor

COUNTED = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM accounts), (SELECT count(*) FROM logins)"


@dataclass
class Place:
    """A deployment of two instances, its database, and its sign-in service."""

    instances: list[Instance]
    database_url: str
    twitch: MoodyTwitch

    def visitor(self, **cookies: str) -> Visitor:
        """A new browser."""
        return Visitor(*(instance.url for instance in self.instances), cookies=cookies)

    async def guest(self) -> Visitor:
        """A new browser, in as a guest."""
        visitor = self.visitor()
        assert (await visitor.ask("POST", "/auth/guest", json={})).status == 201
        return visitor

    def rows(self, sql: str, *params: object) -> list[tuple[Any, ...]]:
        """Look into the database."""
        return run_sql(self.database_url, sql, *params)

    def count(self) -> tuple[int, ...]:
        """Users, accounts and logins there are."""
        return self.rows(COUNTED)[0]
