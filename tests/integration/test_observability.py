"""Metrics, and what rests on their names: the table, the alerts with their runbook, the dashboard."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from idling_ws.store.postgres import Database
from tests.support.instances import Instance
from tests.support.wire_client import call, connect, metric, sign_in

Pair = tuple[Instance, Instance]

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"\b(?:idling|process)_[a-z_]+[a-z]\b")
# How a histogram is asked for.
PARTS_OF_A_HISTOGRAM = re.compile(r"_(?:bucket|sum|count)$")

# name: why it needs no place of its own
NOT_LOOKED_AT = {
    "idling_info": "which build it is, to be joined to the rest",
    "process_start_time_seconds": "a restart shows in every counter",
    "process_virtual_memory_bytes": "what is reserved, not what is used",
}


@pytest.fixture
async def exposed(pair: Pair) -> dict[str, str]:
    """What ``/metrics`` names: the kind by the name that is asked for."""
    text = (await call(pair[0].url, "GET", "/metrics")).body.decode()
    return {
        family.name + ("_total" if family.type == "counter" else ""): family.type
        for family in text_string_to_metric_families(text)
        if not family.name.endswith("_created")
    }


async def test_the_table_says_what_is_exposed(exposed: dict[str, str]) -> None:
    """Every name with its kind, and none that is not there."""
    documented: dict[str, str] = {}
    for line in (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            names, kind, *_ = (cell.strip() for cell in line.strip("|").split("|"))
            documented |= {name: kind or exposed.get(name, "") for name in NAME.findall(names)}
    assert documented == exposed


async def test_alerts_rest_on_what_is_exposed_and_say_what_to_do(exposed: dict[str, str]) -> None:
    """Each alert asks for names that are there, and has its section in the runbook."""
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    for rule in rules:
        _check_names(rule["expr"], exposed)
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"]
    runbook = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## ([A-Z]\w+[A-Z]\w+)$", runbook, re.MULTILINE)
    assert sections == [rule["alert"] for rule in rules]


async def test_the_dashboard_shows_what_is_exposed(exposed: dict[str, str]) -> None:
    """Every panel has something to show, and none lies over another."""
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "idling.json").read_text(encoding="utf-8"))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
        for target in panel.get("targets", ()):
            _check_names(target["expr"], exposed)


async def test_every_number_is_shown_somewhere(exposed: dict[str, str]) -> None:
    """On the dashboard or in an alert: a number that nobody looks at tells nobody anything."""
    asked: set[str] = set()
    for path in (ROOT / "deploy" / "grafana" / "idling.json", ROOT / "deploy" / "prometheus" / "alerts.yml"):
        for name in NAME.findall(path.read_text(encoding="utf-8")):
            asked.add(name if name in exposed else PARTS_OF_A_HISTOGRAM.sub("", name))
    assert exposed.keys() - asked == NOT_LOOKED_AT.keys()


def _check_names(expression: str, exposed: dict[str, str]) -> None:
    """Check that ``expression`` asks only for what is there, and for the rate of what only grows."""
    outside_strings = re.sub(r'"[^"]*"', '""', expression)
    asked = set(NAME.findall(outside_strings))
    for name in asked:
        whole = PARTS_OF_A_HISTOGRAM.sub("", name) if name not in exposed else name
        assert whole in exposed, name
        if exposed[whole] == "counter":
            assert re.search(rf"(?:rate|increase)\({name}\b", outside_strings), name
    assert asked or expression.startswith("up")


async def test_what_happens_is_counted(pair: Pair) -> None:
    """A mutation by its name, the canary's way, a reader that does not read."""
    url = pair[0].url
    name = 'idling_confirm_seconds_count{name="profile.update"} '
    async with await connect(url, (await sign_in(url)).token) as device:
        before = await metric(url, name)
        await device.mutate("profile.update", {"bio": "counted"})
        assert await metric(url, name) == before + 1
    echoes = await metric(url, "idling_fanout_echo_seconds_count ")
    async with asyncio.timeout(60):
        while await metric(url, "idling_fanout_echo_seconds_count ") == echoes:
            await asyncio.sleep(0.05)


async def test_waiting_for_a_connection_is_counted(database_url: str) -> None:
    """Only where none was free; those that wait now, how often it came to that, and for how long."""
    database = Database(database_url, max_size=1)
    await database.open()
    try:
        await database.run("SELECT 1")
        assert (database.waits, database.waiting, database.waited_s) == (0, 0, 0.0)
        async with database.connection():
            other = asyncio.create_task(database.run("SELECT 1"))
            while not database.waiting:
                await asyncio.sleep(0)
        assert await other == [(1,)]
        assert (database.waits, database.waiting) == (1, 0)
        assert database.waited_s > 0
    finally:
        await database.close()
