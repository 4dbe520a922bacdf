"""States of sign-in attempts that were used: each works once, on all instances together."""

from __future__ import annotations

from datetime import datetime

from idling_ws.store.postgres import Connection, Database

# Each use clears away a few that ran out, so the table cleans itself as fast as it grows.
_SPEND = """
WITH old AS (DELETE FROM spent_states WHERE state_hash IN
    (SELECT state_hash FROM spent_states WHERE expires_at < %s ORDER BY expires_at LIMIT 10 FOR UPDATE SKIP LOCKED))
INSERT INTO spent_states (state_hash, expires_at) VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING 1
"""


async def spend_state(run: Connection | Database, state_hash: bytes, expires_at: datetime, now: datetime) -> bool:
    """Use a state; False when it was used before."""
    return bool(await run.run(_SPEND, (now, state_hash, expires_at)))
