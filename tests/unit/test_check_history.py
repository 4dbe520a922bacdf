"""The checker finds each thing that can go wrong, and nothing where nothing is."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from idling_ws.proof.checker import Checker
from idling_ws.proof.cli import main
from idling_ws.proof.history import Recorder
from idling_ws.proof.reading import UnusableError, read
from tests.support.histories import MadeHistory
from tests.support.planted_faults import PLANTED, lose, never_answer, other_bytes, swap


def check(history: MadeHistory, folder: Path) -> list[str]:
    """Return the offending operations, as the checker words them."""
    checker = Checker()
    for record, place in read(history.write(folder / "h.jsonl")):
        checker.take(record, place)
    return [str(violation) for violation in checker.finish().violations]


def test_a_clean_history_passes(tmp_path: Path) -> None:
    """Repeats, rejections, a reconnect and a shared stream are no violations."""
    assert check(MadeHistory(), tmp_path) == []


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_found(plant: Callable[[MadeHistory], None], tmp_path: Path) -> None:
    """Each single thing that is wrong is found, and named."""
    history = MadeHistory()
    plant(history)
    found = check(history, tmp_path)
    assert any(line.startswith(PLANTED[plant]) for line in found), found


def test_a_run_that_was_broken_off_is_not_refuted_but_left_open(tmp_path: Path) -> None:
    """Without a goal nobody can say what should have arrived."""
    history = MadeHistory()
    never_answer(history)
    history.change_all("final", {}, lambda record: record.update(goal=None))
    checker = Checker()
    for record, place in read(history.write(tmp_path / "h.jsonl")):
        checker.take(record, place)
    findings = checker.finish()
    assert findings.clean
    assert findings.unproven["devices that were not brought to the end of their streams"] == 4
    assert findings.unproven["mutations still in doubt at the end"] == 1


def test_files_of_several_processes_are_one_history(tmp_path: Path) -> None:
    """A device of one file and a device of another must agree."""
    history = MadeHistory()
    other_bytes(history)
    mine = MadeHistory()
    header, *rest = history.records
    mine.records = [header, *(r for r in rest if r.get("d", "").endswith(".1") or r["op"] == "snapshot")]
    theirs = MadeHistory()
    theirs.records = [header, *(r for r in rest if r.get("d", "").endswith(".2"))]
    checker = Checker()
    for made, name in ((mine, "a.jsonl"), (theirs, "b.jsonl")):
        for record, place in read(made.write(tmp_path / name)):
            checker.take(record, place)
    found = [str(violation) for violation in checker.finish().violations]
    assert len(found) == 1
    assert found[0].startswith(PLANTED[other_bytes])
    assert "b.jsonl" in found[0]


def run(*arguments: str) -> Result:
    """Run the command line."""
    return CliRunner().invoke(main, arguments)


def test_the_exit_codes_say_what_was_found(tmp_path: Path) -> None:
    """0 with what was proven and on how much, 1 with the operations, 2 for what is no history."""
    clean = MadeHistory().write(tmp_path / "clean.jsonl")
    held = run(str(clean))
    assert held.exit_code == 0, held.output
    assert "18  mutations confirmed" in held.output
    assert "4  devices brought to the end of their streams" in held.output
    assert "P1  what was confirmed is committed: not tried: give --database-url" in held.output

    broken = MadeHistory()
    lose(broken)
    refuted = run(str(broken.write(tmp_path / "broken.jsonl")))
    assert refuted.exit_code == 1
    assert "REFUTED" in refuted.output
    assert PLANTED[lose] in refuted.output
    assert "broken.jsonl:" in refuted.output


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "empty"),
        (b"what is this\n", "no JSON"),
        (b"[]\n", "no object"),
        (b'{"op":"nonsense"}\n', "unknown op"),
        (b'{"op":"device","d":"a","user":1}\n', "not a history"),
        (b'{"op":"run","format":"other"}\n', "not a history"),
        (b'{"op":"run","format":"idling-history.1"}\n', "breaks off after line 1"),
        (b'{"op":"run","format":"idling-history.1"}\n{"op":"end","lines":7}\n', "7 lines were written"),
        (b'{"op":"run","format":"idling-history.1"}\n{"op":"end","lines":1}\n', "nothing to check"),
        (b'{"op":"run","format":"idling-history.1"}\n{"op":"device","d":"a"}\n', "without a proper 'user'"),
        (
            b'{"op":"run","format":"idling-history.1"}\n{"op":"resume","d":"a","cursor":"x"}\n',
            "was not introduced",
        ),
    ],
)
def test_what_is_no_history_is_refused(content: bytes, complaint: str, tmp_path: Path) -> None:
    """A green from an empty or torn file would be a lie."""
    path = tmp_path / "h.jsonl"
    path.write_bytes(content)
    result = run(str(path))
    assert result.exit_code == 2
    assert complaint in result.output


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """Exit code 2, and its name."""
    result = run(str(tmp_path / "none.jsonl"))
    assert result.exit_code == 2
    assert "none.jsonl" in result.output


def test_a_file_that_breaks_off_is_checked_when_asked(tmp_path: Path) -> None:
    """What is there can still refute."""
    history = MadeHistory()
    swap(history)
    path = history.write(tmp_path / "h.jsonl")
    path.write_bytes(path.read_bytes()[:-40])
    assert run(str(path)).exit_code == 2
    assert run("--partial", str(path)).exit_code == 1


def test_a_recorder_that_was_left_by_an_error_writes_no_end(tmp_path: Path) -> None:
    """So that nobody takes half a history for a whole one."""
    path = tmp_path / "h.jsonl"
    recorder = Recorder(path, clock=lambda: 1.0)
    recorder.write("run", format="idling-history.1")
    recorder.__exit__(RuntimeError, RuntimeError(), None)
    with pytest.raises(UnusableError, match="breaks off"):
        list(read(path))


def test_memory_grows_by_little_with_the_number_of_mutations(tmp_path: Path) -> None:
    """A million operations fit into a few hundred megabytes: under 450 bytes a mutation, all told."""
    small, large = 500, 4000

    def peak(mutations: int) -> int:
        path = MadeHistory(users=1, mutations=mutations).write(tmp_path / "h.jsonl")
        tracemalloc.start()
        checker = Checker()
        for record, place in read(path):
            checker.take(record, place)
        assert checker.finish().clean
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert (peak(large) - peak(small)) / (large - small) < 450
