"""What every error looks like, whoever says it (contract, section 5)."""

from __future__ import annotations

import re
from typing import Any

CLASSES = {"network", "auth", "permission", "validation", "database", "business", "rate_limit", "system"}
_REQUIRED = {"code", "class", "severity", "message", "retryable", "trace_id"}
_OPTIONAL = {"retry_after_ms", "fields"}
# What would show the inside: SQL, paths, modules, stack traces, names of classes and of libraries.
_INSIDE = re.compile(
    r"(select |insert |update .* set|traceback|file \"|\.py\b|/usr/|/var/|idling_ws|psycopg|aiopg|orjson|aiohttp"
    r"|marshmallow|exception|[a-z]Error\b)",
    re.IGNORECASE,
)


def is_error(error: dict[str, Any], code: str) -> bool:
    """See that ``error`` has the one shape there is, and that code."""
    assert error.keys() >= _REQUIRED, error
    assert error.keys() <= _REQUIRED | _OPTIONAL, error
    assert error["class"] in CLASSES
    assert error["severity"] in {"info", "warning", "error", "critical"}
    assert re.fullmatch(r"[0-9a-f]{16}", error["trace_id"])
    assert isinstance(error["retryable"], bool)
    assert not _INSIDE.search(error["message"]), error["message"]
    for path, texts in error.get("fields", {}).items():
        assert path
        assert texts
        assert not any(_INSIDE.search(text) for text in texts), texts
    assert error["code"] == code, error
    return True


def is_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """See that an HTTP answer is a problem (RFC 9457) with that status and code; return its members."""
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"].partition(";")[0] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    problem: dict[str, Any] = answer.json
    assert problem["status"] == status
    assert problem["type"]
    assert problem["title"]
    is_error({key: value for key, value in problem.items() if key in _REQUIRED | _OPTIONAL}, code)
    return problem
