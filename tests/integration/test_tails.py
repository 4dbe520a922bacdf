"""The tail of a stream in a real Redis: believed only where it joins on without a gap."""

from __future__ import annotations

from uuid import uuid4

from idling_ws.domain.clock import SystemClock
from idling_ws.store.log import Tails
from idling_ws.store.redis import Keys, connect

PATIENCE_S = 45.0
USER = 7


async def test_a_tail_ends_where_it_has_a_hole(redis_url: str) -> None:
    """What was lost between two entries is not passed over: PostgreSQL is asked for it."""
    redis = connect(redis_url, timeout_s=PATIENCE_S)
    try:
        tails = Tails(redis, Keys(uuid4().hex[:8]), SystemClock())
        tails.PATIENCE_S = PATIENCE_S  # a busy machine is not one without Redis
        for seq in (3, 4, 6):
            await redis.execute_command(*tails.append_command(USER, seq, b"%d" % seq))  # type: ignore[no-untyped-call]  # redis-py leaves it so
        found = {seq: [(one.seq, one.frame) for one in await tails.after(USER, seq)] for seq in (1, 2, 3, 4, 5, 6)}
    finally:
        await redis.aclose()
    assert found == {1: [], 2: [(3, b"3"), (4, b"4")], 3: [(4, b"4")], 4: [], 5: [(6, b"6")], 6: []}
