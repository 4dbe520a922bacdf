"""Other processes that run the embedded servers, and how to wait for the end of all they started."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
END_TIMEOUT_S = 90.0


class Host:
    """A process that runs the embedded servers of one folder; `said` is the first line it printed."""

    def __init__(
        self,
        data_dir: Path,
        *,
        prefix: Sequence[str] = (),
        python: Sequence[str] = (sys.executable,),
        environment: Mapping[str, str] | None = None,
        wait: bool = True,
    ) -> None:
        self.process = subprocess.Popen(
            [*prefix, *python, "-m", "tests.support.embedded_host", str(data_dir)],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.said: dict[str, Any] = self.listen() if wait else {}

    def listen(self) -> dict[str, Any]:
        """Wait for the line that says where the servers are, or what is wrong."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return json.loads(line) if line else {}

    def kill(self) -> None:
        """End it as `kill -9` does: it cannot tidy up."""
        self.process.kill()
        self.process.wait(END_TIMEOUT_S)

    def interrupt(self) -> int:
        """Send SIGINT to its whole process group, as Ctrl-C in a terminal does; return its exit status."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(END_TIMEOUT_S)

    def close(self) -> None:
        """End it in order, if it still runs."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.process.stdout.close()


@contextlib.contextmanager
def hosting(data_dir: Path, **options: Any) -> Iterator[Host]:
    """A host that ends with the block."""
    host = Host(data_dir, **options)
    try:
        yield host
    finally:
        host.close()


def wait_until_all_ended(data_dir: Path) -> None:
    """Return once no process of either server is left: each holds a lock until its end."""
    for path in (data_dir / "run").glob("*.lock"):
        with path.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)


def all_ended(data_dir: Path) -> bool:
    """Whether no process of either server is left now."""
    for path in (data_dir / "run").glob("*.lock"):
        with path.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
    return True
