"""The REST doors of one server, as plain calls: JSON in, JSON out, refusals raised.

Both the fallback transports and scripts speak through it. It keeps no state but the
base URL and the token, so one can be made for every request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from idling_ws.client.errors import ProtocolError, RefusedError
from idling_ws.client.shapes import JsonObject

CALL_TIMEOUT_S = 15.0
# How long a long-poll may be silent beyond the time it was asked to wait.
POLL_GRACE_S = 10.0

TELL_LACKS = frozenset({"/api/events", "/api/snapshot"})

# What a refused request would have been as a close code.
CODE_OF_STATUS = {401: 4001, 403: 4003, 429: 4101, 503: 4100}


class RestCalls:
    """Calls to one base URL with one access token. ``lacks`` is what the latest snapshot or poll said of health."""

    def __init__(self, http: aiohttp.ClientSession, base_url: str, token: str | None = None) -> None:
        self.http = http
        self.base_url = base_url.rstrip("/")
        self.token = token
        self.lacks: frozenset[str] = frozenset()

    @property
    def headers(self) -> dict[str, str]:
        """The headers that say who is asking."""
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}

    async def call(
        self,
        method: str,
        path: str,
        body: object | None = None,
        *,
        params: dict[str, str] | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> JsonObject | None:
        """Return the JSON object of the answer, or None for 204.

        Raises ``RefusedError`` for 4xx and 5xx, ``ProtocolError`` for an answer that is no
        JSON object, ``aiohttp.ClientError`` or ``TimeoutError`` when there was no answer.
        """
        headers = self.headers
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = orjson.dumps(body)
        async with self.http.request(
            method,
            self.base_url + path,
            data=data,
            params=params,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
        ) as response:
            raw = await response.read()
            if path in TELL_LACKS:
                self.lacks = frozenset(response.headers.get("Idling-Lacks", "").replace(",", " ").split())
            if response.status >= 400:
                raise refusal(response, raw)
            return None if response.status == 204 else _object(raw)

    async def guest(self) -> JsonObject:
        """Make a throw-away account: ``{user, access_token, refresh_token, expires_in_s}``."""
        return _present(await self.call("POST", "/auth/guest", {}))

    async def mutations(self, batch: list[JsonObject]) -> list[JsonObject]:
        """Send up to 100 mutations in order; return one answer each."""
        answer = _present(await self.call("POST", "/api/mutations", {"mutations": batch}))
        verdicts = answer.get("verdicts")
        if not isinstance(verdicts, list) or len(verdicts) != len(batch):
            raise ProtocolError(f"{len(batch)} mutations were not answered by as many verdicts")
        return verdicts

    async def snapshot(self) -> JsonObject:
        """Return ``{state, cursor}`` of one database snapshot."""
        return _present(await self.call("GET", "/api/snapshot"))

    async def events(self, cursor: str, wait_s: float) -> JsonObject | None:
        """Long-poll: ``{entries, cursor}``, or None when nothing came in ``wait_s``."""
        return await self.call(
            "GET",
            "/api/events",
            params={"cursor": cursor, "wait_s": f"{wait_s:g}"},
            timeout_s=wait_s + POLL_GRACE_S,
        )

    async def session_heartbeat(self) -> JsonObject | None:
        """Keep the idle session of a client without a socket alive."""
        return await self.call("POST", "/api/sessions/heartbeat", {})


def refusal(response: aiohttp.ClientResponse, raw: bytes) -> RefusedError:
    """Return the error for an answer of 400 or more, whoever on the way gave it."""
    try:
        problem = _object(raw)
    except ProtocolError:
        # A proxy's page rather than ours.
        problem = {"message": raw[:200].decode("utf-8", "replace")}
    asked_ms = problem.get("retry_after_ms")
    return RefusedError(
        response.status, problem, asked_ms if isinstance(asked_ms, int) else retry_after_ms(response.headers)
    )


def retry_after_ms(headers: Mapping[str, str] | None) -> int | None:
    """Return what ``Retry-After`` asks for, where it counts seconds (RFC 9110, 10.2.3)."""
    seconds = "" if headers is None else headers.get("Retry-After", "")
    return int(seconds) * 1000 if seconds.isdecimal() else None


def _object(raw: bytes) -> JsonObject:
    try:
        value: Any = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"the answer is no JSON: {raw[:80]!r}") from error
    if not isinstance(value, dict):
        raise ProtocolError("the answer is no JSON object")
    return value


def _present(value: JsonObject | None) -> JsonObject:
    if value is None:
        raise ProtocolError("the answer is empty")
    return value
