"""Who is on the line: from where the request in hand came, for the audit trail.

Set once per request at the edge. What has no request (a job, the command line) finds
the empty one.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """``address`` is the client's, through trusted proxies; ``trace_id`` that of the request."""

    address: str | None = None
    trace_id: str | None = None


CALLER: ContextVar[Caller] = ContextVar("caller", default=Caller())  # noqa: B039 -- frozen
