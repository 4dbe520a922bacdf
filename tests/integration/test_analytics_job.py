"""The analytics of running instances: added up without anybody's word, and again when an operator says so."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.instances import SECRET_KEY, Instance, running_instances
from tests.support.rows import run_sql
from tests.support.wire_client import Login, call, sign_in

# A run each 15 seconds; on a busy machine each takes its time.
ADDED_UP_WITHIN_S = 90
REBUILT_SINCE = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=40)


async def admin_of(instance: Instance, database_url: str) -> Login:
    login = await sign_in(instance.url)
    run_sql(database_url, "INSERT INTO roles (user_id, role) VALUES (%s, 'admin')", login.user_id)
    return login


async def measured(instance: Instance, admin: Login) -> dict[str, Any]:
    answer = await call(instance.url, "GET", "/api/analytics/overview", token=admin.token)
    assert answer.status == 200, answer.body
    totals: dict[str, Any] = answer.json["totals"]
    return totals


@pytest.mark.timeout(240)  # of real time: a run comes each 15 seconds
async def test_running_instances_add_up_what_happens(migrated_url: str, redis_url: str) -> None:
    """Uses and errors of two instances; what leaves in an orderly way takes no error with it."""
    with running_instances(migrated_url, redis_url) as (a, b):
        admin = await admin_of(a, migrated_url)
        for instance in (a, b):
            used = {"emoji": "1F680", "count": 3}
            assert (await call(instance.url, "POST", "/api/emojis/usage", token=admin.token, json=used)).status == 200
            assert (await call(instance.url, "GET", "/api/emojis/search?q=", token=admin.token)).status == 422
        async with asyncio.timeout(ADDED_UP_WITHIN_S):
            while (await measured(b, admin)).get("emoji_uses") != 6:
                await asyncio.sleep(0.5)
        # One instance holds the lease, and it alone did it.
        assert len(run_sql(migrated_url, "SELECT holder FROM leases WHERE name = 'analytics'")) == 1
        for instance in (a, b):
            instance.terminate()
        errors = run_sql(migrated_url, "SELECT count FROM error_hours WHERE code = 'invalid_arguments'")
        assert errors == [(1,), (1,)]
        before = run_sql(migrated_url, "SELECT final_until FROM analytics_progress")[0][0]
        done = subprocess.run(
            [sys.executable, "-m", "idling_ws", "analytics", "rebuild", "--since", f"{REBUILT_SINCE:%Y-%m-%d}"],
            env={
                **os.environ,
                "IDLING_DATABASE_URL": migrated_url,
                "IDLING_REDIS_URL": redis_url,
                "IDLING_SECRET_KEY": SECRET_KEY,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        after = run_sql(migrated_url, "SELECT final_until FROM analytics_progress")[0][0]
        assert after == REBUILT_SINCE < before
