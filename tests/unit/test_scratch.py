"""Where the tests' own files lie: in memory, gone at the end, and a killed run's with the next."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.scratch import PREFIX

SETTLE = """
import sys, tempfile
from pathlib import Path
from tests.support import scratch
scratch.MEMORY, scratch.ROOM_BYTES = Path(sys.argv[1]), int(sys.argv[2])
folder = scratch.settle()
assert folder is None or Path(tempfile.mkdtemp()).parent == folder
print(folder, flush=True)
sys.stdin.readline()
"""


def _settle(memory: Path, room_bytes: int = 0, **environ: str) -> tuple[subprocess.Popen[str], str]:
    """Start a process that settles there and waits; return what it said."""
    rest = {name: value for name, value in os.environ.items() if name != "TMPDIR"}
    command = [sys.executable, "-c", SETTLE, str(memory), str(room_bytes)]
    process = subprocess.Popen(
        command, env={**rest, **environ}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def _end(process: subprocess.Popen[str]) -> None:
    process.communicate("\n")
    assert process.returncode == 0


def test_it_is_there_for_as_long_as_the_process(tmp_path: Path) -> None:
    """One folder, whose name nobody else has, and nothing of it afterwards."""
    process, said = _settle(tmp_path)
    assert [str(path) for path in tmp_path.iterdir()] == [said]
    assert Path(said).name.startswith(PREFIX)
    _end(process)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_goes_with_the_next(tmp_path: Path) -> None:
    """And only that: who runs beside keeps theirs."""
    killed, left = _settle(tmp_path)
    beside, theirs = _settle(tmp_path)
    killed.kill()
    killed.communicate()
    assert Path(left).exists()
    process, mine = _settle(tmp_path)
    assert sorted(map(str, tmp_path.iterdir())) == sorted([theirs, mine])
    _end(process)
    _end(beside)


def test_nothing_changes_without_room_or_where_a_place_is_named(tmp_path: Path) -> None:
    """More than any machine has is not there; and a place that somebody named is theirs to choose."""
    for process, said in (_settle(tmp_path, 1 << 60), _settle(tmp_path, TMPDIR="/tmp")):
        assert said == "None"
        _end(process)
    assert list(tmp_path.iterdir()) == []
