"""Processes: one or several, each with its share of the users, all reporting to one place.

Also a single one is a child of its own: adding up and drawing takes milliseconds, which
would show in the tail of what is being measured.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from collections.abc import Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Protocol

import uvloop

from idling_ws.loadtest.accounts import Account
from idling_ws.loadtest.measures import Sample
from idling_ws.loadtest.options import Options
from idling_ws.loadtest.run import Run

JOIN_TIMEOUT_S = 30.0

# What a process is told: ("stop",), or ("fault", name, what happened) to be written down.
Order = tuple[str, ...]
STOP: Order = ("stop",)


class Receive(Protocol):
    """What becomes of a process's samples."""

    def __call__(self, process: int, phase: str, sample: Sample) -> None:
        """Take one sample in."""


class WorkerError(Exception):
    """A process of the run died."""


class Workers:
    """All processes of a run: children, which end with us."""

    def __init__(self, options: Options, accounts: Sequence[Account], receive: Receive) -> None:
        self._options = options
        self._accounts = accounts
        self._receive = receive
        self._pipes: list[Connection[Order, tuple[str, Sample]]] = []

    def stop(self) -> None:
        """Ask for a good end; a second time, for an immediate one."""
        for pipe in self._pipes:
            self._tell(pipe, STOP)

    def note_fault(self, name: str, what: str) -> None:
        """Let it be written down that a fault of the servers happened; in the first process's history."""
        for pipe in self._pipes[:1]:
            self._tell(pipe, ("fault", name, what))

    @staticmethod
    def _tell(pipe: Connection[Order, tuple[str, Sample]], order: Order) -> None:
        try:
            pipe.send(order)
        except OSError:
            return  # it has ended by itself

    async def run(self) -> None:
        """Run to the end. Raises ``WorkerError`` when a process died."""
        context = multiprocessing.get_context("spawn")
        children = []
        for index in range(self._options.processes):
            share = self._accounts[index :: self._options.processes]
            ours, theirs = context.Pipe()
            child = context.Process(target=_child, args=(self._options.share(index), share, index, theirs), daemon=True)
            _start_deaf_to_ctrl_c(child)
            theirs.close()
            self._pipes.append(ours)
            children.append(child)
        try:
            await asyncio.gather(*(self._listen(index, pipe) for index, pipe in enumerate(self._pipes)))
        finally:
            for child in children:
                await asyncio.to_thread(child.join, JOIN_TIMEOUT_S)
                if child.is_alive():
                    child.kill()
        failed = [index for index, child in enumerate(children) if child.exitcode != 0]
        if failed:
            raise WorkerError(f"process {failed[0]} ended with code {children[failed[0]].exitcode}")

    async def _listen(self, index: int, pipe: Connection[Order, tuple[str, Sample]]) -> None:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def take() -> None:
            try:
                while pipe.poll():
                    phase, sample = pipe.recv()
                    self._receive(index, phase, sample)
            except (EOFError, OSError):
                loop.remove_reader(pipe.fileno())
                ended.set_result(None)

        loop.add_reader(pipe.fileno(), take)
        await ended


def _start_deaf_to_ctrl_c(child: BaseProcess) -> None:
    """Start a child that Ctrl-C cannot reach, not even before its first line has run.

    On a terminal the whole group is signalled; when to stop is for the parent to say.
    """
    # Its start would lift the block again.
    resource_tracker.ensure_running()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        child.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _child(
    options: Options, accounts: Sequence[Account], index: int, pipe: Connection[tuple[str, Sample], Order]
) -> None:
    uvloop.run(_run_child(options, accounts, index, pipe))


async def _run_child(
    options: Options, accounts: Sequence[Account], index: int, pipe: Connection[tuple[str, Sample], Order]
) -> None:
    run = Run(options, accounts, lambda phase, sample: pipe.send((phase, sample)), index)
    loop = asyncio.get_running_loop()

    def obey() -> None:
        try:
            order = pipe.recv()
        except (EOFError, OSError):
            # The parent is gone: end at once, nobody will read the rest.
            loop.remove_reader(pipe.fileno())
            run.stop()
            order = STOP
        if order == STOP:
            run.stop()
        else:
            run.note_fault(order[1], order[2])

    loop.add_reader(pipe.fileno(), obey)
    try:
        await run.run()
    finally:
        loop.remove_reader(pipe.fileno())
