"""Uploaded images: taken in as whatever was sent, given out as a file that we drew ourselves.

Each upload gets a fresh process (``image_worker``) with a deadline. Starting one costs a
tenth of a second, which an upload can afford, and buys that no image can slow, crash or
read the server.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import idling_ws
from idling_ws.domain.errors import InternalError, InvalidError, UnavailableError
from idling_ws.services.image_outline import MAX_BYTES

DEADLINE_S = 15.0
"""For one image, from waiting for its turn to the last byte. The process's own limit is 8 s of CPU."""

AT_ONCE = 2
"""Images drawn at the same time; more wait. Each may take a core and 120 MiB."""

_ENDED_BY_LIMIT = {-signal.SIGXCPU, -signal.SIGKILL, -signal.SIGSEGV, -signal.SIGABRT, -signal.SIGXFSZ}


@dataclass(frozen=True, slots=True)
class Picture:
    """A file that was drawn by us. ``frames`` is 1 for a still one."""

    content: bytes
    media_type: str
    width: int
    height: int
    frames: int


class ImageStudio:
    """Draws uploads anew, a few at once."""

    def __init__(self, *, deadline_s: float = DEADLINE_S, at_once: int = AT_ONCE) -> None:
        self._deadline_s = deadline_s
        self._turns = asyncio.Semaphore(at_once)

    async def redraw(self, content: bytes) -> Picture:
        """The picture in ``content`` (PNG, GIF, WebP or JPEG; animated GIF and WebP stay so) as a clean file.

        Raises InvalidError when it is not one to take (the field ``file`` says why), and
        UnavailableError when it is not done by the deadline: then the process is gone, too.
        """
        if len(content) > MAX_BYTES:
            # Said before a turn is waited for.
            raise InvalidError("too_large", fields={"file": ["The file is larger than 1 MiB."]})
        try:
            async with asyncio.timeout(self._deadline_s), self._turns:
                output = await self._run_worker(content)
        except TimeoutError as error:
            raise UnavailableError("timeout") from error
        head, _, encoded = output.partition(b"\n")
        what = json.loads(head)
        if "refused" in what:
            raise InvalidError(fields={"file": [what["refused"]]})
        return Picture(encoded, what["media_type"], what["width"], what["height"], what["frames"])

    async def _run_worker(self, content: bytes) -> bytes:
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "idling_ws.services.image_worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_bare_environment(),
        )
        try:
            output, complaint = await worker.communicate(content)
        finally:
            if worker.returncode is None:
                worker.kill()
                await worker.wait()
        if worker.returncode in _ENDED_BY_LIMIT:
            raise InvalidError(fields={"file": ["The image takes too much to draw."]})
        if worker.returncode:
            reason = complaint.decode(errors="replace")[-500:]
            raise InternalError from RuntimeError(f"image worker ended with {worker.returncode}: {reason}")
        return output


def _bare_environment() -> dict[str, str]:
    """No secret of ours: what breaks into the worker finds nothing to take."""
    environment = {"PYTHONPATH": str(Path(idling_ws.__file__).parent.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    if "LD_LIBRARY_PATH" in os.environ:
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return environment
