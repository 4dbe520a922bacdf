"""Room on the disk: looked at before it is used up, because a database without any stops."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

log = logging.getLogger(__name__)

LOOK_TIMEOUT_S = 5.0
# It has to be a tenth more to count as mended: else it would come and go with each file.
MENDED = 1.1


class DiskWatch:
    """Watches the disks that ``folders`` lie on. Below ``min_bytes`` free it is full; 0: never."""

    def __init__(self, folders: Iterable[Path], min_bytes: int) -> None:
        self._folders = tuple(folders)
        self._min_bytes = min_bytes
        self._measuring: asyncio.Task[int] | None = None
        self.is_full = False
        self.free_bytes = 0

    async def look(self) -> None:
        """Measure. What cannot be measured, as on a disk that hangs, stays as it was known."""
        if self._measuring is None or self._measuring.done():
            self._measuring = asyncio.create_task(asyncio.to_thread(self._measure), name="disk")
        try:
            # A thread that hangs cannot be ended: the next look waits for the same one, or they would pile up.
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                self.free_bytes = await asyncio.shield(self._measuring)
        except (OSError, TimeoutError) as exc:
            log.warning("the disk could not be measured: %s", type(exc).__name__)
            return
        was_full = self.is_full
        self.is_full = self.free_bytes < self._min_bytes * (MENDED if was_full else 1)
        if self.is_full and not was_full:
            log.error("the disk is full: %d bytes are free, %d are wanted", self.free_bytes, self._min_bytes)
        elif was_full and not self.is_full:
            log.info("there is room on the disk again")

    def _measure(self) -> int:
        return min(shutil.disk_usage(_existing(folder)).free for folder in self._folders)


def _existing(folder: Path) -> Path:
    """Return ``folder``, or the nearest above it that is there: that is where it would come to lie."""
    return next((one for one in (folder, *folder.parents) if one.exists()), Path("/"))
