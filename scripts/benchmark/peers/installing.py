"""Brings the peers' packages into a folder of their own, which nothing of the product ever sees."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.benchmark.peers.catalogue import (
    FOLDER,
    INSTALLED,
    NCHAN,
    NCHAN_FOLDERS,
    NODE_FOLDER,
    PYTHON,
    Peer,
)

TIMEOUT_S = 600.0
REQUIREMENTS, PACKAGES, LOCK = (FOLDER / name for name in ("requirements.txt", "package.json", "package-lock.json"))
# Debian keeps nginx where only root looks.
SEARCH_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"


def install() -> list[str]:
    """Have them there, from PyPI and npm; return in words what could not be had."""
    missing: list[str] = []
    for name, is_there, work in (("Python", _has_python, _install_python), ("Node", _has_node, _install_node)):
        if not is_there():
            try:
                work()
            except (OSError, subprocess.SubprocessError) as error:
                missing.append(f"the peers in {name} could not be installed: {error}")
    return missing


def missing_of(peer: Peer) -> str | None:
    """Return why ``peer`` cannot run, None when it can."""
    if peer.file.endswith(".js"):
        if shutil.which("node") is None:
            return "no Node.js here: install `nodejs` and `npm`"
        return (
            None if (NODE_FOLDER / "node_modules" / peer.needs).exists() else f"the package {peer.needs} is not there"
        )
    if peer.needs == NCHAN:
        if shutil.which("nginx", path=SEARCH_PATH) is None or find_nchan() is None:
            return "no nginx with nchan here: install `nginx` and `libnginx-mod-nchan`"
        return None
    if not PYTHON.exists():
        return f"the package {peer.needs} is not there"
    found = subprocess.run([PYTHON, "-c", f"import {peer.needs}"], capture_output=True, check=False)
    return None if found.returncode == 0 else f"the package {peer.needs} is not there"


def find_nchan() -> Path | None:
    """Return the module for nginx, None where it is not."""
    return next((folder / NCHAN for folder in NCHAN_FOLDERS if (folder / NCHAN).exists()), None)


def command_of(peer: Peer, port: int, folder: Path) -> list[str]:
    """Make ready what ``peer`` needs to be started, with ``folder`` for what it writes, and return how."""
    source = FOLDER / peer.file
    if peer.needs == NCHAN:
        places = {"@MODULE@": str(find_nchan()), "@FOLDER@": str(folder), "@PORT@": str(port)}
        text = source.read_text(encoding="utf-8")
        for mark, value in places.items():
            text = text.replace(mark, value)
        (folder / peer.file).write_text(text, encoding="utf-8")
        nginx = shutil.which("nginx", path=SEARCH_PATH) or "nginx"
        return [nginx, "-c", str(folder / peer.file), "-p", str(folder), "-e", str(folder / "error.log")]
    if source.suffix == ".js":
        shutil.copy(source, NODE_FOLDER)  # where it stands is where it looks for its packages
        return ["node", str(NODE_FOLDER / peer.file), str(port)]
    return [str(PYTHON), str(source), str(port)]


def _has_python() -> bool:
    return (INSTALLED / "python" / REQUIREMENTS.name).exists() and _is_same(REQUIREMENTS, "python")


def _has_node() -> bool:
    return (NODE_FOLDER / LOCK.name).exists() and _is_same(LOCK, "node")


def _is_same(file: Path, folder: str) -> bool:
    return (INSTALLED / folder / file.name).read_bytes() == file.read_bytes()


def _install_python() -> None:
    _run([sys.executable, "-m", "venv", "--clear", INSTALLED / "python"])
    _run([PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", REQUIREMENTS])
    shutil.copy(REQUIREMENTS, INSTALLED / "python")  # last: it says that all of it is there


def _install_node() -> None:
    NODE_FOLDER.mkdir(parents=True, exist_ok=True)
    shutil.copy(PACKAGES, NODE_FOLDER)
    shutil.copy(LOCK, NODE_FOLDER)
    _run(["npm", "ci", "--prefix", NODE_FOLDER, "--no-audit", "--no-fund", "--loglevel", "error"])


def _run(command: list[str | Path]) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=TIMEOUT_S)
