"""The parts of the load test: thresholds, shares, scenarios, tokens, sums of samples, charts."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idling_ws.loadtest.accounts import AccountsError, read_tokens
from idling_ws.loadtest.charts import Line, by_percentile, nice_ceiling, over_time
from idling_ws.loadtest.faults import FAULTS
from idling_ws.loadtest.harm import PLACE_FAULTS, Injury
from idling_ws.loadtest.matrix import FULL, LARGE, SMALL, STORM, chosen
from idling_ws.loadtest.measures import Measures, Totals, percentiles_ms
from idling_ws.loadtest.options import Options
from idling_ws.loadtest.report import page_of
from idling_ws.loadtest.scenarios import SCENARIOS
from idling_ws.loadtest.summary import ALWAYS, metric_names, metrics_of, summary_of
from idling_ws.loadtest.thresholds import Threshold


@pytest.mark.parametrize(
    ("text", "value", "crossed"),
    [
        ("confirm_p99_ms>250", 250.0, False),
        ("confirm_p99_ms>250", 250.1, True),
        (" confirm_p99_ms >= 250 ", 250.0, True),
        ("confirm_p99_ms<1.5", 1.4, True),
        ("confirm_p99_ms<=1.5", 1.6, False),
        ("confirm_p99_ms==0", 0.0, True),
        ("confirm_p99_ms!=0", 0.0, False),
        ("confirm_p99_ms>250", float("nan"), True),
    ],
)
def test_a_threshold_is_crossed_as_it_says(text: str, value: float, crossed: bool) -> None:
    """Six signs, and no number is no pass."""
    threshold = Threshold.parse(text, metric_names())
    assert threshold.crossed({"confirm_p99_ms": value}) is crossed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "confirm_p99_ms",
        "confirm_p99_ms>",
        ">250",
        "confirm_p99_ms>many",
        "confirm_p99_ms>1 and errors>1",
        "confirm_p99_ms=>1",
        "__import__('os')>1",
        "conform_p99_ms>250",
    ],
)
def test_a_threshold_that_cannot_be_read_is_refused(text: str) -> None:
    """A typo must not pass for a limit that held."""
    with pytest.raises(ValueError, match=r"is not of the form|there is no metric"):
        Threshold.parse(text, metric_names())


def test_codes_may_be_named_before_they_ever_came() -> None:
    """An error that never happened counts as none."""
    assert not Threshold.parse("error.unavailable>0", metric_names()).crossed({})


@given(users=st.integers(1, 200), processes=st.integers(1, 16), mutations=st.none() | st.integers(1, 10_000))
def test_the_shares_of_processes_add_up(users: int, processes: int, mutations: int | None) -> None:
    """No user is left out, none is played twice, and the rate stays what it was."""
    options = Options(("http://a",), users=users, rate=100.0, mutations=mutations, processes=processes)
    shares = [options.share(index) for index in range(processes)]
    assert sum(share.users for share in shares) == users
    assert sum(share.rate for share in shares) == pytest.approx(100.0)
    assert len({share.seed for share in shares}) == processes
    if mutations is not None:
        assert sum(share.mutations or 0 for share in shares) == mutations


def test_each_process_has_a_history_of_its_own() -> None:
    """One writer a file."""
    options = Options(("http://a",), history=Path("run.jsonl"), processes=2, users=4)
    assert [options.share(index).history for index in range(2)] == [
        Path("run.0.jsonl"),
        Path("run.1.jsonl"),
    ]


STATES: tuple[dict[str, Any], ...] = (
    {},
    {"session": {"id": "s1", "status": "active", "version": 3}},
    {"session": {"id": "s1", "status": "paused", "version": 3}},
    # Predicted: the id is not known before the verdict.
    {"session": {"activity": "tea", "status": "active"}, "preferences": {"version": 2}},
)


@pytest.mark.parametrize("name", [name for name, scenario in SCENARIOS.items() if scenario.choices])
def test_scenarios_repeat_themselves_by_their_seed(name: str) -> None:
    """The same seed, the same wishes; whatever the state, there is one."""
    scenario = SCENARIOS[name]

    def wishes() -> list[object]:
        rng = random.Random(7)
        return [scenario.choose(state, rng) for _ in range(50) for state in STATES]

    assert wishes() == wishes()


def test_tokens_are_read_from_the_lines_of_token_issue(tmp_path: Path) -> None:
    """As many as needed; times as text or as numbers."""
    path = tmp_path / "tokens.jsonl"
    path.write_text(
        '{"user_id": 1, "access_token": "a", "expires_at": "2026-01-01T00:00:00Z"}\n\n'
        '{"user_id": 2, "access_token": "b", "expires_at": 5.0}\n{"user_id": 3, "access_token": "c"}\n'
    )
    accounts = read_tokens(path, 2)
    assert [(account.user_id, account.access_token) for account in accounts] == [(1, "a"), (2, "b")]
    assert accounts[0].expires_at == 1_767_225_600.0
    with pytest.raises(AccountsError, match="has 3 tokens, 4 are needed"):
        read_tokens(path, 4)


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"user_id": "x", "access_token": "a"}', '{"user_id": 1}'])
def test_a_broken_line_of_tokens_is_named(line: str, tmp_path: Path) -> None:
    """With its file and number."""
    path = tmp_path / "tokens.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(AccountsError, match=r"tokens\.jsonl:1"):
        read_tokens(path, 1)


def totals_of(latencies_ms: list[list[float]]) -> Totals:
    """Return the totals of one process a list, each of one second."""
    totals = Totals()
    for process, latencies in enumerate(latencies_ms):
        measures = Measures()
        for latency_ms in latencies:
            measures.counts["settled"] += 1
            measures.confirmed_after(latency_ms / 1000)
        measures.errors["unavailable"] = 2
        measures.traffic_began, measures.traffic_ended = 10.0, 12.0
        totals.take(process, measures.sample(12.0))
    totals.tick(1.0)
    return totals


def test_samples_of_processes_add_up_without_losing_the_tail() -> None:
    """Percentiles are of all latencies together, not averages of percentiles."""
    totals = totals_of([[float(n) for n in range(1, 100)], [500.0]])
    assert percentiles_ms(totals.confirm, (50, 99.5)) == pytest.approx([50, 500], rel=0.01)
    metrics = metrics_of(totals, Options(("http://a",)), 3)
    assert metrics["settled"] == 100
    assert metrics["mutations_per_s"] == 50.0
    assert metrics["errors"] == metrics["error.unavailable"] == 4
    assert totals.ticks[0].confirm_max_ms == pytest.approx(500, rel=0.01)


def test_every_metric_that_a_threshold_may_name_is_there() -> None:
    """Else a limit would be held against nothing."""
    metrics = metrics_of(totals_of([[1.0]]), Options(("http://a",)), 1)
    assert metric_names() <= set(metrics)


@pytest.mark.parametrize("latencies", [[], [3.0], [1.0, 2.0, 700.0]])
def test_the_page_stands_alone_and_is_well_formed(latencies: list[float]) -> None:
    """Nothing is fetched, nothing is executed, nothing that came from outside is taken for markup."""
    totals = totals_of([latencies])
    options = Options(("http://<script>",))
    metrics = metrics_of(totals, options, 1)
    page = page_of(summary_of(totals, options, metrics, list(ALWAYS), started_at=0.0, interrupted=True))
    assert "<script" not in page
    assert "src=" not in page
    assert "href=" not in page
    assert "url(" not in page
    assert "http://&lt;script&gt;" in page
    assert "ended early" in page
    start = page.index("<svg")
    while start >= 0:
        end = page.index("</svg>", start) + 6
        ElementTree.fromstring(page[start:end])
        start = page.find("<svg", end)


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e7)), max_size=30))
def test_charts_keep_within_their_frame(points: list[tuple[float, float]]) -> None:
    """Whatever the numbers, zeros and one point included."""
    for drawn in (
        over_time("t", "u", [Line("l", "a", points)]),
        over_time("t", "u", [Line("l", "a", points)], logarithmic=True),
        by_percentile("t", "u", [Line("l", "a", [(min(x, 100.0), y) for x, y in points])]),
    ):
        svg = ElementTree.fromstring(drawn[drawn.index("<svg") : drawn.index("</svg>") + 6])
        for line in svg.iter("polyline"):
            for pair in line.attrib["points"].split():
                x, y = (float(part) for part in pair.split(","))
                assert -1 <= x <= 641
                assert -1 <= y <= 221


@given(st.floats(1e-6, 1e9))
def test_axes_end_at_a_round_number_above(value: float) -> None:
    """At most two and a half times as high as need be."""
    ceiling = nice_ceiling(value)
    assert value * 0.99999 <= ceiling <= value * 2.5000001


def test_the_documentation_names_every_scenario_fault_and_metric() -> None:
    """What can be asked for can be read about."""
    text = (Path(__file__).parents[2] / "docs" / "load-testing.md").read_text(encoding="utf-8")
    names = {name for name in metric_names() if not name.startswith(("confirm_", "deliver_"))}
    missing = [name for name in sorted({*names, *SCENARIOS, *FAULTS, *PLACE_FAULTS}) if f"`{name}`" not in text]
    assert missing == []


@pytest.mark.parametrize(
    ("name", "lasted_s", "noticed_after_s", "unnoticed"),
    [
        ("instance-deaf", 20.0, 3.2, False),
        ("instance-deaf", 20.0, 5.1, True),
        ("instance-deaf", 20.0, None, True),
        ("instance-deaf", 4.0, None, False),
        ("redis-kill", 30.0, None, False),
    ],
)
def test_an_instance_that_was_cut_off_has_five_seconds_to_say_so(
    name: str, lasted_s: float, noticed_after_s: float | None, *, unnoticed: bool
) -> None:
    """Unless the fault was over before; of other faults nobody has to tell."""
    assert Injury(name, "", 0.0, lasted_s, 1.0, noticed_after_s).is_unnoticed is unnoticed


def test_the_matrix_has_every_fault_in_each_of_its_sizes() -> None:
    """And the large one is nowhere smaller than the usual one."""
    assert {trial.fault for trial in FULL} == {*FAULTS, *PLACE_FAULTS, STORM}
    for small, usual, large in zip(chosen((), SMALL), chosen((), FULL), LARGE, strict=True):
        assert small.fault == usual.fault == large.fault
        assert (small.times or 0) <= (usual.times or 0) <= (large.times or 0)
        assert small.longest_s <= usual.longest_s <= large.longest_s
    assert [trial.fault for trial in chosen(("partition", "pg-kill"), LARGE)] == ["pg-kill", "partition"]
