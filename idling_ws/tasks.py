"""Tasks: what runs beside the rest for as long as its owner does.

An owner starts its tasks here, and nothing of them is left once it has stopped. The event
loop itself holds tasks only weakly: one that nobody keeps may vanish in the midst of its work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Tasks:
    """The tasks of one owner."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run ``work`` beside the rest, and return its task. One that is done is forgotten."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def stop(self) -> None:
        """End all of them, and wait until they have ended; how they ended is nobody's business then."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
