"""Two rules of this house: a file ends at 350 lines, and a mark that silences a check says why."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("idling_ws", "scripts", "static", "tests")
MOST_LINES = 350

# What silences a check in Python, up to where its reason begins; and in JavaScript.
MARK = re.compile(
    r"#\s*(?:noqa(?::\s*[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)?|type:\s*ignore(?:\[[^]]*])?|pragma:[ \w]*|ruff:\s*noqa\S*)"
)
JS_MARK = re.compile(
    r"@ts-(?:ignore|expect-error|nocheck)|eslint-disable[-\w]*|\b(?:test|it|describe)\.(?:skip|todo)\b[^/]*"
)
REASON = re.compile(r"[\s#:*/-]*\w.*\w")
LEAVES_OUT = {"skip", "skipif", "xfail", "importorskip"}


def files(*endings: str) -> list[Path]:
    """Return what was written here, with one of ``endings``."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in endings]
    return sorted(path for path in found if "node_modules" not in path.parts and path.is_file())


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def marks_without_reason(text: str) -> Iterator[int]:
    """Yield the lines of a Python text with a silenced check, or a test left out, and no word about why."""
    above: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        line = token.start[0]
        stands_alone = not token.line[: token.start[1]].strip()
        mark = MARK.search(token.string)
        if mark is None:
            if stands_alone:
                above[line] = token.string
        elif not REASON.match(token.string[mark.end() :]) and line - 1 not in above:
            yield line
    for node in ast.walk(ast.parse(text)):
        name = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else None
        if isinstance(node, ast.Call) and name in LEAVES_OUT:
            owner = ast.unparse(node.func).rpartition(".")[0]
            words = [*(node.args if owner == "pytest" else []), *(k.value for k in node.keywords if k.arg == "reason")]
            if owner in ("pytest", "pytest.mark") and not any(ast.unparse(word).strip("'\"") for word in words):
                yield node.lineno
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from (
                bare.lineno
                for bare in node.decorator_list
                if isinstance(bare, ast.Attribute) and bare.attr in LEAVES_OUT
            )


def js_marks_without_reason(text: str) -> Iterator[int]:
    """Yield the same lines of a JavaScript text."""
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        mark = JS_MARK.search(line)
        if mark is None or REASON.match(line[mark.end() :].replace("*/", "")):
            continue
        above = lines[number - 2].strip() if number > 1 else ""
        if not above.startswith(("//", "*", "/*")):
            yield number


def test_no_file_is_longer_than_a_room_should_be() -> None:
    """Past 350 lines a file holds two themes: give the second a room of its own."""
    sizes = {named(path): len(path.read_text().splitlines()) for path in files(".py", ".js", ".css")}
    assert len(sizes) > 300
    assert {name: size for name, size in sizes.items() if size > MOST_LINES} == {}


def test_no_mark_is_without_a_reason() -> None:
    """On its line or the line above: who comes later must be able to judge whether it still holds."""
    found = [f"{named(path)}:{line}" for path in files(".py") for line in marks_without_reason(path.read_text())]
    found += [f"{named(path)}:{line}" for path in files(".js") for line in js_marks_without_reason(path.read_text())]
    assert found == []


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("x = 1  # no" + "qa: S101\n", True),
        ("x = 1  # no" + "qa: S101 -- for the type checker\n", False),
        ("x = 1  # no" + "qa\n", True),
        ("x = 1  # no" + "qa: S101, E501\n", True),
        ("# It is only compared.\nx = 1  # no" + "qa: S104\n", False),
        ("y = 2\nx = 1  # type: " + "ignore[misc]\n", True),
        ("x = 1  # type: " + "ignore[misc]  # bound now\n", False),
        ("x = 1  # type: " + "ignore\n", True),
        ("if x:  # prag" + "ma: no cover\n    pass\n", True),
        ("@pytest.mark.skip\ndef test() -> None: ...\n", True),
        ("@pytest.mark.skip()\ndef test() -> None: ...\n", True),
        ("@pytest.mark.skipif(True)\ndef test() -> None: ...\n", True),
        ("@pytest.mark.skipif(True, reason='no nginx')\ndef test() -> None: ...\n", False),
        ("pytest.skip()\n", True),
        ("pytest.skip('no nginx')\n", False),
        ("net.skip()\n", False),
        ("x = '# no" + "qa'\n", False),
    ],
)
def test_what_counts_as_a_reason(text: str, is_found: bool) -> None:
    assert bool(list(marks_without_reason(text))) is is_found


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("// @ts-ignore\nx();", True),
        ("// @ts-ignore -- made by `build`\nx();", False),
        ("// It is made by `build`.\n// @ts-ignore\nx();", False),
        ("/* eslint-disable */", True),
        ("test.skip('a name is no reason', () => {});", True),
        ("test.skip('a name', () => {}); // no browser has it yet", False),
        ("test.skip();", True),
        ("net.skip = () => true;", False),
    ],
)
def test_what_counts_as_a_reason_in_javascript(text: str, is_found: bool) -> None:
    assert bool(list(js_marks_without_reason(text))) is is_found
