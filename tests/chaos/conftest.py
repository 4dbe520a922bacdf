"""Servers of the chaos tests' own: nobody else's tests run over what they kill and freeze.

One deployment for each file: whoever breaks a part brings it back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from idling_ws.store.migrate import migrate
from tests.support.crowd import FULL_SIZE, Guest, issue_guests, sized
from tests.support.instances import Instance, give_own_epoch, running_instances
from tests.support.servers import PostgresServer, RedisServer


@pytest.fixture(scope="module")
def frail_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL to be killed and frozen."""
    server = PostgresServer()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="module")
def frail_redis() -> Iterator[RedisServer]:
    """A Redis to be killed and frozen."""
    server = RedisServer()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="module")
def frail_url(frail_postgres: PostgresServer) -> str:
    """A migrated database on it."""
    url = frail_postgres.create_database()
    migrate(url)
    give_own_epoch(url)
    return url


@pytest.fixture(scope="module")
def heartbeat_s() -> float:
    """How often the instances tell heads. A file that must not be helped by that says so."""
    return 2.0


@pytest.fixture(scope="module")
def frail_pair(frail_url: str, frail_redis: RedisServer, heartbeat_s: float) -> Iterator[tuple[Instance, Instance]]:
    """Two instances over them, with room for a crowd."""
    with running_instances(frail_url, frail_redis.url, MESSAGES_PER_S=10000, HEARTBEAT_S=heartbeat_s) as (a, b):
        yield a, b


@pytest.fixture(scope="module")
def guests(frail_pair: tuple[Instance, Instance]) -> list[Guest]:
    """As many as any test needs, made once: each takes those that it wants."""
    return issue_guests(frail_pair[0], sized(70, 200))


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Callable[..., dict[str, Any]]:
    """Keep what was measured: ``figures(took_s=1.25)`` returns it too, and a run at full size prints it."""

    def keep(**measured: Any) -> dict[str, Any]:
        for name, value in measured.items():
            record_property(name, round(value, 3) if isinstance(value, float) else value)
        return measured

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured, one line for each test."""
    if not FULL_SIZE:
        return
    terminalreporter.section("figures")
    for report in [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]:
        if isinstance(report, pytest.TestReport) and report.when == "call" and report.user_properties:
            measured = ", ".join(f"{name} {value}" for name, value in report.user_properties)
            terminalreporter.write_line(f"{report.location[2]}: {measured}")
