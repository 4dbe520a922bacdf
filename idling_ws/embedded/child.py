"""One server as a child process: started, watched, brought back, ended in order.

The lock file of a server is open in all of its processes (they inherit it) and in
nobody else. So the lock is free exactly when the last of them is gone, and whoever
still has it open is a process of an earlier life: no pid file has to be believed,
no number of a process that has meanwhile become somebody else's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from abc import ABC, abstractmethod
from pathlib import Path

from idling_ws.embedded import launch
from idling_ws.embedded.errors import EmbeddedServersError, cure_for, explained
from idling_ws.embedded.folder import try_lock

log = logging.getLogger(__name__)

READY_TIMEOUT_S = 120.0  # after a crash PostgreSQL first replays its log
POLL_S = 0.02
GENTLE_S = 10.0
HARD_S = 10.0
CRASH_REST_S = 0.25
LONGEST_PAUSE_S = 5.0
SETTLED_S = 10.0
LOG_MAX_BYTES = 1024 * 1024


class Child(ABC):
    """A server below one data folder, alive between `start` and `stop` whatever kills it.

    To be started on the main thread's loop: Linux ends a child with the thread that
    started it, not with the process.
    """

    name: str
    gentle_signal: signal.Signals

    def __init__(self, data_dir: Path, sockets: Path) -> None:
        self.data_dir = data_dir
        self.folder = data_dir / self.name
        self.sockets = sockets
        self.log_path = data_dir / "log" / f"{self.name}.log"
        self._lock_path = data_dir / "run" / f"{self.name}.lock"
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the server while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    @abstractmethod
    def command(self) -> list[str]:
        """Return the words that run it in the foreground."""

    @abstractmethod
    async def is_ready(self) -> bool:
        """Return whether it takes requests now."""

    @abstractmethod
    async def ask_to_end(self, process: asyncio.subprocess.Process) -> None:
        """Ask it to save everything and end."""

    def log_paths(self) -> list[Path]:
        """Return where it says why it did not start."""
        return [self.log_path]

    def stale_files(self) -> list[Path]:
        """Return what a killed life leaves behind and a new one would stumble over."""
        return []

    async def start(self) -> None:
        """End what an earlier life left running, then run it and keep it running.

        Raises:
            EmbeddedServersError: it does not come up.
        """
        await self._launch(patience_s=GENTLE_S)
        self._watch = asyncio.create_task(self._keep_running(), name=f"embedded-{self.name}")

    async def stop(self) -> None:
        """End it in order, by force if it will not; afterwards none of its processes is left."""
        await self._stop_watching()
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(GENTLE_S):
                    await self.ask_to_end(process)
                    await process.wait()
        if self._lock_path.exists():
            os.close(await self._take_lock(patience_s=0 if process is None else CRASH_REST_S))

    async def kill(self) -> None:
        """End it as a power cut would, all of its processes at once; it stays down until `start`."""
        await self._stop_watching()
        process, self._process = self._process, None
        self._signal_all(signal.SIGKILL)
        if process is not None:
            await process.wait()
        os.close(await self._take_lock(patience_s=0))

    def freeze(self) -> None:
        """Stop all of its processes where they are: connections stay up, and nobody answers."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        self._signal_all(signal.SIGCONT)

    async def run_once(self, argv: list[str], folder: Path, said: str = "") -> None:
        """Run a command to its end, under the same lock and the same privileges as the server.

        Raises:
            EmbeddedServersError: it failed; with the end of what it printed.
        """
        lock = await self._take_lock(patience_s=GENTLE_S)
        try:
            process = await self._spawn(argv, folder, lock, signal.SIGKILL, asyncio.subprocess.PIPE)
        finally:
            os.close(lock)
        try:
            output, _ = await process.communicate(said.encode())
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
        if process.returncode != 0:
            text = output.decode(errors="replace").strip()
            raise EmbeddedServersError(f"{Path(argv[0]).name} failed: {text[-1500:]}\n{cure_for(text)}")

    async def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None

    async def _launch(self, patience_s: float) -> None:
        lock = await self._take_lock(patience_s)
        try:
            with explained(f"start {self.name}", self.folder):
                for path in self.stale_files():
                    path.unlink(missing_ok=True)
                self._turn_log_over()
                logged = self._log_sizes()
                with self.log_path.open("ab") as output:
                    process = await self._spawn(self.command(), self.folder, lock, self.gentle_signal, output.fileno())
        finally:
            os.close(lock)
        self._process = process
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while not await self.is_ready():
                    if process.returncode is not None:
                        raise EmbeddedServersError(self._explain_end(process.returncode, logged))
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise EmbeddedServersError(
                f"{self.name} did not answer within {READY_TIMEOUT_S:.0f} s: see {self.log_path}."
            ) from error

    async def _spawn(
        self, argv: list[str], folder: Path, lock: int, death_signal: signal.Signals, output: int
    ) -> asyncio.subprocess.Process:
        order = {"parent": os.getpid(), "death_signal": death_signal, "folder": str(folder), "argv": argv}
        # A session of its own: the terminal's Ctrl-C is for us, and we end the servers in order.
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", launch.__file__, json.dumps(order)),
            stdin=asyncio.subprocess.PIPE if output == asyncio.subprocess.PIPE else asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            env=_environment(),
            start_new_session=True,
            pass_fds=(lock,),
        )

    async def _keep_running(self) -> None:
        """Bring the server back whenever it ends by itself; the pause grows if it keeps ending."""
        loop = asyncio.get_running_loop()
        pause_s = 0.0
        while self._process is not None:
            since = loop.time()
            code = await self._process.wait()
            pause_s = 0.0 if loop.time() - since > SETTLED_S else min(pause_s * 2 + 0.1, LONGEST_PAUSE_S)
            log.warning("%s ended by itself (%s); starting it again", self.name, _say_code(code))
            while True:
                try:
                    await asyncio.sleep(pause_s)
                    await self._launch(patience_s=CRASH_REST_S)
                    break
                except EmbeddedServersError as error:
                    pause_s = min(pause_s * 2 + 0.1, LONGEST_PAUSE_S)
                    log.error("%s does not come back, trying on: %s", self.name, error)

    async def _take_lock(self, patience_s: float) -> int:
        """Return the open lock once no process of an earlier life is left.

        They get the gentle signal and `patience_s` seconds, then SIGKILL.

        Raises:
            EmbeddedServersError: one of them does not end.
        """
        with explained(f"lock {self.name}", self._lock_path):
            lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            for number, wait_s in ((None, 0.0), (self.gentle_signal, patience_s), (signal.SIGKILL, HARD_S)):
                if number is not None:
                    self._signal_holders(number)
                deadline = asyncio.get_running_loop().time() + wait_s
                while True:
                    if try_lock(lock):
                        return lock
                    if asyncio.get_running_loop().time() >= deadline:
                        break
                    await asyncio.sleep(POLL_S)
            raise EmbeddedServersError(
                f"{self.name} of an earlier run does not end (processes {self._holders()}): "
                "end them, or set IDLING_DATA_DIR to another folder."
            )
        except BaseException:
            os.close(lock)
            raise

    def _signal_holders(self, number: signal.Signals) -> None:
        holders = self._holders()
        # Gently it is the parent who is told; its children are its own business.
        told = holders if number == signal.SIGKILL else {p: up for p, up in holders.items() if up not in holders}
        for pid in told:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)  # a frozen one would never hear of it

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self._holders():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _holders(self) -> dict[int, int]:
        """Return who has the lock file open, apart from us: process -> its parent."""
        found: dict[int, int] = {}
        lock_path = self._lock_path.resolve()
        for entry in Path("/proc").glob("[0-9]*"):
            pid = int(entry.name)
            with contextlib.suppress(OSError):
                if pid != os.getpid() and any(link.readlink() == lock_path for link in (entry / "fd").iterdir()):
                    found[pid] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        return found

    def _turn_log_over(self) -> None:
        """Put a long log aside; one generation is kept."""
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_MAX_BYTES:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))

    def _log_sizes(self) -> dict[Path, int]:
        """Return how long each log of this server is: what it says later stands behind that."""
        return {path: path.stat().st_size for path in self.log_paths() if path.exists()}

    def _explain_end(self, code: int, logged: dict[Path, int]) -> str:
        said = "\n".join(
            path.read_bytes()[logged.get(path, 0) :].decode(errors="replace").strip() for path in self._log_sizes()
        )
        words = f"{self.name} did not start ({_say_code(code)}): {said[-1500:]}"
        return f"{words}\n{cure_for(said)} The log: {self.log_path}."


def _say_code(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"


def _environment() -> dict[str, str]:
    """Return our environment without what would change PostgreSQL behind our back."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
