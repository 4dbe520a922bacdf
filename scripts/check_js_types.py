"""The types of the browser's modules: JSDoc, checked by ``tsc --checkJs``.

The compiler is the one in ``package-lock.json``, installed by hash into ``node_modules``.
Without Node.js and npm nothing is checked, and that is said.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from scripts import node_packages  # noqa: E402 -- found from wherever this is started

COMPILER = node_packages.MODULES / ".bin" / "tsc"
# The page and the service worker see different globals, so each has its own set of them.
PROJECTS = ("tests/js/tsconfig.json", "tests/js/tsconfig.worker.json")
NOT_CHECKED = "the types of the JavaScript: "


def check() -> tuple[bool, str | None]:
    """Return whether no type is wrong, and why nothing was checked if so."""
    missing = node_packages.install()
    if missing is not None:
        return True, NOT_CHECKED + missing
    results = [subprocess.run([COMPILER, "--project", name], cwd=ROOT, check=False) for name in PROJECTS]
    return all(result.returncode == 0 for result in results), None


def main() -> int:
    """Check and say how it went."""
    is_right, not_checked = check()
    if not_checked is not None:
        print(f"NOT CHECKED: {not_checked}", file=sys.stderr)
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
