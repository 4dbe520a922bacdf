"""Leases over a real PostgreSQL: one holder at a time, until it lets go or its time is over."""

from __future__ import annotations

from idling_ws.store.leases import Leases
from idling_ws.store.postgres import Database
from tests.support.rows import run_sql


async def test_a_lease_has_one_holder_until_it_lets_go_or_its_time_is_over(
    database: Database, migrated_url: str
) -> None:
    """Its holder may extend it; nobody has to clean up after one that died."""
    one, other = Leases(database, "one"), Leases(database, "other")
    assert await one.take("sweeping", 60)
    assert not await other.take("sweeping", 60)
    assert await one.take("sweeping", 60)
    assert await other.take("something else", 60)
    run_sql(migrated_url, "UPDATE leases SET until = now() - interval '1 s' WHERE name = 'sweeping'")
    assert await other.take("sweeping", 60)
    assert not await one.take("sweeping", 60)
    await other.give_up()
    assert await one.take("sweeping", 60)
    assert await one.take("something else", 60)
