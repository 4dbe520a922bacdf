"""`make test`: every test that this machine can run, and a plain word about those it cannot.

Python's tests over real PostgreSQL and Redis, the browser's own modules under Node,
and whole browsers. What is missing is installed where that is allowed (as root, with
apt); otherwise the last lines say what was left out and what would bring it in.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OLDEST_NODE = 18
MOST_WORKERS = 4
INSTALL_TIMEOUT_S = 600.0


def main(arguments: list[str]) -> int:
    """Run it all and return the exit status: 0 only if nothing failed."""
    sys.path.insert(0, str(ROOT))
    os.chdir(ROOT)
    from scripts import check_js_types

    left_out: list[str] = []
    failed: list[str] = []

    if not arguments:
        node = _find_node()
        if node is None:
            left_out.append(f"the JavaScript tests: no Node.js {OLDEST_NODE} or later. Install `nodejs` and run again.")
        elif _run_javascript_tests(node) != 0:
            failed.append("JavaScript")
        are_types_right, not_checked = check_js_types.check()
        if not_checked is not None:
            left_out.append(not_checked)
        if not are_types_right:
            failed.append("JavaScript's types")
    if not _has_chromium():
        left_out.append("the browser tests: no Chromium here. Install the package `chromium` and run again.")
    if shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        left_out.append("the test behind nginx: none here. Install the package `nginx-light` and run again.")
    if _run_python_tests(arguments) != 0:
        failed.append("Python")

    print()
    for words in left_out:
        print(f"NOT RUN: {words}")
    print(f"FAILED: {', '.join(failed)}" if failed else "All tests that ran have passed.", flush=True)
    return 1 if failed else 0


def _run_python_tests(arguments: list[str]) -> int:
    # Tests of one file share servers, so a file stays with one worker; the files come in the
    # order of tests/conftest.py, the longest first, and not by how many tests they have.
    # Tests wait for servers more than they compute: one worker more than cores.
    workers = str(max(2, min(MOST_WORKERS, (os.cpu_count() or 1) + 1)))
    spread = [] if arguments else ["--numprocesses", workers, "--dist", "loadfile", "--no-loadscope-reorder", "-r", "s", "--durations", "25"]
    return subprocess.run([sys.executable, "-m", "pytest", *spread, *arguments], check=False).returncode


def _run_javascript_tests(node: str) -> int:
    """Run them; their long report is shown only when something failed."""
    # Named one by one: what Node makes of a folder differs from version to version.
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "js").rglob("*.test.js"))
    command = [node, "--test", "--test-reporter", "tap", *files]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    counts = re.findall(r"^# (?:pass|fail|skipped) \d+", done.stdout, re.MULTILINE)
    print(f"JavaScript, {len(files)} files under Node: {', '.join(count[2:] for count in counts)}", flush=True)
    if done.returncode != 0:
        print(done.stdout, flush=True)
    return done.returncode


def _find_node() -> str | None:
    """Return a Node.js that is young enough."""
    node = shutil.which("node") or shutil.which("nodejs")
    if node is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.match(r"v(\d+)", said)
    return node if match and int(match.group(1)) >= OLDEST_NODE else None


def _has_chromium() -> bool:
    """Return whether there is a Chromium, after trying to install one where that is allowed."""
    from tests.support.chromium import find_chromium

    if find_chromium() is not None:
        return True
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    print("No Chromium here; installing the package `chromium` for the browser tests", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
    ):
        try:
            subprocess.run(
                command,
                check=True,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                timeout=INSTALL_TIMEOUT_S,
            )
        except (OSError, subprocess.SubprocessError) as error:
            print(f"That did not work: {error}", flush=True)
            return False
    return find_chromium() is not None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
