"""The lines over HTTP: entries by Server-Sent Events or long-poll, mutations by POST.

For networks that let no WebSocket through. The core is the same; what it wants sent
becomes requests, and their answers become the frames that a socket would have brought.
"""

from __future__ import annotations

import asyncio

import aiohttp

from idling_ws.client.errors import ProtocolError, RefusedError
from idling_ws.client.event_stream import EventStreamParser
from idling_ws.client.exchange import Exchange, first_to_end
from idling_ws.client.ladder import STREAM
from idling_ws.client.reconnecting import Ending
from idling_ws.client.rest import CODE_OF_STATUS, RestCalls, refusal
from idling_ws.client.shapes import JsonObject
from idling_ws.client.socket_line import parse

POLL_WAIT_S = 25.0
# The server comments every 15 s, so three are missing by then.
STREAM_SILENT_S = 45.0
BATCH = 100
PAUSE_S = 1.0
VOID_CURSOR = 410
# What a ``health`` notice speaks of.
ABILITIES = ("saving", "uploads", "prompt")


class _PositionLostError(Exception):
    """Entries are missing on a stream that only goes forward: it must be opened anew."""


class RestLine:
    """One line over HTTP. ``climb_after_s`` ends it in good order, to try a better transport."""

    def __init__(
        self,
        exchange: Exchange,
        http: aiohttp.ClientSession,
        rest: RestCalls,
        *,
        transport: str,
        climb_after_s: float | None,
    ) -> None:
        self._exchange = exchange
        self._http = http
        self._rest = rest
        self._transport = transport
        self._climb_after_s = climb_after_s

    async def run(self) -> Ending:
        """Keep the line until it ends, and say how it ended."""
        exchange = self._exchange
        exchange.opened(self._transport, hello=False)
        read = self._read_stream if self._transport == STREAM else self._poll
        try:
            async with asyncio.timeout(self._climb_after_s):
                return await first_to_end(read(), exchange.pump(self._send), exchange.until_cut())
        except RefusedError as error:
            code = CODE_OF_STATUS.get(error.status, 1006)
            if error.code == "token_expired":
                code = 4203
            return exchange.ending(code, str(error), error.retry_after_ms)
        except _PositionLostError:
            return exchange.ending(4204, "entries are missing")
        except ProtocolError as error:
            return exchange.ending(1002, str(error))
        except (aiohttp.ClientError, OSError) as error:
            return exchange.ending(1006, f"{type(error).__name__}: {error}")
        except TimeoutError:
            return exchange.ending(1000, "time to try a better transport")

    # --- in ---------------------------------------------------------------------------

    async def _poll(self) -> Ending:
        exchange = self._exchange
        await self._begin()
        known: frozenset[str] = frozenset()
        while True:
            await exchange.awake.wait()
            if self._rest.lacks != known:
                known = self._rest.lacks
                data = {name: name not in known for name in sorted({*ABILITIES, *known})}
                exchange.feed([{"type": "notice", "topic": "health", "data": data}])
            try:
                answer = await self._rest.events(str(exchange.core.replica.cursor), POLL_WAIT_S)
            except RefusedError as error:
                if error.status != VOID_CURSOR:
                    raise
                await self._start_afresh(error.code)
                continue
            except TimeoutError as error:
                raise aiohttp.ServerTimeoutError("the poll was not answered") from error
            if answer is None:
                exchange.feed([{"type": "heartbeat", "cursor": str(exchange.core.replica.cursor)}])
                continue
            # The cursor of the answer comes last: whatever it names beyond the entries is missing.
            frames = [{"type": "entry", **entry} for entry in answer.get("entries", [])]
            exchange.feed([*frames, {"type": "heartbeat", "cursor": answer.get("cursor")}])

    async def _begin(self) -> None:
        cursor = self._exchange.core.replica.cursor
        if cursor is None:
            await self._start_afresh("new")
        else:
            self._exchange.feed([{"type": "welcome", "cursor": str(cursor), "resumed": True}])

    async def _start_afresh(self, reason: str) -> None:
        snapshot = await self._rest.snapshot()
        self._exchange.feed([{"type": "welcome", "resumed": False, "reason": reason, **snapshot}])

    async def _read_stream(self) -> Ending:
        exchange = self._exchange
        cursor = exchange.core.replica.cursor
        headers = {**self._rest.headers, "Accept": "text/event-stream"}
        if cursor is not None:
            headers["Last-Event-ID"] = str(cursor)
        async with self._http.get(
            self._rest.base_url + "/api/events",
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=STREAM_SILENT_S),
        ) as response:
            if response.status == VOID_CURSOR:
                await self._start_afresh("expired")
                # The welcome is done; the stream is asked for again with the new cursor.
                return exchange.ending(1012, "cursor was void")
            if response.status >= 400:
                raise refusal(response, await response.read())
            if response.content_type != "text/event-stream":
                raise ProtocolError(f"an event stream of type {response.content_type}")
            parser = EventStreamParser()
            async for chunk in response.content.iter_any():
                await exchange.awake.wait()
                frames = [{"type": event.name, **frame} for event in parser.feed(chunk) for frame in parse(event.data)]
                # A comment brings no frame, but shows that the line lives.
                exchange.feed(frames or [{"type": "comment"}])
        return exchange.ending(1001, "the stream ended")

    # --- out --------------------------------------------------------------------------

    async def _send(self, frames: list[JsonObject]) -> None:
        batch = [{key: frame[key] for key in frame if key != "type"} for frame in frames if "mid" in frame]
        for start in range(0, len(batch), BATCH):
            await self._post(batch[start : start + BATCH])
        if self._transport == STREAM and any(frame["type"] == "resume" for frame in frames):
            raise _PositionLostError
        if any(frame["type"] == "heartbeat" for frame in frames) and self._exchange.core.replica.state.get("session"):
            await self._keep_session_alive()

    async def _post(self, batch: list[JsonObject]) -> None:
        exchange = self._exchange
        try:
            answers = await self._rest.mutations(batch)
        except RefusedError as error:
            if error.status in (401, 403):
                raise
            if error.status == 429 or error.status >= 500:
                exchange.core.unanswered()
                await asyncio.sleep((error.retry_after_ms or PAUSE_S * 1000) / 1000)
            elif len(batch) > 1:
                # One bad apple must not spoil the others.
                for mutation in batch:
                    await self._post([mutation])
            else:
                problem = {**error.problem, "retryable": False}
                exchange.feed([{"type": "error", "mid": batch[0]["mid"], "error": problem}])
            return
        except (aiohttp.ClientError, OSError, TimeoutError):
            exchange.core.unanswered()
            await asyncio.sleep(PAUSE_S)
            return
        exchange.core.not_run(
            [answer["mid"] for answer in answers if answer.get("status") == "not_run"],
            asyncio.get_running_loop().time(),
        )
        exchange.feed(
            [
                {"type": "error" if answer.get("status") == "error" else "verdict", **answer}
                for answer in answers
                if answer.get("status") != "not_run"
            ]
        )

    async def _keep_session_alive(self) -> None:
        try:
            await self._rest.session_heartbeat()
        except RefusedError as error:
            # The session ended meanwhile: its entry will say so.
            if error.status not in (404, 409):
                raise
        except TimeoutError as error:
            raise aiohttp.ServerTimeoutError("the heartbeat was not answered") from error
