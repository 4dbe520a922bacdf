"""The audit trail: one row per change, each carrying the hash of the one before it.

The chain is per user and is extended under the lock of that user's stream, so it
needs no global order. Whoever alters, drops or inserts a row breaks every later hash.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

import orjson


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who did what to whom, and how it ended. ``before`` and ``after`` are JSON text."""

    user_id: int
    n: int
    at: datetime
    actor: str
    action: str
    outcome: str
    mid: str | None = None
    seq: int | None = None
    trace_id: str | None = None
    address: str | None = None
    before: str | None = None
    after: str | None = None


def link(prev_hash: bytes, row: AuditRow) -> bytes:
    """Return the hash of ``row`` behind ``prev_hash``: sha-256 over both, 32 bytes."""
    content = orjson.dumps(
        [
            row.user_id,
            row.n,
            row.at.isoformat(),
            row.actor,
            row.action,
            row.outcome,
            row.mid,
            row.seq,
            row.trace_id,
            row.address,
            row.before,
            row.after,
        ]
    )
    return hashlib.sha256(prev_hash + content).digest()
