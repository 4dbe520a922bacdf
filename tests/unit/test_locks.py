"""The lock files hold what setup.cfg asks for: who changes one and not the other hears of it here."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]

EXTRAS = {
    "requirements.lock": ["build", "embedded"],
    "requirements-dev.lock": ["build", "embedded", "load", "dev"],
}


def wanted(extras: list[str]) -> list[Requirement]:
    """Read the requirements of the server and of some extras."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = [config["options"]["install_requires"], *(config["options.extras_require"][extra] for extra in extras)]
    return [Requirement(line) for line in "\n".join(lines).splitlines() if line.strip()]


def pins(name: str) -> dict[str, list[str]]:
    """Read a lock: each name with the versions pinned, more than one where markers divide them."""
    found: dict[str, list[str]] = {}
    for project, version in re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE):
        found.setdefault(canonicalize_name(project), []).append(version)
    return found


@pytest.mark.parametrize("name", EXTRAS)
def test_a_lock_pins_everything_asked_for(name: str) -> None:
    """Each requirement is pinned, within its range; else `make lock` was forgotten."""
    locked = pins(name)
    missing = [
        str(requirement)
        for requirement in wanted(EXTRAS[name])
        if not any(requirement.specifier.contains(pin) for pin in locked.get(canonicalize_name(requirement.name), []))
    ]
    assert missing == [], "run `make lock`"


def test_both_locks_agree() -> None:
    """The tests run on the versions that the server is installed with."""
    everything = pins("requirements-dev.lock")
    server = pins("requirements.lock")
    assert server
    assert {name: everything.get(name) for name in server} == server


@pytest.mark.parametrize("name", EXTRAS)
def test_a_lock_has_a_hash_for_each_pin_and_no_place_it_came_from(name: str) -> None:
    """It holds on any machine, whatever index that one uses."""
    text = (ROOT / name).read_text()
    for block in re.split(r"^(?=\S+==)", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in block, block.splitlines()[0]
    assert not re.search(r"https?://|file:|^--|/(opt|tmp|home|root)/", text, re.MULTILINE)
