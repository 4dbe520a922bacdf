"""The Node packages that only checks need: those of ``package-lock.json``, by hash, in ``node_modules``."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "package-lock.json"
MODULES = ROOT / "node_modules"
INSTALLED = MODULES / ".package-lock.json"
INSTALL_TIMEOUT_S = 300.0


def install() -> str | None:
    """Have them in place, whoever else wants to at the same time, or return what is missing."""
    if shutil.which("node") is None:
        return "no Node.js. Install `nodejs` and `npm` and run again."
    with LOCK.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if INSTALLED.exists() and INSTALLED.stat().st_mtime >= LOCK.stat().st_mtime:
            return None
        if shutil.which("npm") is None:
            return "no npm. Install `npm` and run again."
        try:
            subprocess.run(
                ["npm", "ci", "--no-progress", "--loglevel", "error"],
                cwd=ROOT,
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                timeout=INSTALL_TIMEOUT_S,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return f"`npm ci` did not work ({error})."
    return None
