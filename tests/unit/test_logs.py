"""Logs: one event is one line, and a traceback tells where, not what somebody held."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest

SCRIPT = """
import logging
from idling_ws.observe.logs import configure
configure({form!r}, "info")
log = logging.getLogger("test")
log.warning("said %s", "one\\r\\ntwo\\u2028three\\x1b[31m 😀")
def fail(token):
    raise ValueError("broken")
try:
    fail("very-secret-token")
except ValueError:
    log.exception("failed")
"""


def _logged(form: str) -> str:
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(form=form)], capture_output=True, check=True)
    return done.stderr.decode()


def test_what_somebody_sent_cannot_start_a_line() -> None:
    """A forged second line, in either format, would pass for one of ours."""
    lines = [json.loads(line) for line in _logged("json").splitlines()]
    assert lines[0]["event"] == "said one\\x0d\\x0atwo\\u2028three\\x1b[31m 😀"
    assert len(lines) == 2
    assert not any(line.startswith("two") for line in _logged("console").splitlines())


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_no_local_variables(form: str) -> None:
    """They are where tokens and texts are."""
    text = _logged(form)
    assert "ValueError" in text
    assert "very-secret-token" not in text.replace('fail("very-secret-token")', "")


def test_levels_are_names() -> None:
    """A level from the settings is one that logging knows."""
    assert all(isinstance(logging.getLevelName(name.upper()), int) for name in ("debug", "info", "warning", "error"))
