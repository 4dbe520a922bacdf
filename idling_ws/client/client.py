"""The client: one device of one user, kept connected, in sync and honest about what is pending.

async with IdlingClient("http://127.0.0.1:8080", token=token) as client:
    verdict = await client.mutate("session.start", {"activity": "tea"})
    print(verdict.status, client.state["session"])
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Self

import aiohttp

from idling_ws import __version__
from idling_ws.client.errors import ClosedError, GivenUpError
from idling_ws.client.exchange import Exchange, TokenSource
from idling_ws.client.hooks import Hooks
from idling_ws.client.ladder import ALL_TRANSPORTS, SOCKET, Ladder
from idling_ws.client.mids import new_mid
from idling_ws.client.outbox import Mutation
from idling_ws.client.predictions import PREDICTIONS, Predict
from idling_ws.client.protocol import ClientProtocol
from idling_ws.client.reconnecting import TOKEN_EXPIRED, TOKEN_INVALID, Ending, Reconnect
from idling_ws.client.replica import Replica
from idling_ws.client.rest import RestCalls
from idling_ws.client.rest_line import RestLine
from idling_ws.client.shapes import Cursor, JsonObject, Verdict
from idling_ws.client.socket_line import run_socket

CONNECT_TIMEOUT_S = 30.0


class IdlingClient:
    """Connects to one of ``url``, moves on to the next at every reconnect, and never loses its place.

    ``token`` is an access token, or a function that fetches a fresh one whenever it is
    needed. ``resume_from`` continues from an earlier ``(cursor, confirmed_state)``.
    """

    def __init__(
        self,
        url: str | Sequence[str],
        *,
        token: str | TokenSource | None = None,
        token_in_hello: bool = False,
        transports: Sequence[str] = ALL_TRANSPORTS,
        http: aiohttp.ClientSession | None = None,
        hooks: Hooks | None = None,
        client_id: str | None = None,
        name: str = "idling-python",
        resume_from: tuple[str, JsonObject] | None = None,
        predictions: Mapping[str, Predict] = PREDICTIONS,
        rng: random.Random | None = None,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        self._urls = [url] if isinstance(url, str) else list(url)
        self._turn = 0
        self._token = token if isinstance(token, str) else None
        self._token_source = token if callable(token) else None
        self._token_is_new = False
        self._token_in_hello = token_in_hello
        self._http = http
        self._owns_http = http is None
        self._hooks = hooks or Hooks()
        self._ladder = Ladder(transports)
        rng = rng or random.Random()  # noqa: S311 - spreads reconnects and retries, hides nothing
        self._reconnect = Reconnect(rng)
        self._connect_timeout_s = connect_timeout_s
        replica = None
        if resume_from is not None:
            replica = Replica(Cursor.parse(resume_from[0]), resume_from[1])
        self._core = ClientProtocol(
            {"id": client_id or new_mid(), "name": name, "version": __version__},
            replica=replica,
            predictions=predictions,
            rng=rng,
        )
        self._exchange: Exchange | None = None
        self._runner: asyncio.Task[None] | None = None
        self._may_connect = asyncio.Event()
        self._may_connect.set()

    # --- what it knows ------------------------------------------------------------------

    @property
    def state(self) -> JsonObject:
        """What a page would show: the confirmed state with every pending change over it."""
        return self._core.state

    @property
    def confirmed_state(self) -> JsonObject:
        """The state at ``cursor``, as the server has it."""
        return self._core.replica.state

    @property
    def cursor(self) -> str | None:
        """How far both streams were applied; None before the first welcome."""
        cursor = self._core.replica.cursor
        return None if cursor is None else str(cursor)

    @property
    def live(self) -> bool:
        """Whether it is connected and has all that the server had when it last told."""
        return self._core.live

    @property
    def pending(self) -> list[Mutation]:
        """The mutations without a verdict, in order."""
        return list(self._core.outbox)

    @property
    def gone(self) -> bool:
        """Whether it has stopped for good: closed, or told by the server to stay away."""
        return self._runner is None or self._runner.done()

    @property
    def url(self) -> str:
        """The base URL in use."""
        return self._urls[self._turn % len(self._urls)]

    @property
    def rest(self) -> RestCalls:
        """The REST doors of the same server, with the same token."""
        if self._http is None:
            raise ClosedError("the client is not open")
        return RestCalls(self._http, self.url, self._token)

    # --- open and close -------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Connect, and return once the first welcome is in and what was missed is applied.

        Raises ``GivenUpError`` when the server wants us gone, ``TimeoutError`` when nobody answers.
        """
        self.start()
        try:
            await self.until(lambda: self.live, timeout_s=self._connect_timeout_s)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    def start(self) -> None:
        """Begin to connect, without waiting for it."""
        if self._http is None:
            self._http = aiohttp.ClientSession()
        self._exchange = Exchange(self._core, self._hooks, None if self._token_source is None else self._fetch_token)
        self._runner = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Say goodbye and stop. What has no verdict yet fails with ``ClosedError``."""
        if self._runner is not None:
            self._runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(self._runner, return_exceptions=True)
            self._runner = None
        if self._exchange is not None:
            self._exchange.fail(ClosedError("the client was closed"))
        if self._owns_http and self._http is not None:
            await self._http.close()
            self._http = None

    # --- mutations --------------------------------------------------------------------------

    def submit(self, name: str, args: JsonObject, *, if_version: int | None = None, mid: str | None = None) -> Mutation:
        """Queue a change and return at once; it goes out in order, now or after a reconnect.

        Raises ``ValueError`` when its ``mid`` is pending already or it is too large for a frame.
        """
        mutation = Mutation(mid or new_mid(), name, args, if_version)
        self._core.submit(mutation)
        if self._exchange is not None:
            self._exchange.nudge()
        return mutation

    async def mutate(
        self, name: str, args: JsonObject, *, if_version: int | None = None, mid: str | None = None
    ) -> Verdict:
        """Ask for a change and return its verdict, once its effects are in ``state``.

        Waits as long as it takes, over any number of reconnects; bound it with ``asyncio.timeout``.
        """
        exchange = self._open_exchange()
        return await exchange.verdict_of(self.submit(name, args, if_version=if_version, mid=mid))

    async def until(self, true: Callable[[], bool], *, timeout_s: float | None = None) -> None:
        """Return once ``true()`` is; it is looked at after everything that comes in."""
        async with asyncio.timeout(timeout_s):
            await self._open_exchange().until(true)

    async def reach(self, cursor: str, *, timeout_s: float | None = None) -> None:
        """Return once everything before ``cursor`` is applied."""
        goal = Cursor.parse(cursor)
        await self.until(lambda: self._core.replica.reaches(goal), timeout_s=timeout_s)

    def subscribe(self, topic: str) -> None:
        """Hear the notices of ``topic``, on this line and on those after it."""
        exchange = self._open_exchange()
        exchange.topics.add(topic)
        self._core.say({"type": "subscribe", "topic": topic})
        exchange.nudge()

    def _open_exchange(self) -> Exchange:
        if self._exchange is None or self._runner is None:
            raise ClosedError("the client is not open")
        if self._runner.done() and not self._runner.cancelled():
            failure = self._runner.exception()
            raise failure if failure is not None else ClosedError("the client is closed")
        return self._exchange

    # --- faults -------------------------------------------------------------------------------

    def cut(self) -> None:
        """Pull the plug: the line ends without a goodbye and stays down until ``plug_in``."""
        self._may_connect.clear()
        self._open_exchange().cut_off.set()

    def plug_in(self) -> None:
        """Let it connect again."""
        self._may_connect.set()

    def freeze(self) -> None:
        """Play dead: keep the line, read nothing and send nothing, until ``thaw``."""
        self._open_exchange().awake.clear()

    def thaw(self) -> None:
        """Go on reading and sending."""
        if self._exchange is not None:
            self._exchange.awake.set()

    # --- the life of lines ----------------------------------------------------------------------

    async def _run(self) -> None:
        exchange = self._exchange
        assert exchange is not None  # noqa: S101 - start() made it
        try:
            while True:
                await self._may_connect.wait()
                transport = self._ladder.current
                ending = await self._line(exchange, transport)
                exchange.lost(transport, ending)
                self._ladder.ended(ending)
                if ending.code == 1000 and transport != SOCKET:
                    self._ladder.climb()
                    continue
                delay_s = self._reconnect.delay_s(ending)
                if self._token_may_be_stale(ending):
                    delay_s = 0.0
                if delay_s is None:
                    raise GivenUpError(ending.code, ending.reason)
                self._turn += 1
                await asyncio.sleep(delay_s)
        except Exception as error:
            exchange.fail(error)
            raise

    def _token_may_be_stale(self, ending: Ending) -> bool:
        """Drop a token that the server does not take, unless it was fetched for this very line."""
        if ending.code not in (TOKEN_INVALID, TOKEN_EXPIRED) or self._token_source is None:
            return False
        stale = not self._token_is_new or ending.welcomed
        self._token = None
        return stale

    async def _fetch_token(self) -> str:
        """Fetch a fresh token, for the line and for what goes beside it from now on."""
        assert self._token_source is not None  # noqa: S101 - asked by whoever calls
        self._token = await self._token_source()
        return self._token

    async def _line(self, exchange: Exchange, transport: str) -> Ending:
        self._token_is_new = self._token is None
        if self._token is None and self._token_source is not None:
            await self._fetch_token()
        self._hooks.connecting(transport, self.url, self.cursor)
        assert self._http is not None  # noqa: S101 - start() made it
        if transport == SOCKET:
            return await run_socket(exchange, self._http, self.rest, token_in_hello=self._token_in_hello)
        line = RestLine(
            exchange,
            self._http,
            self.rest,
            transport=transport,
            climb_after_s=self._ladder.climb_after_s,
        )
        return await line.run()
