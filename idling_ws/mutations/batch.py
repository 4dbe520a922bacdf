"""One batch: jobs that are committed together, and what their rules decide.

The rules run between the two round trips of the transaction, on facts that were read
under the locks. Nothing here talks to the database.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from idling_ws.domain.clock import rfc3339, unix_ms
from idling_ws.domain.entries import Item, confirmed, rolled_back
from idling_ws.domain.errors import DeniedError, IdlingError, InternalError, InvalidError, JsonObject, RejectedError
from idling_ws.domain.ids import ALL, uuid7
from idling_ws.domain.rules import Call, LobbyChange, Outcome
from idling_ws.mutations.table import Mutation
from idling_ws.services import notifications
from idling_ws.store.audit import AuditRow
from idling_ws.store.commit import Change, NewEntry, Receipt, StreamHead
from idling_ws.wire import frames
from idling_ws.wire.jsontext import decode, encode

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Job:
    """One checked mutation on its way. ``source`` is whatever sent it: order is kept within one."""

    user_id: int
    mid: str | None
    mutation: Mutation
    args: JsonObject
    args_hash: bytes
    if_version: int | None
    source: object
    actor: str
    trace_id: str
    address: str | None
    came_at: float
    deadline: float
    done: asyncio.Future[Settled]
    login_id: str | None = None
    # Sent while nobody looked: when it is rolled back, all devices of its user are told.
    is_away: bool = False
    # Further streams this one writes to; None until they are known.
    also: tuple[int, ...] | None = None

    @property
    def facts(self) -> tuple[str, ...]:
        """What has to be known to settle it."""
        return (*self.mutation.facts, "shown_notifications") if self.is_away else self.mutation.facts


@dataclass(frozen=True, slots=True)
class Settled:
    """A verdict that is durable: the entry ``seq`` carries it. ``duplicate``: it did so before."""

    seq: int
    verdict: Item | None
    duplicate: bool = False

    @property
    def refusal(self) -> str | None:
        """The code for which it was rolled back; None when it was not."""
        error = None if self.verdict is None else self.verdict.get("error")
        return None if error is None else str(error["code"])


@dataclass(frozen=True, slots=True)
class Committed:
    """One entry that is in the database now, as every device shall see it."""

    user_id: int
    seq: int
    frame: bytes


class Batch:
    """What the rules of one batch have decided so far. ``heads`` are the locked streams; it moves them on."""

    def __init__(
        self,
        heads: dict[int, StreamHead],
        now: datetime,
        resolve_emoji: Callable[[str], str | None],
        accepts_push: Callable[[str], bool],
    ) -> None:
        self._heads = heads
        self._now = now
        self._resolve_emoji = resolve_emoji
        self._accepts_push = accepts_push
        self.change = Change()
        self.committed: list[Committed] = []
        self.settled: list[tuple[Job, Settled | IdlingError]] = []
        self.lobby: list[LobbyChange] = []

    def add(self, job: Job, receipt: Receipt | None, facts: dict[str, Any]) -> None:
        """Settle ``job``: by what became of its ``mid`` before, or by its rule."""
        if job.user_id not in self._heads:
            self.settled.append((job, InvalidError("not_found")))
        elif receipt is None:
            self._apply(job, facts)
        elif receipt.args_hash == job.args_hash:
            verdict: Item = decode(receipt.frame)["items"][-1]
            self.settled.append((job, Settled(receipt.seq, verdict, duplicate=True)))
        else:
            self.settled.append((job, InvalidError("mid_reused")))

    def _apply(self, job: Job, facts: dict[str, Any]) -> None:
        """Run the rule of ``job`` and add what it decided."""
        now = self._now
        new_id = uuid7(unix_ms(now))
        call = Call(
            job.user_id, job.args, job.if_version, now, new_id, self._resolve_emoji, self._accepts_push, job.login_id
        )
        verdict: Item | None = None
        try:
            outcome = job.mutation.rule(call, facts)
            if job.mid is not None:
                verdict = confirmed(job.mid, outcome.result)
        except RejectedError as exc:
            if job.mid is None:  # a change of the server's own that came too late
                self.settled.append((job, exc))
                return
            # Push subscriptions are the browser's own business, and its secrets.
            outcome = Outcome()
            if job.is_away and not job.mutation.name.startswith("push."):
                shown = facts["shown_notifications"]
                outcome = notifications.tell_rolled_back(call, shown, job.mid, job.mutation.name, exc.code)
            verdict = rolled_back(job.mid, exc.to_wire(job.trace_id), exc.current)
        except DeniedError as exc:  # what only the facts could tell: a refusal like any other
            self.settled.append((job, exc))
            return
        except Exception:
            log.exception("%s failed", job.mutation.name, extra={"trace_id": job.trace_id})
            self.settled.append((job, InternalError()))
            return
        items = outcome.items if verdict is None else [*outcome.items, verdict]
        seq = self._append(job, job.user_id, items)
        for stream, foreign_items in sorted(outcome.elsewhere.items()):
            self._append(job, stream, foreign_items)
        head = self._heads[job.user_id]
        head.audit_n += 1
        self.change.audit.append(
            AuditRow(
                user_id=job.user_id,
                n=head.audit_n,
                at=now,
                actor=job.actor,
                action=job.mutation.name,
                outcome="confirmed" if verdict is None else verdict["status"],
                mid=job.mid,
                seq=seq,
                trace_id=job.trace_id,
                address=job.address,
                before=None if outcome.before is None else encode(outcome.before).decode(),
                after=None if outcome.after is None else encode(outcome.after).decode(),
            )
        )
        self.change.writes.extend(outcome.writes)
        if outcome.lobby is not None:
            self.lobby.append(outcome.lobby)
        self.settled.append((job, Settled(seq, verdict)))

    def _append(self, job: Job, stream: int, items: list[Item]) -> int:
        """Add one entry to ``stream`` and return its ``seq``."""
        head = self._heads[stream]
        head.seq += 1
        frame = frames.entry("all" if stream == ALL else "user", head.seq, rfc3339(self._now), items, job.trace_id)
        own = stream == job.user_id
        self.change.entries.append(
            NewEntry(stream, head.seq, job.mid if own else None, job.args_hash if own else None, frame)
        )
        self.committed.append(Committed(stream, head.seq, frame))
        return head.seq


def ending(result: Settled | IdlingError) -> str:
    """Return how a mutation ended, in one word for the metrics."""
    if isinstance(result, IdlingError):
        return result.code
    return "applied" if result.verdict is None else str(result.verdict["status"])


def disjoint(jobs: list[Job]) -> tuple[list[Job], list[Job]]:
    """Split ``jobs`` into those that share no stream, and the rest.

    Facts are read once for a batch: a rule must not see a stream as it was before another one of
    the same batch changed it.
    """
    if not any(job.also for job in jobs):
        return jobs, []
    together: list[Job] = []
    later: list[Job] = []
    touched: set[int] = set()
    for job in jobs:
        streams = {job.user_id, *(job.also or ())}
        if touched.isdisjoint(streams):
            touched |= streams
            together.append(job)
        else:
            later.append(job)
    return together, later
