"""Accounts: whose devices take part, from a file of tokens or as guests made on the spot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson

from idling_ws.client import RefusedError, RestCalls

# A token is renewed when so much of its life is left.
RENEW_AT = 0.25
AT_ONCE = 8
TRIES = 20


class AccountsError(Exception):
    """There are not enough accounts for the run."""


@dataclass(frozen=True, slots=True)
class Account:
    """One user, as it can be handed to another process."""

    user_id: int
    access_token: str
    expires_at: float
    refresh_token: str | None = None


def read_tokens(path: Path, count: int) -> list[Account]:
    """Read the first ``count`` of the JSON lines of ``idling-ws token issue``. Raises ``AccountsError``."""
    accounts: list[Account] = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip() or len(accounts) == count:
            continue
        try:
            row = orjson.loads(line)
            accounts.append(Account(int(row["user_id"]), str(row["access_token"]), _expiry(row)))
        except (ValueError, KeyError, TypeError) as error:
            raise AccountsError(f"{path}:{number}: not a line of `idling-ws token issue`: {error}") from error
    if len(accounts) < count:
        raise AccountsError(f"{path} has {len(accounts)} tokens, {count} are needed")
    return accounts


def _expiry(row: dict[str, object]) -> float:
    from datetime import datetime

    value = row.get("expires_at")
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, str):
        return datetime.fromisoformat(value).timestamp()
    return float("inf")


async def make_guests(urls: Sequence[str], count: int) -> list[Account]:
    """Make ``count`` throw-away accounts. Raises ``AccountsError`` when the server gives none."""
    gate = asyncio.Semaphore(AT_ONCE)
    # A guest's cookie is of no use to the next one.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:

        async def make(number: int) -> Account:
            async with gate:
                return await _guest(RestCalls(http, urls[number % len(urls)]))

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(make(number)) for number in range(count)]
        except BaseExceptionGroup as error:
            raise AccountsError(f"no guests: {error.exceptions[0]}") from error
    return [task.result() for task in tasks]


async def _guest(rest: RestCalls) -> Account:
    for _ in range(TRIES):
        try:
            answer = await rest.guest()
        except RefusedError as error:
            if error.status != 429:
                raise AccountsError(
                    f"{rest.base_url} gives no guests ({error}); use --tokens with `idling-ws token issue`"
                ) from error
            await asyncio.sleep((error.retry_after_ms or 1000) / 1000)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise AccountsError(f"{rest.base_url}: {type(error).__name__}: {error}") from error
        else:
            return Account(
                int(answer["user"]["id"]),
                answer["access_token"],
                time.time() + float(answer.get("expires_in_s", 3600)),
                answer.get("refresh_token"),
            )
    raise AccountsError(f"{rest.base_url} limits guests; use --tokens with `idling-ws token issue`")


class TokenKeeper:
    """Keeps one user's token fresh for all of its devices.

    They must share: a refresh token that is used twice ends the whole family.
    """

    def __init__(self, account: Account, http: aiohttp.ClientSession, url: str) -> None:
        self._token = account.access_token
        self._expires_at = account.expires_at
        self._life_s = account.expires_at - time.time()
        self._refresh_token = account.refresh_token
        self._http = http
        self._url = url
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """Return a token with some life left, renewed if need be and possible."""
        async with self._lock:
            left_s = self._expires_at - time.time()
            if self._refresh_token is not None and left_s < RENEW_AT * self._life_s:
                answer = await RestCalls(self._http, self._url).call(
                    "POST", "/auth/refresh", {"refresh_token": self._refresh_token}
                )
                if answer is not None:
                    self._token = answer["access_token"]
                    self._refresh_token = answer.get("refresh_token", self._refresh_token)
                    self._life_s = float(answer.get("expires_in_s", 3600))
                    self._expires_at = time.time() + self._life_s
            return self._token
