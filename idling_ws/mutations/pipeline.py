"""The pipeline: both doors, the socket and REST, ask for a change here and nowhere else.

    known? -> allowed? -> well-formed? -> committed (``committer``) -> verdict

The first three are refusals: deterministic, answered at once, never stored. What the
rules say no to is stored as the verdict of its ``mid``, so that it stays the same.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from idling_ws.domain.clock import Clock
from idling_ws.domain.entries import ROLLED_BACK
from idling_ws.domain.errors import DeniedError, IdlingError, InvalidError, JsonObject
from idling_ws.identity.policy import allow
from idling_ws.mutations.batch import Job, Settled
from idling_ws.mutations.committer import Committer
from idling_ws.mutations.table import MUTATIONS, Mutation
from idling_ws.wire.jsontext import canonical
from idling_ws.wire.schemas import load
from idling_ws.wire.tracing import new_trace_id

# What a client waits at most for a verdict before it is told to ask again.
DEADLINE_S = 4.0


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and from where. ``source`` keeps the order of one connection's mutations.

    ``is_away``: a device sends what waited in it while nobody looks at it.
    """

    user_id: int
    roles: frozenset[str]
    source: object
    address: str | None = None
    login_id: str | None = None
    is_away: bool = False


class Pipeline:
    """Checks a mutation and hands it to the committer."""

    def __init__(self, committer: Committer, clock: Clock) -> None:
        self._committer = committer
        self._clock = clock
        # Takes a mutation off its user's allowance. Raises ``RateLimitError``.
        self.spend: Callable[[int], None] = lambda _: None
        # Hears of each mutation that is queued: name, trace id, its verdict to come.
        self.on_submitted: Callable[[str, str, asyncio.Future[Settled]], None] | None = None
        # Hears of what somebody may not do: asker, mutation, mid, trace id, code.
        self.on_denied: Callable[[Asker, str, str, str, str], None] = lambda *_: None

    def submit(
        self, asker: Asker, mid: str, name: str, args: JsonObject, if_version: int | None, trace_id: str
    ) -> asyncio.Future[Settled]:
        """Queue a mutation and return its verdict to come.

        Raises ``InvalidError`` or ``DeniedError`` for what is refused at once, and
        ``RateLimitError`` for what is too much: nothing of it is consumed. The future
        ends in ``UnavailableError`` when it is not known to have happened: send it again.
        """
        mutation = MUTATIONS.get(name)
        if mutation is None or not mutation.public:
            raise InvalidError("unknown_mutation")
        self.check_allowed(asker, name, mid, trace_id)
        self.spend(asker.user_id)
        return self._submit(asker, mid, mutation, args, if_version, trace_id, f"user:{asker.user_id}")

    def check_allowed(self, asker: Asker, name: str, mid: str, trace_id: str) -> None:
        """Let a mutation pass that somebody may make. Raises ``DeniedError``, and says so to ``on_denied``."""
        try:
            allow(asker.roles, name)
        except DeniedError as exc:
            self.on_denied(asker, name, mid, trace_id, exc.code)
            raise

    def submit_upload(
        self, asker: Asker, mid: str, name: str, args: JsonObject, trace_id: str
    ) -> asyncio.Future[Settled]:
        """Queue the change that an upload ends in, with its verdict to come as for ``submit``.

        ``args`` are the server's own, made of what was sent: so no client can ask for it by ``submit``.
        """
        self.check_allowed(asker, name, mid, trace_id)
        self.spend(asker.user_id)
        return self._submit(asker, mid, MUTATIONS[name], args, None, trace_id, f"user:{asker.user_id}")

    def submit_own(
        self,
        user_id: int,
        name: str,
        args: JsonObject,
        *,
        actor: str = "system",
        address: str | None = None,
        trace_id: str | None = None,
    ) -> asyncio.Future[Settled]:
        """Queue a change that the server itself makes: effects, and no verdict.

        ``actor`` is for the audit trail: who brought it about.
        """
        asker = Asker(user_id, frozenset(), None, address)
        return self._submit(asker, None, MUTATIONS[name], args, None, trace_id or new_trace_id(), actor)

    def _submit(
        self,
        asker: Asker,
        mid: str | None,
        mutation: Mutation,
        args: JsonObject,
        if_version: int | None,
        trace_id: str,
        actor: str,
    ) -> asyncio.Future[Settled]:
        done: asyncio.Future[Settled] = asyncio.get_running_loop().create_future()
        now = self._clock.monotonic()
        self._committer.submit(
            Job(
                user_id=asker.user_id,
                mid=mid,
                mutation=mutation,
                args=load(mutation.schema, args),
                args_hash=fingerprint(mutation.name, args, if_version),
                if_version=if_version,
                source=asker.source,
                actor=actor,
                trace_id=trace_id,
                address=asker.address,
                login_id=asker.login_id,
                came_at=now,
                deadline=now + DEADLINE_S,
                done=done,
                is_away=asker.is_away,
            )
        )
        if self.on_submitted is not None:
            self.on_submitted(mutation.name, trace_id, done)
        return done


def fingerprint(name: str, args: JsonObject, if_version: int | None) -> bytes:
    """Return what must be equal when a ``mid`` is sent again: 16 bytes."""
    return hashlib.blake2b(canonical([name, args, if_version]), digest_size=16).digest()


def to_verdict(mid: str, settled: Settled) -> JsonObject:
    """Return a stored verdict as REST and the ``verdict`` frame carry it."""
    assert settled.verdict is not None, "a client's mutation always has one"  # noqa: S101 -- for the type checker
    body = {key: value for key, value in settled.verdict.items() if key != "kind"}
    body["mid"], body["seq"] = mid, settled.seq
    if settled.duplicate:
        body["duplicate"] = True
    return body


def to_refusal(mid: str, error: IdlingError, trace_id: str) -> JsonObject:
    """Return the verdict of a mutation that was refused before it could be stored."""
    body: JsonObject = {"mid": mid, "status": ROLLED_BACK, "error": error.to_wire(trace_id)}
    if error.current is not None:
        body["current"] = error.current
    return body
